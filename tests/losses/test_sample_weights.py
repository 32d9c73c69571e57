"""Weights of samples and classes: no loss can use them, and none takes them without a word."""

import keras
import numpy as np
import pytest

from losses import ArcFace, CenterLoss, TripletLoss
from tests.losses.test_every_loss import DIM, STATE, images_and_labels, make
from tests.losses.test_in_a_model import (
    STATELESS,
    WRAPPERS,
    BesideItsCompiledLoss,
    MarginClassifier,
    compiled,
    every_mode,
    network,
)

WEIGHTS = {
    "sample_weight": {"sample_weight": np.arange(64.0)},
    "equal sample_weight": {"sample_weight": np.ones(64)},
    "class_weight": {"class_weight": {0: 10.0, 1: 0.0, 2: 0.0, 3: 0.0}},
}
every_weight = pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)


def refuse(model, **weights):
    """A training step with weights is refused, with what to do."""
    with pytest.raises(ValueError, match="more often"):
        model.fit(*images_and_labels(), verbose=0, **weights)


@pytest.mark.parametrize("variant", STATELESS)
def test_every_loss_refuses_them_in_compile(variant):
    refuse(compiled(make(variant)), sample_weight=np.ones(64))


@every_mode
@every_weight
def test_they_are_refused_however_the_model_runs(mode, weights):
    refuse(compiled(TripletLoss(), mode), **weights)


@every_weight
def test_they_are_refused_in_a_fit_after_one_without(weights):
    model = compiled(TripletLoss(), "compiled")
    model.fit(*images_and_labels(), verbose=0)
    refuse(model, **weights)


@pytest.mark.parametrize("method", ["evaluate", "train_on_batch"])
def test_every_method_of_a_model_refuses_them(method):
    with pytest.raises(ValueError, match="more often"):
        getattr(compiled(TripletLoss()), method)(*images_and_labels(), sample_weight=np.ones(64))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_loss_refuses_them_as_well(wrapper):
    refuse(compiled(WRAPPERS[wrapper](TripletLoss())), sample_weight=np.ones(64))


@every_weight
@pytest.mark.parametrize("loss", [ArcFace, CenterLoss])
def test_the_classifier_of_the_readme_refuses_them(loss, weights):
    refuse(compiled(None, model=MarginClassifier(network(), loss(*STATE))), **weights)


def test_another_output_may_have_weights():
    images = keras.Input((6,))
    outputs = {name: keras.layers.Dense(DIM, name=name)(images) for name in ("embedding", "other")}
    model = compiled({"embedding": TripletLoss(), "other": "mse"}, model=keras.Model(images, outputs))
    points, labels = images_and_labels()
    targets, weights = {"embedding": labels, "other": np.zeros((64, DIM))}, np.arange(64.0)
    expected = (weights * (model.predict(points, verbose=0)["other"] ** 2).mean(axis=-1)).mean()
    expected += float(TripletLoss()(labels, model.predict(points, verbose=0)["embedding"]))
    found = model.evaluate(
        points, targets, sample_weight={"embedding": None, "other": weights}, batch_size=64, verbose=0
    )
    assert found[0] == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="more often"):
        model.evaluate(points, targets, sample_weight=weights, verbose=0)


def test_a_model_of_ones_own_may_give_them_to_another_loss():
    model = BesideItsCompiledLoss(network(), CenterLoss(*STATE))
    compiled(lambda labels, embeddings: keras.ops.mean(embeddings**2, axis=-1), model=model)
    model.fit(*images_and_labels(), sample_weight=np.ones(64), verbose=0)
