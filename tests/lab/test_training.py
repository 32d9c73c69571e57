"""Training: the best epoch kept, what goes wrong named, the same embeddings from the same seed."""

import numpy as np
import pytest
from support.small_network import Epochs, few_digits, small_model, small_settings, trained

from evaluation.retrieval import retrieval
from evaluation.vectors import l2_normalize
from lab.batches import Batches
from lab.health import SETTLING_STEPS, Health
from lab.training import Failure, train

STEPS = 13  # Of an epoch on `many_steps`: four epochs are more than it takes until a collapse is believed.
# Of a triplet loss: its embeddings end a tenth of the distance apart that counts as a collapse.
COLLAPSING = {
    "overrides": {"mining": "batch_hard", "distance": "euclidean"},
    **{"learning_rate": 1.0, "epochs": 4, "embedding_dim": 2, "seed": 3},
}


@pytest.fixture(scope="module")
def many_steps():
    """The same training images again and again, so that few epochs have many steps."""
    return few_digits().train[np.resize(np.arange(500), 240 * STEPS)]


@pytest.fixture(scope="module")
def two_epochs():
    """A model, its `Training` and what a callback has seen of it."""
    seen = Epochs()
    model, training = trained(small_settings("triplet_center"), few_digits(), seen)
    return model, training, seen.logs


@pytest.mark.xdist_group("training")
def test_the_same_seed_trains_the_same_embeddings_and_another_seed_others(two_epochs):
    again, _ = trained(small_settings("triplet_center"), few_digits())
    other, _ = trained(small_settings("triplet_center", seed=1), few_digits())
    first, same, different = (model.embed(few_digits().test.images) for model in (two_epochs[0], again, other))
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - different).max() > 0.01


@pytest.mark.xdist_group("training")
def test_callbacks_see_every_term_score_and_the_learning_rate_of_each_epoch(two_epochs):
    _, _, logs = two_epochs
    assert len(logs) == 2
    for epoch in logs:
        assert epoch.keys() >= {"softmax", "triplet_center", "head_accuracy", "learning_rate"}
        assert epoch.keys() >= {"val_loss", "val_softmax", "val_triplet_center"}
        assert epoch.keys() >= {"val_map_at_r", "val_center_accuracy", "val_spread"}


@pytest.mark.xdist_group("training")
def test_its_speed_is_that_of_all_images_seen(two_epochs):
    _, training, _ = two_epochs
    assert training.train_seconds > 0
    assert training.images_per_second * training.train_seconds == pytest.approx(2 * (500 // 240) * 240)


@pytest.mark.parametrize("weights", [None, "imagenet"])
def test_averages_start_at_those_of_the_first_batch_unless_weights_are_given(weights, monkeypatch):
    started = []
    monkeypatch.setattr("lab.training.start_averages", lambda embedder, images: started.append(len(images)))
    settings = small_settings(weights=weights, epochs=1)
    model = small_model(small_settings(), few_digits())
    train(model, few_digits().train, Health(few_digits().validation, settings))
    assert started == ([240] if weights is None else [])


@pytest.fixture(scope="module")
def ten_epochs():
    """A training at a rate so high that the last epoch is not the best: model, `Training`, logs."""
    seen = Epochs()
    model, training = trained(small_settings(learning_rate=0.5, epochs=10), few_digits(), seen)
    return model, training, seen.logs


@pytest.mark.xdist_group("training")
def test_the_learning_rate_warms_up_and_falls_to_0(ten_epochs):
    rates = [epoch["learning_rate"] / 0.5 for epoch in ten_epochs[2]]
    assert len(rates) == 10
    assert rates == sorted(rates, reverse=True)
    assert 0.75 < rates[0] <= 1
    assert rates[-1] < 0.05


@pytest.mark.xdist_group("training")
def test_the_best_epoch_on_validation_is_kept(ten_epochs):
    model, training, logs = ten_epochs
    scores = [epoch["val_map_at_r"] for epoch in logs]
    assert scores[-1] < max(scores) - 0.01  # Else nothing would be tried here.
    assert training.best_epoch == int(np.argmax(scores)) + 1
    assert training.validation_map_at_r == pytest.approx(max(scores))
    validation = few_digits().validation
    kept = retrieval(l2_normalize(model.embed(validation.images)), validation.labels)
    assert kept["map_at_r"] == pytest.approx(max(scores), abs=1e-6)


def test_a_diverging_run_is_stopped_and_named_with_remedies():
    seen = Epochs()
    with pytest.raises(Failure, match=r"diverged.*epoch 1.*--learning-rate"):
        trained(small_settings(learning_rate=1e30), few_digits(), seen)
    assert len(seen.logs) == 1


def test_a_run_collapsed_to_one_direction_is_named_with_remedies(many_steps):
    overrides = COLLAPSING["overrides"] | {"softmax_weight": 0.0}
    settings = small_settings("triplet", **COLLAPSING | {"overrides": overrides})
    with pytest.raises(Failure, match=r"collapsed: all embeddings point the same way.*triplet\.softmax_weight=1"):
        trained(settings, few_digits(), split=many_steps)


def test_the_remedies_for_a_collapse_name_no_softmax_where_the_loss_has_none(many_steps):
    settings = small_settings("triplet_only", **COLLAPSING)
    with pytest.raises(Failure, match="collapsed") as failure:
        trained(settings, few_digits(), split=many_steps)
    assert "softmax" not in str(failure.value)


def test_a_run_collapsed_to_one_point_is_named_with_remedies(many_steps):
    """Center loss alone is minimised by one point for all images: embeddings that are near each other stay so."""
    settings = small_settings("center", overrides={"softmax_weight": 0.0}, learning_rate=1e-6, epochs=4)
    model = small_model(settings, few_digits())
    kernel = model.embedder.get_layer("embedding").kernel
    kernel.assign(kernel * 1e-3)
    with pytest.raises(Failure, match=r"collapsed: all embeddings are nearly equal.*center\.softmax_weight=1"):
        train(model, many_steps, Health(few_digits().validation, settings))


def test_a_loss_that_stays_at_its_margin_is_named(many_steps):
    """Distances far below the margin: the loss is the margin, and the learning rate too small to change that."""
    overrides = {"softmax_weight": 0.0, "margin": 1e6, "normalize": False}
    settings = small_settings("triplet", overrides=overrides, learning_rate=1e-12, epochs=4)
    with pytest.raises(Failure, match=r"triplet stays at 1e\+06"):
        trained(settings, few_digits(), split=many_steps)


def test_a_healthy_run_is_no_failure(many_steps):
    settings = small_settings("triplet", epochs=4)
    _, training = trained(settings, few_digits(), split=many_steps)
    assert settings.epochs * STEPS > SETTLING_STEPS  # Else nothing would have been judged.
    assert training.validation_map_at_r > 0.5


def test_batches_are_of_as_many_classes_and_images_as_asked_for(monkeypatch):
    asked = []
    of, validation = Batches.of, Batches.of_validation
    monkeypatch.setattr(Batches, "of", lambda *args: asked.append(of(*args)) or asked[-1])
    monkeypatch.setattr(Batches, "of_validation", lambda *args: asked.append(validation(*args)) or asked[-1])
    few = few_digits().validation
    few = few[few.labels < 4]
    settings = small_settings(classes_per_batch=6, per_class=9, epochs=1)
    train(small_model(settings, few_digits()), few_digits().train, Health(few, settings))
    assert [(batches.classes_per_batch, batches.per_class) for batches in asked] == [(4, 9), (6, 9), (4, 9)]
