"""Vital signs: what each kind of loss shows while it trains, and what is said of a training gone wrong."""

import csv
import functools
import types

import keras
import numpy as np
import pytest
from support.small_network import Epochs, few_digits, small_model, small_settings
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lab import health
from lab.estimate import Estimate
from lab.health import SETTLING_STEPS, Health, smallest_distance, target_angles
from lab.log import Log
from lab.run_folder import RunFolder
from lab.training import train
from losses import LOSSES

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

pytestmark = pytest.mark.xdist_group("health")  # They share what takes long to make.


class State(keras.callbacks.Callback):
    """Keeps the validation embeddings, the centers and the class weights after every epoch."""

    def __init__(self):
        super().__init__()
        self.embeddings, self.centers, self.directions = [], [], []

    def on_epoch_end(self, epoch, logs=None):
        self.embeddings.append(self.model.embed(few_digits().validation.images))
        self.centers.append(self.model.learned_centers)
        self.directions.append(self.model.class_directions)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Function that trains a loss as a run is trained; gives its logs, its folder and its state after each epoch."""

    @functools.cache
    def train_once(loss, **overrides):
        folder, settings = RunFolder(tmp_path_factory.mktemp(loss)), small_settings(loss, overrides=overrides)
        model, health = small_model(settings, few_digits()), Health(few_digits().validation, settings)
        log, epochs, state = Log("command", tensorboard=True), Epochs(), State()
        with log.following(Estimate(1, 4), ""):
            folder.start(settings, log.command)
            log.begin(settings.title)
            train(model, few_digits().train, health, [epochs, state, *log.callbacks(folder, health)])
        return epochs.logs, folder.path, state

    return train_once


@pytest.mark.parametrize("loss", SIGNS)
def test_each_loss_shows_its_signs_and_no_other_after_every_epoch(loss):
    settings = small_settings(loss)
    model, health = small_model(settings, few_digits()), Health(few_digits().validation, settings)
    model.compile("sgd")
    health.set_model(model)
    health.on_train_begin()
    for epoch in (0, 1):
        logs = {"loss": 1.0}
        health.on_epoch_end(epoch, logs)
        assert logs.keys() >= EVERY_LOSS
        assert logs.keys() & OPTIONAL == SIGNS[loss]
        assert all(np.isfinite(value) for value in logs.values())


def test_signs_are_those_of_the_model_at_the_end_of_the_epoch_and_kept_in_the_history(trained):
    logs, path, state = trained("triplet_center")
    labels = few_digits().validation.labels
    for epoch, embeddings, centers, directions in zip(
        logs, state.embeddings, state.centers, state.directions, strict=True
    ):
        distances = [np.linalg.norm(a - b) for i, a in enumerate(centers) for b in centers[:i]]
        assert epoch["val_center_distance"] == pytest.approx(min(distances), rel=1e-5)
        lengths = np.linalg.norm(embeddings, axis=1)
        assert epoch["val_embedding_norm"] == pytest.approx(lengths.mean(), rel=1e-5)
        weights = directions[labels, 0]
        cosines = (embeddings * weights).sum(1) / lengths / np.linalg.norm(weights, axis=1)
        assert epoch["val_target_angle"] == pytest.approx(np.degrees(np.arccos(cosines)).mean(), rel=1e-4)
    drift = np.linalg.norm(state.centers[1] - state.centers[0], axis=1).mean()
    assert logs[1]["val_center_drift"] == pytest.approx(drift, rel=1e-5)
    assert all(epoch["val_center_drift"] > 0 for epoch in logs)
    with open(path / "history.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row, epoch in zip(rows, logs, strict=True):
        assert row.keys() >= EVERY_LOSS | SIGNS["triplet_center"]
        assert {name: float(row[name]) for name in epoch} == pytest.approx(epoch)


def test_centers_that_do_not_move_have_no_drift(trained):
    logs, _, _ = trained("center", center_rate=0.0)
    assert [epoch["val_center_drift"] for epoch in logs] == [0, 0]


def test_annealing_falls_with_the_steps_taken(trained):
    logs, _, _ = trained("a_softmax")
    steps = 500 // 240
    expected = [1000 / (1 + 0.12 * steps * epoch) for epoch in (1, 2)]
    assert [epoch["val_annealing"] for epoch in logs] == pytest.approx(expected, rel=1e-5)


def test_angles_are_to_the_nearest_direction_of_the_own_class_in_degrees():
    directions = np.array([[[1.0, 0.0], [0.0, 2.0]], [[-1.0, 0.0], [-1.0, 0.0]]])
    embeddings = np.array([[0.0, 5.0], [1.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(target_angles(embeddings, np.array([0, 0, 1]), directions), [0, 45, 180], atol=1e-5)


def test_the_smallest_distance_of_two_points_is_that_of_every_two():
    points = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    expected = min(np.linalg.norm(a - b) for i, a in enumerate(points) for b in points[:i])
    assert smallest_distance(points) == pytest.approx(expected, rel=1e-5)


def test_classes_without_validation_images_are_left_out():
    split = few_digits().validation
    some = split[np.flatnonzero(split.labels >= 4)]
    health = Health(some, small_settings("softmax"))
    health.set_model(Shown("softmax", 10 * np.eye(10)[some.labels]))
    health.on_train_begin()
    logs = {"loss": 1.0}
    health.on_epoch_end(0, logs)
    assert (logs["val_center_accuracy"], logs["val_map_at_r"]) == (1, 1)
    np.testing.assert_allclose(health.distributions["class_mean_distance"], 0, atol=1e-7)


def test_tensorboard_has_the_signs_as_curves_and_their_distributions_as_histograms(trained):
    _, path, _ = trained("triplet_center")
    events = EventAccumulator(str(path), size_guidance={"tensors": 0}).Reload()
    tags = events.Tags()["tensors"]
    assert {"epoch/target_angle", "epoch/embedding_norm", "epoch/spread"} <= set(tags)
    for tag in ("target_angle", "embedding_norm", "class_mean_distance"):
        assert [event.step for event in events.Tensors(f"histogram/{tag}")] == [1, 2]


class Shown:
    """Stands for a model whose embeddings are what they are, after so many steps."""

    class_directions = learned_centers = None

    def __init__(self, loss, embeddings, steps=SETTLING_STEPS):
        self.terms = {name: term for name, (_, term) in LOSSES[loss](10, embeddings.shape[1]).items()}
        self.embeddings = embeddings
        self.optimizer = keras.optimizers.SGD()
        self.optimizer.iterations.assign(steps)
        self.stop_training = False

    def embed(self, images):
        return self.embeddings


def watched(name, embeddings, steps=SETTLING_STEPS, epochs=1, of=1, overrides=(), precision="float32", **logs):
    """`Health` after so many epochs of those asked for, all with the same embeddings."""
    settings = small_settings(name, epochs=of, overrides=dict(overrides), precision=precision)
    health = Health(few_digits().validation, settings)
    health.set_model(Shown(name, embeddings, steps))
    health.on_train_begin()
    for epoch in range(epochs):
        health.on_epoch_end(epoch, {"loss": 1.0} | logs)
    return health


LABELS = few_digits().validation.labels
NOISE = np.random.default_rng(0).normal(size=(len(LABELS), 8))
SEPARATE = 10 * np.eye(10)[LABELS]
ALIKE = np.ones(8) + 1e-3 * NOISE
NEAR = 1e-3 * NOISE


def test_embeddings_of_one_direction_are_a_collapse_with_the_remedies_that_the_loss_has():
    overrides = {"softmax_weight": 0.0, "mining": "batch_hard", "normalize": False}
    health = watched("triplet", ALIKE, overrides=overrides, triplet=0.5)
    assert health.failure.startswith("collapsed: all embeddings point the same way (spread 0.00")
    assert "in epoch 1. Known remedies: a lower --learning-rate; a softmax term beside the loss" in health.failure
    for remedy in ("--set triplet.softmax_weight=1", "--set triplet.mining=semi_hard triplet.normalize=true"):
        assert remedy in health.failure
    assert health.model.stop_training


def test_no_remedy_is_what_the_run_has_already():
    failure = watched("triplet", ALIKE, triplet=0.5).failure
    assert "softmax_weight=1" not in failure
    assert "semi_hard" not in failure
    assert "less of the loss beside its softmax term (--set triplet.triplet_weight=0.25)" in failure
    assert "a smaller margin (--set triplet.margin=0.1)" in failure


@pytest.mark.parametrize("overrides", [{"margin": 0.0}, {"soft_margin": True}])
def test_no_smaller_margin_is_a_remedy_where_there_is_none(overrides):
    failure = watched("triplet", ALIKE, overrides=overrides | {"triplet_weight": 0.0}, triplet=0.5).failure
    assert failure.endswith("Known remedies: a lower --learning-rate.")


def test_the_remedies_name_neither_softmax_nor_mining_where_the_loss_has_none():
    assert "softmax" not in watched("triplet_only", ALIKE, triplet=0.5).failure
    assert "margin=0.1" in watched("triplet_only", ALIKE, triplet=0.5).failure
    assert "mining" not in watched("center", NEAR).failure


@pytest.mark.parametrize(("precision", "named"), [("float32", False), ("mixed_bfloat16", True)])
def test_float32_is_a_remedy_where_it_is_not_what_diverged(precision, named):
    health = watched("center", NEAR, loss=np.nan, precision=precision)
    assert ("--precision float32" in health.failure) is named


def test_nearly_equal_embeddings_of_all_directions_are_a_collapse():
    failure = watched("center", NEAR).failure
    assert failure.startswith("collapsed: all embeddings are nearly equal (spread 0.00")
    assert "center.center_weight=0.0025" in failure


def test_a_loss_at_its_value_of_equal_embeddings_is_a_collapse():
    assert (
        "triplet stays at 0.2005, its value when all embeddings are equal"
        in watched("triplet", NOISE, triplet=0.2005).failure
    )
    assert watched("triplet", NOISE, triplet=0.19).failure is None


def test_separate_classes_are_no_collapse_however_near_they_are():
    assert watched("triplet", SEPARATE * 1e-3, triplet=0.2).failure is None


def test_a_collapse_must_last_two_epochs_or_to_the_end():
    assert watched("center", NEAR, epochs=1, of=3).failure is None
    assert "in epoch 2" in watched("center", NEAR, epochs=2, of=3).failure
    health = watched("center", NEAR, epochs=1, of=4)
    for epoch, embeddings in ((1, NOISE), (2, NEAR)):  # It got over it in between.
        health.model.embeddings = embeddings
        health.on_epoch_end(epoch, {"loss": 1.0})
    assert health.failure is None
    assert not health.model.stop_training


def test_before_the_averages_have_settled_nothing_is_a_collapse():
    assert watched("center", NEAR, steps=SETTLING_STEPS - 1).failure is None


@pytest.mark.parametrize(
    ("embeddings", "loss"), [(NOISE, np.nan), (NOISE, np.inf), (NOISE * np.nan, 1.0), (NOISE * 1e200, 1.0)]
)
def test_numbers_that_are_not_finite_are_a_divergence_with_remedies_from_the_first_step(embeddings, loss):
    logs = {"loss": loss}
    health = watched("softmax", embeddings, epochs=0)
    health.on_epoch_end(0, logs)
    assert health.failure.startswith(f"diverged: the loss is {loss} in epoch 1. Known remedies: a lower --learning")
    assert health.model.stop_training
    assert np.isnan([logs[name] for name in ("val_center_accuracy", "val_map_at_r", "val_spread")]).all()


def test_scores_are_those_of_the_normalised_validation_embeddings():
    logs = {"loss": 1.0}
    health = watched("softmax", SEPARATE, epochs=0)
    health.on_epoch_end(0, logs)
    assert (logs["val_map_at_r"], logs["val_center_accuracy"], logs["val_embedding_norm"]) == (1, 1, 10)
    unit = np.eye(10)[LABELS]
    assert logs["val_spread"] == pytest.approx(np.linalg.norm(unit - unit.mean(axis=0), axis=1).mean())
    np.testing.assert_allclose(health.distributions["class_mean_distance"], 0, atol=1e-7)
    np.testing.assert_allclose(health.distributions["embedding_norm"], 10)


def test_a_suspicion_is_remembered_where_a_training_goes_on():
    settings = small_settings("center")
    before, after = Health(few_digits().validation, settings), Health(few_digits().validation, settings)
    before.suspicions = 1
    after.set_model(small_model(settings, few_digits()))
    after.state = {name: np.asarray(value) for name, value in before.state.items()}
    assert after.suspicions == 1
    np.testing.assert_array_equal(after.centers, after.model.learned_centers)


def test_of_many_centers_the_distances_of_evenly_chosen_ones_are_looked_at(monkeypatch):
    monkeypatch.setattr(health, "CENTERS", 3)
    centers = np.array([[0.0], [0.1], [5.0], [5.1], [20.0]])  # Every second one.
    watching = types.SimpleNamespace(centers=centers - 1, model=types.SimpleNamespace(learned_centers=centers))
    assert Health._center_signs(watching) == {"center_distance": 5.0, "center_drift": 1.0}
