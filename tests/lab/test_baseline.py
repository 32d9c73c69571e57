"""The raw pixels are measured once for all folders of results, and anew where what they follow from differs."""

import dataclasses
import json
import os

import numpy as np
import pytest
from support.runs import make_run
from support.small_network import few_digits, small_settings

from lab import baseline
from lab.baseline import keep_pixels, kept_pixels
from lab.estimate import Estimate
from lab.files import LAST_USED
from lab.log import Log
from lab.run_folder import RunFolder
from main import run_pixels

RUN = make_run("raw_pixels")


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path):
    """Where they are kept; not there yet."""
    monkeypatch.setattr(baseline, "datasets_folder", lambda: tmp_path / "datasets")
    return tmp_path / "datasets" / "raw-pixels"


def test_what_is_kept_is_the_same_to_the_last_bit():
    assert kept_pixels(RUN.settings, few_digits()) is None
    keep_pixels(RUN, few_digits())
    kept = kept_pixels(RUN.settings, few_digits())
    assert kept == RUN  # But for its arrays.
    assert kept.arrays.keys() == RUN.arrays.keys()
    for name, array in RUN.arrays.items():
        np.testing.assert_array_equal(kept.arrays[name], array, strict=True)


def test_a_second_folder_of_results_has_them_without_measuring_again(tmp_path, monkeypatch, few_points):
    settings, measured = small_settings(perplexity=10.0, tsne_iterations=300).of_pixels(), []
    for name in ("one", "two"):
        with Log("python main.py", tensorboard=False) as log, log.following(Estimate(1, 10, pixels=1), ""):
            run_pixels(settings=settings, data=few_digits(), folder=RunFolder(tmp_path / name), log=log)
            measured += log.progress.estimate.measured
        monkeypatch.setattr("main.measure_pixels", None)
    assert (tmp_path / "one" / "metrics.json").read_text(encoding="utf-8") == (
        tmp_path / "two" / "metrics.json"
    ).read_text(encoding="utf-8")
    assert (tmp_path / "one" / "embeddings.npz").read_bytes() == (tmp_path / "two" / "embeddings.npz").read_bytes()
    assert list(measured[1]) == ["embedding", "scoring", "t-SNE"]
    assert (
        measured[0]
        == measured[1]
        == json.loads((tmp_path / "two" / "metrics.json").read_text(encoding="utf-8"))["timing"]["stages"]
    )


def other_images(data):
    images = data.test.images.copy()
    images[7, 3, 3] ^= 1
    return dataclasses.replace(data, test=dataclasses.replace(data.test, images=images))


def other_labels(data):
    labels = data.train.labels.copy()
    labels[0] = (labels[0] + 1) % 10
    return dataclasses.replace(data, train=dataclasses.replace(data.train, labels=labels))


def images_elsewhere(data):
    train, validation = data.train, data.validation
    joined = dataclasses.replace(
        train,
        images=np.concatenate([train.images, validation.images[:1]]),
        labels=np.concatenate([train.labels, validation.labels[:1]]),
    )
    return dataclasses.replace(data, train=joined, validation=validation[np.arange(1, len(validation))])


CHANGES = {
    "an image": other_images,
    "a label": other_labels,
    "a part": images_elsewhere,
    "a name": lambda data: dataclasses.replace(data, class_names=("none", *data.class_names[1:])),
    "the content of a data set without a name": lambda data: dataclasses.replace(data, content="others"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_images_are_measured(change):
    keep_pixels(RUN, few_digits())
    assert kept_pixels(RUN.settings, change(few_digits())) is None


@pytest.mark.parametrize("change", [{"perplexity": 20.0}, {"tsne_iterations": 300}, {"quick": True}, {"split": 1}])
def test_other_settings_are_measured(change):
    keep_pixels(RUN, few_digits())
    assert kept_pixels(dataclasses.replace(RUN.settings, **change), few_digits()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"environment": lambda: {"versions": {"numpy": "3.0"}}},
        {"environment": lambda: {"machine": {"processor": "another"}}},
        {"source_code": lambda folders: "another"},
    ],
)
def test_other_versions_machines_and_source_measure(change, monkeypatch):
    keep_pixels(RUN, few_digits())
    for name, function in change.items():
        monkeypatch.setattr(baseline, name, function)
    assert kept_pixels(RUN.settings, few_digits()) is None


def test_a_commit_and_the_losses_make_no_difference(monkeypatch):
    """Whoever works on a loss has the same raw pixels after every change of it."""
    keep_pixels(RUN, few_digits())
    environment = baseline.environment()
    monkeypatch.setattr(baseline, "environment", lambda: environment | {"git_commit": "another"})
    assert kept_pixels(RUN.settings, few_digits()) == RUN
    asked = []
    monkeypatch.setattr(baseline, "source_code", lambda folders: asked.extend(folders))
    kept_pixels(RUN.settings, few_digits())
    assert asked == ["lab", "evaluation"]


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:-1], lambda c: c[:5000] + b"?" + c[5001:]])
def test_what_is_damaged_is_measured_and_kept_again(place, damage):
    keep_pixels(RUN, few_digits())
    (file,) = place.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert kept_pixels(RUN.settings, few_digits()) is None
    keep_pixels(RUN, few_digits())
    assert kept_pixels(RUN.settings, few_digits()) == RUN


def test_the_last_used_are_kept(place):
    seeds = range(LAST_USED + 1)
    runs = [dataclasses.replace(RUN, settings=dataclasses.replace(RUN.settings, perplexity=p + 5.0)) for p in seeds]
    for number, run in enumerate(runs[:-1]):
        keep_pixels(run, few_digits())
        newest = max(place.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        os.utime(newest, (number, number))
    assert kept_pixels(runs[0].settings, few_digits())  # Used now.
    keep_pixels(runs[-1], few_digits())
    assert [run for run in runs if not kept_pixels(run.settings, few_digits())] == [runs[1]]
    assert len(list(place.iterdir())) == LAST_USED


def test_where_nothing_can_be_written_they_are_measured(place):
    place.parent.write_text("a file", encoding="utf-8")
    keep_pixels(RUN, few_digits())
    assert kept_pixels(RUN.settings, few_digits()) is None
