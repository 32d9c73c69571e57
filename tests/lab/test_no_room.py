"""Where there is no room for a file, the old one stays, nothing half written does, and the reason is said."""

import pathlib
import resource
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from support.room import room_for
from support.runs import make_run
from support.same_results import differences
from support.small_network import few_digits, small_model, small_settings

from lab.dashboard.epochs import EpochCurves
from lab.dashboard.events import replace_events, scalars
from lab.faults import as_fault
from lab.files import save_arrays, save_bytes, save_json, save_table
from lab.run_folder import RunFolder
from main import main

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = ("--dataset", "digits", "--losses", "softmax", "center", "--epochs", "2", "--embedding-dim", "2")
SIZES = (0, 200, 500, 700, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 10_000, 15_000, 20_000, 25_000, 30_000)  # Bytes,
SIZES += (40_000, 60_000, 80_000, 100_000)  # less than the largest file has.


def save_model(path):
    """Saves a model to the folder of a file; the embedder comes first."""
    model = small_model(small_settings(), few_digits())
    model.embed(few_digits().test.images[:2])
    RunFolder(path.parent).save_model(model)


WRITES = {
    "roc.png": lambda path: save_bytes(path, bytes(10_000)),
    "config.json": lambda path: save_json(path, {"a": "a" * 10_000}),
    "embeddings.npz": lambda path: save_arrays(path, {"a": np.zeros(10_000)}),
    "results.csv": lambda path: save_table(path, [{"a": "a" * 10_000}], ("a",)),
    "embedder.keras": save_model,
}


@pytest.mark.parametrize("file", WRITES)
@pytest.mark.parametrize("size", [0, 1000])
def test_every_kind_of_file_stays_as_it_was_and_is_named(tmp_path, file, size):
    path = tmp_path / file
    path.write_text("old", encoding="utf-8")
    with pytest.raises(OSError, match="File too large") as caught, room_for(size):
        WRITES[file](path)
    assert as_fault(caught.value, None).startswith(f"{path}: File too large. Make room there")
    assert [found.name for found in tmp_path.iterdir()] == [file]
    assert path.read_text(encoding="utf-8") == "old"


def test_events_of_a_run_stay_as_they_were(tmp_path):
    replace_events(tmp_path, [(0, summary) for summary in scalars({"a": 1.0})])
    (before,) = tmp_path.iterdir()
    with pytest.raises(OSError, match="events") as caught, room_for(1000):
        replace_events(tmp_path, [(step, summary) for step in range(1000) for summary in scalars({"a": 1.0})])
    assert as_fault(caught.value, None).startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == [before]


def test_events_of_an_epoch_that_cannot_be_written_are_an_error_of_the_system(tmp_path):
    (tmp_path / "file").write_text("where a folder should be", encoding="utf-8")
    curves = EpochCurves(tmp_path / "file", {})
    curves.set_model(SimpleNamespace(terms={}))
    curves.on_train_begin()
    with pytest.raises(OSError, match="file") as caught:
        curves.on_epoch_end(0, {"loss": 1.0})
    assert as_fault(caught.value, None).startswith(f"{tmp_path / 'file'}/events")


@pytest.mark.parametrize("size", [0, 1000, 20_000])
def test_a_run_without_room_does_not_count_and_with_room_it_does(tmp_path, size):
    run = make_run("center")
    folder = RunFolder(tmp_path / "center" / "seed-0")
    folder.start(run.settings, "command")
    with pytest.raises(OSError, match="File too large"), room_for(size):
        folder.save(run)
    assert not folder.is_done(run.settings, overwrite=False)
    folder.start(run.settings, "command")
    folder.save(run)
    assert folder.is_done(run.settings, overwrite=False)


@pytest.mark.long
@pytest.mark.usefixtures("small_network", "few_points")
def test_with_ever_more_room_the_same_command_gets_further_and_ends_with_the_same_results(tmp_path, capsys):
    command, ended = [*FLAGS, "--runs", str(tmp_path / "runs")], {}
    for size in SIZES:
        with room_for(size):
            assert main(command) == 3
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert ": File too large. Make room there" in told
        found = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*/metrics.json")}
        assert ended.items() <= found.items()
        ended = found
        assert not list((tmp_path / "runs").rglob(".*"))
    assert main(command) == 0
    assert main([*FLAGS, "--runs", str(tmp_path / "undisturbed")]) == 0
    assert list(differences(tmp_path / "undisturbed", tmp_path / "runs")) == []


@pytest.mark.long
def test_with_forty_open_files_at_a_time_a_command_ends_as_ever(tmp_path):
    process = subprocess.run(
        [sys.executable, "main.py", *FLAGS, "--runs", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)),
    )
    assert (process.returncode, process.stderr) == (0, "")
