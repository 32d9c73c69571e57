"""Vital signs: what each kind of loss shows while it trains."""

import dataclasses

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import dashboard
from data import load_dataset, part_of
from health import class_directions, shown_centers, target_angles
from losses import CenterLoss, ExponentialCenterLoss, ProxyNCALoss, Softmax, SubCenterArcFace, TripletLoss
from models import MetricModel
from training import Settings, train

EVERY_LOSS = {"val_spread", "val_embedding_norm", "val_map_at_r", "val_center_accuracy", "learning_rate"}
SIGNS = {
    "softmax": {"val_target_angle"},
    "center": {"val_target_angle", "val_center_distance", "val_center_drift"},
    "triplet_center": {"val_target_angle", "val_center_distance", "val_center_drift", "val_active_fraction"},
    "triplet_only": {"val_active_fraction"},
    "arcface": {"val_target_angle"},
    "proxy_anchor": {"val_target_angle", "val_center_distance", "val_center_drift"},
    "a_softmax": {"val_target_angle", "val_annealing"},
    "adacos": {"val_target_angle", "val_scale"},
    "ring": {"val_target_angle", "val_radius"},
    "exponential_triplet_center": {"val_center_distance", "val_center_drift", "val_active_fraction"},
}
OPTIONAL = set.union(*SIGNS.values())


pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture(scope="module")
def digits():
    return part_of(load_dataset("digits"), 500, 100)


class Recorder:
    """Stands for the terminal: remembers the logs of every epoch."""

    def __init__(self):
        self.logs = []

    def batches(self, count):
        pass

    def epoch(self, number, logs):
        self.logs.append(dict(logs))


def trained(loss, data, path, **changes):
    recorder = Recorder()
    settings = Settings(dataset="digits", loss=loss, seed=0, epochs=2, embedding_dim=8)
    model, _ = train(dataclasses.replace(settings, **changes), data, path, recorder, dashboard=dashboard)
    return model, recorder.logs


@pytest.mark.parametrize("loss", SIGNS)
def test_each_loss_shows_its_signs_and_no_other_after_every_epoch(loss, digits, tmp_path):
    _, logs = trained(loss, digits, tmp_path)
    for epoch in logs:
        assert epoch.keys() >= EVERY_LOSS
        assert epoch.keys() & OPTIONAL == SIGNS[loss]
        assert all(np.isfinite(value) for value in epoch.values())
    columns = (tmp_path / "history.csv").read_text().splitlines()[0].split(",")
    assert set(columns) >= EVERY_LOSS | SIGNS[loss]


def test_signs_are_those_of_the_trained_model(digits, tmp_path):
    model, logs = trained("triplet_center", digits, tmp_path, epochs=1)
    centers = np.asarray(model.terms["triplet_center"].centers)
    distances = [np.linalg.norm(a - b) for i, a in enumerate(centers) for b in centers[:i]]
    assert logs[0]["val_center_distance"] == pytest.approx(min(distances), rel=1e-5)
    embeddings = model.predict_on_batch(digits.validation.images)
    assert logs[0]["val_embedding_norm"] == pytest.approx(np.linalg.norm(embeddings, axis=1).mean(), rel=1e-5)
    weights = np.asarray(model.terms["softmax"].class_weights)[digits.validation.labels]
    cosines = (embeddings * weights).sum(1) / np.linalg.norm(embeddings, axis=1) / np.linalg.norm(weights, axis=1)
    assert logs[0]["val_target_angle"] == pytest.approx(np.degrees(np.arccos(cosines)).mean(), rel=1e-4)


def test_centers_that_do_not_move_have_no_drift(digits, tmp_path):
    _, logs = trained("center", digits, tmp_path, overrides={"center_rate": 0.0})
    assert [epoch["val_center_drift"] for epoch in logs] == [0, 0]
    _, logs = trained("center", digits, tmp_path)
    assert all(epoch["val_center_drift"] > 0 for epoch in logs)


def test_annealing_falls_with_the_steps_taken(digits, tmp_path):
    _, logs = trained("a_softmax", digits, tmp_path)
    steps = 500 // 240
    expected = [1000 / (1 + 0.12 * steps * epoch) for epoch in (1, 2)]
    assert [epoch["val_annealing"] for epoch in logs] == pytest.approx(expected, rel=1e-5)


def test_angles_are_to_the_nearest_direction_of_the_own_class_in_degrees():
    directions = np.array([[[1.0, 0.0], [0.0, 2.0]], [[-1.0, 0.0], [-1.0, 0.0]]])
    embeddings = np.array([[0.0, 5.0], [1.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(target_angles(embeddings, np.array([0, 0, 1]), directions), [0, 45, 180], atol=1e-5)


@pytest.mark.parametrize(
    ("loss", "shape"),
    [(Softmax(4, 3), (4, 1, 3)), (ProxyNCALoss(4, 3), (4, 1, 3)), (SubCenterArcFace(4, 3, 2), (4, 2, 3))],
)
def test_directions_are_the_class_weights_or_proxies(loss, shape):
    assert class_directions(MetricModel(None, {"loss": (1.0, loss)})).shape == shape


def test_a_loss_without_class_weights_or_weight_has_no_directions():
    assert (
        class_directions(MetricModel(None, {"triplet": (1.0, TripletLoss()), "softmax": (0.0, Softmax(4, 3))})) is None
    )


def test_centers_are_shown_where_they_are_in_the_space_of_the_embeddings():
    def model(loss):
        return MetricModel(None, {"loss": (1.0, loss)})

    assert shown_centers(model(CenterLoss(4, 3))).shape == (4, 3)
    assert shown_centers(model(ProxyNCALoss(4, 3))) is None  # Directions.
    assert shown_centers(model(ExponentialCenterLoss(4, 3))) is None  # In a ball, where the embeddings are not.
    assert shown_centers(model(TripletLoss())) is None


def test_tensorboard_has_the_signs_as_curves_and_their_distributions_as_histograms(digits, tmp_path):
    trained("arcface", digits, tmp_path)
    events = EventAccumulator(str(tmp_path / "validation"), size_guidance={"tensors": 0}).Reload()
    tags = events.Tags()["tensors"]
    assert {"epoch_target_angle", "epoch_embedding_norm", "epoch_spread"} <= set(tags)
    for tag in ("target_angle", "embedding_norm", "class_mean_distance"):
        assert [event.step for event in events.Tensors(tag)] == [0, 1]
