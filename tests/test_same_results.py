"""The script that compares two results folders sees every change but those of times."""

import os
import shutil
import sys

import numpy as np
import pytest
from PIL import Image
from support import same_results
from support.runs import make_run, write_run
from support.same_results import differences

from lab.files import read_json, save_arrays, save_json

RUN = "center/seed-0"
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
TABLE = "loss,map_at_r\ncenter,0.5\nring,0.25\n"


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A results folder with a file of every kind."""
    path = tmp_path_factory.mktemp("before")
    write_run(path, "center", score=make_run().scores | {"norm_mean": float("nan")})
    save_pictures(path, PIXELS, PIXELS // 2)
    (path / "results.csv").write_text(TABLE, encoding="utf-8")
    (path / "SUMMARY.md").write_text("# digits\n", encoding="utf-8")
    (path / RUN / "events.out.tfevents.1.main").write_bytes(b"of this time")
    (path / RUN / "embedder.keras").write_bytes(b"with the time of its making")
    return path


@pytest.fixture
def after(before, tmp_path):
    return shutil.copytree(before, tmp_path / "after")


def save_pictures(path, *frames):
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(path / RUN / "roc.png")
    first.save(path / RUN / "training.gif", save_all=True, append_images=others)


def change_metrics(path, change):
    metrics = read_json(path / RUN / "metrics.json")
    change(metrics)
    save_json(path / RUN / "metrics.json", metrics)


def change_arrays(path, change):
    with np.load(path / RUN / "embeddings.npz") as file:
        arrays = dict(file)
    change(arrays)
    save_arrays(path / RUN / "embeddings.npz", arrays)


def test_equal_folders_are_the_same(before, after):
    assert list(differences(before, after)) == []


def test_times_versions_and_what_holds_times_may_differ(before, after):
    change_metrics(after, lambda metrics: metrics.update(timing={"train_seconds": 99.0}))
    change_metrics(after, lambda metrics: metrics["tsne"].update(seconds=99.0))
    config = read_json(after / RUN / "config.json")
    save_json(after / RUN / "config.json", config | {"versions": {"python": "4"}, "command": "another"})
    (after / RUN / "events.out.tfevents.1.main").rename(after / RUN / "events.out.tfevents.2.main")
    (after / RUN / "embedder.keras").write_bytes(b"with another time")
    (after / ".partial").write_text("", encoding="utf-8")
    os.utime(after / "SUMMARY.md", (0, 0))
    assert list(differences(before, after)) == []


def change_setting(path):
    save_json(path / RUN / "config.json", {"settings": {"epochs": 3}})


def change_score(path):
    change_metrics(path, lambda metrics: metrics["test"].update(map_at_r=0.75))


def rename_class(path):
    change_metrics(path, lambda metrics: metrics["class_names"].__setitem__(0, "zero"))


def change_facts(path):
    change_metrics(path, lambda metrics: metrics["tsne"].update(n=21))


def change_value(path):
    change_arrays(path, lambda arrays: arrays["tsne_test"].__setitem__((0, 0), 7.0))


def change_type(path):
    change_arrays(path, lambda arrays: arrays.update(test_labels=arrays["test_labels"].astype("int16")))


def remove_array(path):
    change_arrays(path, lambda arrays: arrays.pop("roc_fars"))


def change_pixel(path):
    changed = PIXELS.copy()
    changed[0, 0, 0] ^= 1
    Image.fromarray(changed).save(path / RUN / "roc.png")


def cut_picture(path):
    Image.fromarray(PIXELS[1:]).save(path / RUN / "roc.png")


def shorten_film(path):
    Image.fromarray(PIXELS).save(path / RUN / "training.gif")


def change_row(path):
    (path / "results.csv").write_text(TABLE.replace("0.25", "0.5"), encoding="utf-8")


def change_text(path):
    (path / "SUMMARY.md").write_text("# mnist\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (change_setting, f"{RUN}/config.json: settings is "),
        (change_score, f"{RUN}/metrics.json: test is "),
        (rename_class, f"{RUN}/metrics.json: class_names is "),
        (change_facts, f"{RUN}/metrics.json: tsne is "),
        (change_value, f"{RUN}/embeddings.npz: array tsne_test differs: "),
        (change_type, f"{RUN}/embeddings.npz: array test_labels differs: int64 (20,) and int16 (20,)"),
        (remove_array, f"{RUN}/embeddings.npz: array roc_fars only in "),
        (change_pixel, f"{RUN}/roc.png: 1 pixels differ"),
        (cut_picture, f"{RUN}/roc.png: 1 x (4, 5, 3) and 1 x (3, 5, 3)"),
        (shorten_film, f"{RUN}/training.gif: 2 x (4, 5, 3) and 1 x (4, 5, 3)"),
        (change_row, "results.csv: rows differ"),
        (change_text, "SUMMARY.md: contents differ"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_change_is_a_line_whichever_comes_first(before, after, change, line):
    change(after)
    (found,) = differences(before, after)
    assert found.startswith(line)
    (reverse,) = differences(after, before)
    assert reverse.partition(" ")[0] == found.partition(" ")[0]


@pytest.mark.parametrize("name", [f"{RUN}/metrics.json", f"{RUN}/roc.png", "SUMMARY.md"])
def test_a_missing_file_is_a_line_that_says_where_it_is(before, after, name):
    (after / name).unlink()
    assert list(differences(before, after)) == [f"{name}: only in {before}"]
    assert list(differences(after, before)) == [f"{name}: only in {before}"]


def test_the_script_prints_every_difference_and_ends_with_1_if_there_is_any(before, after, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["same_results.py", str(before), str(after)])
    with pytest.raises(SystemExit) as end:
        same_results.main()
    assert (end.value.code, capsys.readouterr().out) == (0, "the same\n")
    change_row(after)
    change_text(after)
    with pytest.raises(SystemExit) as end:
        same_results.main()
    assert end.value.code == 1
    assert capsys.readouterr().out == "SUMMARY.md: contents differ\nresults.csv: rows differ\n"
