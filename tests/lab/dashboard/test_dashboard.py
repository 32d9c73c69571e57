"""With TensorBoard and without: the same calls, and nothing of it stays where it is not wanted."""

import inspect
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from support.runs import ARRAYS, write_run

from lab.dashboard import NoDashboard, make_dashboard
from lab.dashboard.projector import CONFIG
from lab.dashboard.tensorboard import Dashboard
from lab.results import gather
from lab.run_folder import RunFolder

DATA = SimpleNamespace(shown_images=lambda indices: np.zeros((len(indices), 4, 4, 1), np.uint8))


def test_both_can_be_asked_for_the_same():
    def methods(kind):
        return {name: inspect.signature(f) for name, f in inspect.getmembers(kind(), callable) if name[0] != "_"}

    assert methods(Dashboard) == methods(NoDashboard)
    assert "{}" in Dashboard.hint
    assert NoDashboard.hint == ""


def test_the_one_wanted_is_made():
    assert isinstance(make_dashboard(True), Dashboard)
    assert isinstance(make_dashboard(False), NoDashboard)


def test_without_tensorboard_it_is_not_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "lab.dashboard.tensorboard", None)
    assert isinstance(make_dashboard(False), NoDashboard)
    with pytest.raises(ImportError):
        make_dashboard(True)


def test_a_run_has_events_and_a_projector(tmp_path):
    folder = RunFolder(write_run(tmp_path, "center"))
    make_dashboard(True).run(folder, folder.load(), [], DATA)
    assert len(list(folder.path.glob("events*"))) == 1
    assert len((folder.path / "projector_images.tsv").read_text(encoding="utf-8").splitlines()) == 1 + len(
        ARRAYS["tsne_indices"]
    )


def test_a_failed_run_has_events_and_no_projector(tmp_path):
    folder = RunFolder(write_run(tmp_path, "center", failure="collapsed"))
    make_dashboard(True).run(folder, folder.load(), [], DATA)
    assert len(list(folder.path.glob("events*"))) == 1
    assert not (folder.path / CONFIG).exists()


def test_without_tensorboard_a_run_has_neither(tmp_path):
    folder = RunFolder(write_run(tmp_path, "center"))
    before = sorted(folder.path.iterdir())
    make_dashboard(False).run(folder, folder.load(), [], DATA)
    assert sorted(folder.path.iterdir()) == before
    assert make_dashboard(False).callbacks(folder, health=None) == []


def test_without_tensorboard_what_it_was_told_before_is_taken_away(tmp_path):
    write_run(tmp_path, "center")
    stale = [tmp_path / "events.out.tfevents.1.main", tmp_path / "center" / "events.out.tfevents.2.main"]
    foreign = tmp_path / "center" / "events.out.tfevents.3.host"
    for path in (*stale, foreign):
        path.write_bytes(b"")
    make_dashboard(False).comparison(gather(tmp_path), "# All")
    assert [path.exists() for path in (*stale, foreign)] == [False, False, True]


def test_with_tensorboard_what_it_was_told_before_is_replaced(tmp_path):
    write_run(tmp_path, "center")
    stale = tmp_path / "events.out.tfevents.1.main"
    stale.write_bytes(b"")
    make_dashboard(True).comparison(gather(tmp_path), "# All")
    assert not stale.exists()
    assert len(list(tmp_path.glob("events*"))) == 1
