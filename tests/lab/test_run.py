"""A run read from its folder is the run that was saved, and a file that does not say all of it is no run."""

import dataclasses
import json

import numpy as np
import pytest
from support.runs import ARRAYS, OF_PIXELS, make_run

from lab.maps import MapFacts
from lab.protocols import PROTOCOLS
from lab.run import Run, StoredArrays, Training
from lab.run_folder import RunFolder
from lab.settings import PIXELS

THRESHOLDS = {"thresholds": {"far_1e-3": {"distance": 0.65, "test_far": 0.0007, "test_tar": 0.89}}}
OPEN = {"protocol": "open", "split": 2}
UNSEEN = {
    "class_names": (*"012345", *("6*", "7*", "8*", "9*")),
    "judged_names": tuple("6789"),
    "details": THRESHOLDS | {"held_out": ["6", "7", "8", "9"], "shots": {"5": {"mean": 0.9, "half_width": 0.01}}},
    "arrays": ARRAYS | {"unknown_embeddings": np.eye(4, 64, dtype="float32"), "unknown_labels": np.arange(4)},
}
FACTS = MapFacts(400, 30.0, 1000, 0, kl_divergence=0.11, neighbor_preservation=0.73, seconds=1.2)


def scores(protocol, head=0.5):
    """A number of its own for every score."""
    names = PROTOCOLS[protocol].scores
    found = {name: n / 32 for n, name in enumerate(names)}
    return found | {name: head for name in found if name == PROTOCOLS[protocol].head}


def changed(run, **changes):
    return dataclasses.replace(run, **changes)


def several(run):
    """The same run with different values where `make_run` repeats one."""
    maps = {"test": FACTS, "train": dataclasses.replace(FACTS, n=1197, seconds=3.0)}
    return changed(run, maps=maps, stages={"embedding": 0.2, "t-SNE": 3.0}, total_seconds=11.5)


FINISHED = {
    "closed": changed(several(make_run("center", scores("closed"))), details=THRESHOLDS),
    "open": changed(several(make_run("center", scores("open"), **OPEN)), **UNSEEN),
    "unseen": make_run("center", scores("unseen"), protocol="unseen"),
    "without a classifier": make_run("triplet_only", scores("closed", head=None)),
    "with several numbers changed": make_run("a_softmax", overrides={"annealing": (500.0, 0.1, 2.0, 0.0)}),
    "of a sweep": make_run("center", overrides={"center_weight": 0.5}, sweep="center_weight"),
    "raw pixels": changed(make_run(PIXELS, scores("closed", head=None)), details=THRESHOLDS),
    "raw pixels, open": changed(
        make_run(PIXELS, scores("open", head=None), **OPEN), **UNSEEN | {"arrays": UNSEEN["arrays"] | OF_PIXELS}
    ),
}
FAILED = {
    "failed": make_run("center", failure="diverged: the loss is nan in epoch 1"),
    "failed, open": make_run("center", failure="collapsed", **OPEN),
}


def saved(path, run):
    """The folder of a run."""
    folder = RunFolder(path / run.settings.folder)
    folder.start(run.settings, "python main.py")
    folder.save(run)
    return folder


@pytest.mark.parametrize("run", FINISHED.values(), ids=FINISHED)
def test_a_finished_run_is_read_as_it_was_saved_with_its_arrays(tmp_path, run):
    found = saved(tmp_path, run).load()
    assert found == run
    assert found.arrays.keys() == run.arrays.keys()
    for name, array in run.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array, strict=True)


@pytest.mark.parametrize("run", FAILED.values(), ids=FAILED)
def test_a_failed_run_is_read_as_it_was_saved_without_results(tmp_path, run):
    found = saved(tmp_path, run).load()
    assert found == run
    assert dict(found.arrays) == found.scores == found.maps == {}
    assert found.training is None


def test_what_a_run_measured_is_under_its_name_in_the_file():
    metrics = FINISHED["open"].to_metrics()
    assert json.loads(json.dumps(metrics)) == metrics
    assert (metrics["loss"], metrics["seed"], metrics["epochs"]) == ("center", 0, 2)
    assert (metrics["dataset"], metrics["protocol"], metrics["split"], metrics["quick"]) == ("digits", "open", 2, False)
    assert (metrics["status"], metrics["failure"]) == ("finished", None)
    assert (metrics["best_epoch"], metrics["validation_map_at_r"]) == (2, 0.5)
    assert metrics["timing"] == {
        "train_seconds": 1.0,
        "images_per_second": 100.0,
        "stages": {"embedding": 0.2, "t-SNE": 3.0},
        "total_seconds": 11.5,
    }
    assert metrics["test"] == scores("open")
    assert metrics["held_out"] == list("6789")
    assert (metrics["tsne"]["n"], metrics["tsne_train"]["n"]) == (400, 1197)


def test_the_file_of_raw_pixels_has_nothing_of_a_training():
    metrics = FINISHED["raw pixels"].to_metrics()
    assert not metrics.keys() & {"seed", "epochs", "failure", "best_epoch", "validation_map_at_r"}
    assert metrics["timing"].keys() == {"stages", "total_seconds"}
    assert metrics["loss"] == PIXELS


def test_the_file_of_a_failed_run_says_why_and_has_no_scores():
    metrics = FAILED["failed"].to_metrics()
    assert (metrics["status"], metrics["failure"]) == ("failed", "diverged: the loss is nan in epoch 1")
    assert not metrics.keys() & {"test", "timing", "tsne", "best_epoch"}


def read(run, metrics):
    """The run by what its file says."""
    return Run.from_metrics(run.settings, metrics, run.arrays)


EVERY_SCORE = [(protocol, name) for protocol in PROTOCOLS for name in PROTOCOLS[protocol].scores]
MISSING = "missing"


@pytest.mark.parametrize("value", [None, MISSING, "0.5"])
@pytest.mark.parametrize(("protocol", "score"), EVERY_SCORE)
def test_a_file_that_lacks_a_score_is_of_no_run_unless_not_every_run_has_it(protocol, score, value):
    run = FINISHED[protocol]
    found = {name: number for name, number in run.scores.items() if name != score}
    metrics = run.to_metrics() | {"test": found if value == MISSING else found | {score: value}}
    if score in run.protocol.optional and value in (None, MISSING):  # As that of a loss without a classifier.
        assert read(run, metrics).scores == run.scores | {score: None}
        return
    with pytest.raises((KeyError, ValueError)):
        read(run, metrics)


@pytest.mark.parametrize(
    "name", ["class_names", "judged_names", "status", "test", "timing", "tsne", "tsne_train", "best_epoch"]
)
def test_a_file_that_lacks_what_is_drawn_or_compared_is_of_no_run(tmp_path, name):
    run = FINISHED["closed"]
    folder = saved(tmp_path, run)
    metrics = run.to_metrics()
    del metrics[name]
    (folder.path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    assert folder.load() is None


def test_two_dimensions_need_no_maps_and_keep_those_of_an_older_version():
    flat = make_run("center", embedding_dim=2)
    assert not flat.to_metrics().keys() & {"tsne", "tsne_train"}
    assert read(flat, flat.to_metrics()).maps == {}
    older = changed(flat, maps=make_run("center").maps)
    assert read(older, older.to_metrics()).maps == older.maps


@pytest.mark.parametrize("part", ["test", "timing", "tsne"])
def test_a_file_with_something_else_in_a_place_is_of_no_run(tmp_path, part):
    run = FINISHED["closed"]
    folder = saved(tmp_path, run)
    (folder.path / "metrics.json").write_text(json.dumps(run.to_metrics() | {part: 3}), encoding="utf-8")
    assert folder.load() is None


@pytest.mark.parametrize("failure", [None, 3, MISSING])
def test_a_failed_run_that_does_not_say_why_is_no_run(tmp_path, failure):
    run = FAILED["failed"]
    folder = saved(tmp_path, run)
    metrics = {name: value for name, value in run.to_metrics().items() if name != "failure"}
    metrics |= {} if failure == MISSING else {"failure": failure}
    (folder.path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    assert folder.load() is None


def test_what_else_a_later_version_has_measured_is_kept():
    run = FINISHED["closed"]
    found = read(run, run.to_metrics() | {"curvature": [1, 2]})
    assert found.details == run.details | {"curvature": [1, 2]}
    assert found.to_metrics()["curvature"] == [1, 2]


def test_a_run_has_a_name_a_role_and_a_unit():
    pixels, softmax = FINISHED["raw pixels"], make_run("softmax", seed=3)
    assert (pixels.name, pixels.role, pixels.unit) == ("raw pixels", "baseline", None)
    assert (softmax.name, softmax.role, softmax.unit) == ("softmax", "reference", 3)
    swept = FINISHED["of a sweep"]
    assert (swept.name, swept.role) == ("center (center_weight=0.5)", "loss")
    assert FINISHED["open"].unit == FINISHED["raw pixels, open"].unit == 2


def test_known_classes_are_those_that_are_not_unseen():
    assert FINISHED["closed"].known_names == tuple("0123456789")
    assert FINISHED["open"].known_names == tuple("012345")


def test_classes_have_the_numbers_of_the_data_set_in_every_split():
    assert make_run().class_numbers == tuple(range(10))
    for split, unseen in PROTOCOLS["open"].splits("digits", 10).items():
        numbers = make_run(protocol="open", split=split).class_numbers
        assert sorted(numbers) == list(range(10))
        assert list(numbers[:6]) == sorted(set(range(10)) - set(unseen))
        assert list(numbers[6:]) == sorted(unseen)


@pytest.mark.parametrize("protocol", ["closed", "open"])
def test_predictions_are_by_the_loss_itself_where_it_has_a_classifier(protocol):
    split = OPEN if protocol == "open" else {}
    assert make_run("center", scores(protocol), **split).classifier == "the loss's own classifier"
    assert make_run("triplet_only", scores(protocol, head=None), **split).classifier == "the nearest class mean"


def test_the_outcome_is_a_line_of_scores_and_seconds_or_what_went_wrong():
    run = make_run("center", {"knn_accuracy": 0.9925, "center_accuracy": 0.99, "map_at_r": 0.96688})
    line = "5-NN 99.25% · nearest mean 99.00% · MAP@R 0.967"
    assert changed(run, training=Training(2, 0.5, 3.4, 100.0), total_seconds=5.6).outcome == (
        f"{line} (3 s training, 2 s the rest)"
    )
    assert changed(run, training=None).outcome == line
    assert FAILED["failed"].outcome == "FAILED, diverged: the loss is nan in epoch 1"


def test_training_and_times_are_added_to_a_run():
    bare, training = changed(make_run(), training=None, stages={}, total_seconds=None), Training(1, 0.4, 2.0, 10.0)
    assert bare.trained(training) == changed(bare, training=training)
    assert bare.timed({"scoring": 0.5}, 4.0) == changed(bare, stages={"scoring": 0.5}, total_seconds=4.0)


@pytest.fixture
def stored(tmp_path):
    np.savez(tmp_path / "embeddings.npz", floats=np.ones((2, 3), "float32"), labels=np.arange(3))
    return StoredArrays(tmp_path / "embeddings.npz")


def test_stored_arrays_are_a_mapping(stored):
    assert len(stored) == 2
    assert list(stored) == list(stored.keys()) == ["floats", "labels"]
    assert stored["floats"].dtype == "float32"
    assert {name: array.shape for name, array in stored.items()} == {"floats": (2, 3), "labels": (3,)}
    assert "labels" in stored
    assert "centers" not in stored
    assert stored.get("centers") is None
    with pytest.raises(KeyError):
        stored["centers"]


def test_stored_arrays_are_read_when_they_are_asked_for(stored):
    np.savez(stored.path, labels=np.arange(5))
    assert len(stored["labels"]) == 5
    assert list(stored) == ["labels"]


def test_what_is_done_to_a_stored_array_stays_with_whoever_asked(stored):
    stored["labels"][:] = 7
    np.testing.assert_array_equal(stored["labels"], [0, 1, 2])
