"""CosFace against values worked by hand and a loop."""

import math

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.cosines import (
    CLASSES,
    DIM,
    EMBEDDING,
    WEIGHTS,
    cosine,
    cosine_softmax_gradients,
    cross_entropy,
    random_batches,
    target_logit,
    with_weights,
)
from support.gradients import value_and_gradient, weight_gradient

from losses import CosFace


def cosface(margin=0.35):
    return with_weights(CosFace(3, 2, scale=10.0, margin=margin, dtype="float64"), WEIGHTS)


def logits(x, weights, label, scale, margin):
    return [scale * (cosine(x, w) - (margin if j == label else 0)) for j, w in enumerate(weights)]


@pytest.mark.parametrize(("margin", "expected"), [(0.35, 5.5040792714), (0, 2.1269287435)])
@pytest.mark.parametrize("size", [1, 7])
def test_value_worked_by_hand_at_any_length_of_the_embedding(margin, expected, size):
    assert float(cosface(margin)(np.array([0]), size * EMBEDDING)) == pytest.approx(expected, abs=1e-9)


def test_a_zero_embedding_pays_the_margin_and_has_no_gradient():
    value, gradient = value_and_gradient(cosface(), [0], np.zeros((1, 2)))
    assert value == pytest.approx(4.2081330, abs=1e-7)  # Logits (-3.5, 0, 0).
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("cosine_", [-1, -0.3, 0.6, 1])
def test_the_margin_is_subtracted_from_the_cosine_before_it_is_scaled(cosine_):
    loss = CosFace(2, 3, scale=10.0, margin=0.35, dtype="float64")
    assert target_logit(loss, cosine_) == pytest.approx(10 * (cosine_ - 0.35), abs=1e-9)


def test_defaults_are_scale_20_and_margin_035():
    assert target_logit(CosFace(2, 3, dtype="float64"), 0.6) == pytest.approx(5)


@pytest.mark.parametrize(("scale", "margin"), [(20, 0.35), (64, 0.4), (1, 0), (5, 1.5)])
def test_value_and_gradients_equal_a_loop(scale, margin):
    for labels, embeddings, weights in random_batches():
        loss = with_weights(CosFace(CLASSES, DIM, scale, margin, dtype="float64"), weights)
        rows = [logits(x, weights, label, scale, margin) for x, label in zip(embeddings, labels, strict=True)]
        value, gradient = value_and_gradient(loss, labels, embeddings)
        assert value == pytest.approx(cross_entropy(rows, labels), rel=1e-9)
        for_embeddings, for_weights = cosine_softmax_gradients(rows, labels, embeddings, weights, scale)
        np.testing.assert_allclose(gradient, for_embeddings, atol=1e-9)
        np.testing.assert_allclose(
            weight_gradient(loss, loss.class_weights, labels, embeddings), for_weights, atol=1e-9
        )


def test_the_class_weights_are_trained():
    # A public port made them inside the loss function, out of the optimizer's sight and of the checkpoint.
    loss = cosface()
    assert [variable.path for variable in loss.trainable_variables] == [loss.class_weights.path]
    assert np.abs(weight_gradient(loss, loss.class_weights, [0], EMBEDDING)[:2]).max(axis=1).min() > 0.1


def test_logits_need_no_labels_and_have_no_margin():
    scores = to_numpy(cosface().logits(EMBEDDING))
    np.testing.assert_allclose(scores, [[6, 8, -6]])
    assert scores.argmax() == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_classes", 1),
        ("scale", 0.0),
        ("scale", -1.0),
        ("scale", math.nan),
        ("scale", math.inf),
        ("margin", -0.1),
        ("margin", math.nan),
        ("margin", math.inf),
    ],
)
def test_rejects_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*{value}"):
        CosFace(**{"num_classes": 3, "embedding_dim": 2, name: value})
