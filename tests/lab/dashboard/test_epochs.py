"""The curves of a training: their tags, their steps, and that an open page and the result's file follow them."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lab.dashboard.epochs import EpochCurves, curves
from lab.dashboard.events import replace_events, scalars

LOGS = {
    "loss": 3.0,
    "softmax": 2.0,
    "center": 1.0,
    "val_loss": 6.0,
    "val_softmax": 5.0,
    "val_center": 4.0,
    "learning_rate": 0.5,
    "val_map_at_r": 0.25,
}


@pytest.fixture
def started(tmp_path):
    """The callback in a training of center loss that has begun."""
    callback = EpochCurves(tmp_path, {"embedding_norm": np.array([1.0, 2.0, 4.0])})
    callback.set_model(SimpleNamespace(terms={"softmax": None, "center": None}))
    callback.on_train_begin()
    return callback


def read(folder):
    """Dict from a tag to its steps and tensors."""
    accumulator = EventAccumulator(str(folder), {"tensors": 0}).Reload()
    return {
        tag: [(event.step, tf.make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)]
        for tag in accumulator.Tags()["tensors"]
    }


def test_what_all_losses_share_is_one_group_and_the_terms_of_a_loss_another():
    assert curves(LOGS, ("softmax", "center")) == {
        "epoch/loss": 3.0,
        "term/softmax": 2.0,
        "term/center": 1.0,
        "epoch/validation_loss": 6.0,
        "term/validation_softmax": 5.0,
        "term/validation_center": 4.0,
        "epoch/learning_rate": 0.5,
        "epoch/map_at_r": 0.25,
    }


def test_the_state_of_a_term_is_with_the_terms():
    logs = {"loss": 1.0, "ring": 1.0, "val_loss": 2.0, "val_ring": 2.0}
    logs |= {"val_radius": 3.0, "val_annealing": 4.0, "val_scale": 5.0, "val_center_drift": 6.0}
    assert {tag for tag in curves(logs, ("ring",)) if tag.startswith("term/")} == {
        "term/radius",
        "term/annealing",
        "term/scale",
        "term/center_drift",
    }


def test_a_single_term_is_the_loss_and_no_curve_of_its_own():
    logs = {"loss": 1.0, "arcface": 1.0, "head_accuracy": 0.5, "val_loss": 2.0, "val_arcface": 2.0}
    logs |= {"val_head_accuracy": 0.25, "val_spread": 1.0}
    assert curves(logs, ("arcface",)) == {
        "epoch/loss": 1.0,
        "epoch/head_accuracy": 0.5,
        "epoch/validation_loss": 2.0,
        "epoch/validation_head_accuracy": 0.25,
        "epoch/spread": 1.0,
    }


def test_epochs_count_from_1_in_curves_and_histograms_of_the_run_itself(started, tmp_path):
    for epoch in (0, 1):
        started.on_epoch_end(epoch, LOGS | {"loss": 3.0 - epoch})
    started.on_train_end()
    found = read(tmp_path)
    assert found.keys() == {*curves(LOGS, ("softmax", "center")), "histogram/embedding_norm"}
    assert [(step, float(value)) for step, value in found["epoch/loss"]] == [(1, 3.0), (2, 2.0)]
    assert [step for step, _ in found["histogram/embedding_norm"]] == [1, 2]
    for _, buckets in found["histogram/embedding_norm"]:
        assert (buckets[0, 0], buckets[-1, 1], buckets[:, 2].sum()) == (1, 4, 3)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_an_epoch_can_be_read_before_the_training_ends(started, tmp_path):
    started.on_epoch_end(0, LOGS)
    assert [step for step, _ in read(tmp_path)["epoch/map_at_r"]] == [1]


def test_the_file_of_the_result_is_read_after_that_of_the_training_and_leaves_it(started, tmp_path):
    started.on_epoch_end(0, LOGS)
    started.on_train_end()
    (training,) = tmp_path.iterdir()
    for _ in range(2):
        replace_events(tmp_path, [(1, content) for content in scalars({"test/map_at_r": 0.5})])
        (result,) = set(tmp_path.iterdir()) - {training}
        assert training.name < result.name  # TensorBoard reads the files of a folder in this order.
