"""A run of which a file was damaged is told from one that is whole, and from one that is not there."""

import io
import json
import zipfile

import numpy as np
import pytest
from support.older_results import write_older_results
from support.runs import make_run, write_run

from lab.files import read_json, save_arrays, save_json
from lab.protocols import PROTOCOLS
from lab.results import DAMAGED, gather
from lab.run import StoredArrays
from lab.run_folder import RunFolder

OPEN = {"protocol": "open", "split": 0}


@pytest.fixture
def folder(tmp_path):
    """Of a data set, with raw pixels and two losses."""
    for loss in ("raw_pixels", "softmax", "center"):
        write_run(tmp_path, loss)
    return tmp_path


def center(folder):
    return RunFolder(folder / "center" / "seed-0")


def is_damaged_alone(folder):
    """Whether center is left out of the comparison and done again, and all else stays."""
    results, run = gather(folder), center(folder)
    assert [row.name for row in results.rows] == ["raw_pixels", "softmax"]
    assert results.left_out == {DAMAGED: [run.path]}
    assert run.is_damaged()
    assert RunFolder(folder / "softmax" / "seed-0").is_done(make_run().settings, overwrite=False)
    return not run.is_done(make_run("center").settings, overwrite=False)


def change_arrays(folder, **changes):
    path = center(folder).path / "embeddings.npz"
    arrays = dict(StoredArrays(path)) | changes
    save_arrays(path, {name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize("loss", ["raw_pixels", "softmax"])
@pytest.mark.parametrize("settings", [{}, {"embedding_dim": 2}, OPEN], ids=str)
def test_a_run_as_it_is_left_is_whole(tmp_path, loss, settings):
    run = RunFolder(write_run(tmp_path, loss, **settings))
    assert run.load()
    assert not run.is_damaged()


def test_a_run_of_an_older_version_and_one_that_failed_are_whole(tmp_path):
    write_older_results(tmp_path)
    for path in ("center/seed-0", "triplet/seed-0", "raw_pixels"):
        assert not RunFolder(tmp_path / path).is_damaged()


def test_a_run_that_did_not_end_is_not_damaged(folder):
    (center(folder).path / "metrics.json").unlink()
    assert not center(folder).is_damaged()


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_one_flipped_bit_in_an_array_is_found(folder, place):
    path = center(folder).path / "embeddings.npz"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    assert is_damaged_alone(folder)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_arrays_that_were_cut_short_are_found(folder, share):
    path = center(folder).path / "embeddings.npz"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert is_damaged_alone(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_means": None},
        {"tsne_train": None},
        {"test_embeddings": None},
        {"test_labels": np.arange(7)},
        {"test_labels": np.full(20, 10)},
        {"test_predictions": np.full(20, -1)},
        {"tsne_test": np.zeros((20, 3))},
        {"roc_tars": np.zeros(3)},
        {"same_pairs": np.zeros(3), "different_pairs": np.zeros(3)},
        {"class_means": np.full((10, 64), "x")},
        {"centers": np.zeros((10, 5))},
        {"tsne_indices": np.arange(20.0)},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_a_missing_or_wrong_array_is_found(folder, changes):
    change_arrays(folder, **changes)
    assert is_damaged_alone(folder)


def test_an_array_whose_header_lies_is_found_before_room_is_made_for_it(folder):
    path = center(folder).path / "embeddings.npz"
    lie = io.BytesIO()
    np.lib.format.write_array_header_1_0(lie, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 64)})
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (members | {"class_means.npy": lie.getvalue()}).items():
            file.writestr(name, content)
    assert is_damaged_alone(folder)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "epoch,loss\r\n",
        "epoch,loss\r\n0,2.5\r\n",
        "epoch,loss\r\n0,2.5\r\n1,1.",
        "epoch,loss\r\n0,2.5\r\n1,1.5\r\n2,0.5\r\n",
    ],
)
def test_a_history_of_other_epochs_than_those_of_the_run_is_found(folder, content):
    (center(folder).path / "history.csv").write_text(content, encoding="utf-8", newline="")
    assert is_damaged_alone(folder)


def test_a_history_that_was_taken_away_and_that_of_a_run_that_failed_are_no_damage(folder):
    assert not (center(folder).path / "history.csv").exists()
    assert center(folder).load()
    failed = RunFolder(write_run(folder, "triplet", failure="diverged: the loss is nan in epoch 1"))
    (failed.path / "history.csv").write_text("epoch,loss\n0,nan\n", encoding="utf-8")
    assert not failed.is_damaged()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metrics.json", b'{"status": "finished", "test": {"map_'),
        ("metrics.json", b'{"status": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("metrics.json", b'{"status": "\xff"}'),
        ("metrics.json", b""),
    ],
    ids=["cut short", "nested", "no text", "empty"],
)
def test_a_metrics_file_that_is_none_is_that_of_an_unfinished_run(folder, file, content):
    (center(folder).path / file).write_bytes(content)
    assert gather(folder).left_out == {DAMAGED: [center(folder).path]}
    assert not center(folder).is_done(make_run("center").settings, overwrite=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_names": [0, 1, 2]},
        {"class_names": None},
        {"test": []},
        {"test": dict.fromkeys(PROTOCOLS["closed"].scores, "0.5")},
        {"test": dict.fromkeys(PROTOCOLS["closed"].scores, 10**400)},
        {"best_epoch": "last"},
        {"timing": {"stages": {"scoring": "long"}, "total_seconds": 2.0}},
        {"test": dict.fromkeys(PROTOCOLS["closed"].scores, float("inf"))},
        {"tsne": {"n": 3}},
        {"tsne": None},
        {"class_names": ["\ud800"] * 10},
    ],
    ids=str,
)
def test_metrics_of_the_wrong_shape_are_found(folder, changes):
    path = center(folder).path / "metrics.json"
    metrics = read_json(path) | changes
    path.write_text(json.dumps(metrics), encoding="utf-8")
    if "\\ud800" in path.read_text(encoding="utf-8"):  # It is no text at all.
        assert center(folder).metrics() is None
        assert not center(folder).is_done(make_run("center").settings, overwrite=False)
    else:
        assert is_damaged_alone(folder)


@pytest.mark.parametrize(
    "changes",
    [{"seed": "0"}, {"epochs": None}, {"quick": 1}, {"protocol": "ajar"}, {"loss": "no_loss"}, {"split": 1.5}],
)
def test_settings_of_the_wrong_kind_are_those_of_no_run(folder, changes):
    path = center(folder).path / "config.json"
    config = read_json(path)
    save_json(path, config | {"settings": config["settings"] | changes})
    assert center(folder).settings() is None
    assert gather(folder).left_out == {"no config.json of a run of this version": [center(folder).path]}
