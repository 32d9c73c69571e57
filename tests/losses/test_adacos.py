"""AdaCos against values worked by hand and a loop over training steps."""

import math
import statistics

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.cosines import CLASSES, DIM, EMBEDDING, WEIGHTS, angle, cosine, cross_entropy, random_batches, with_weights
from support.gradients import value_and_gradient

from losses import AdaCos, NormalizedSoftmax

FIRST_SCALE, SECOND_SCALE = 0.9802581435, 1.4285709860
FIRST_VALUE, SECOND_VALUE = 0.9262428356, 0.9206032147
LABEL = np.array([0])


def adacos(dynamic=True):
    return with_weights(AdaCos(3, 2, dynamic, dtype="float64"), WEIGHTS)


def scale_of(loss):
    return float(to_numpy(loss.scale))


def next_scale(scale, labels, embeddings, weights):
    """The scale after a training step; the mean of the two middle angles is the median of an even batch."""
    others, angles = 0.0, []
    for x, label in zip(embeddings, labels, strict=True):
        others += sum(math.exp(scale * cosine(x, w)) for j, w in enumerate(weights) if j != label)
        angles.append(angle(x, weights[label]))
    average = others / len(labels)
    return math.log(average) / math.cos(min(math.pi / 4, statistics.median(angles))) if average > 1 else scale


@pytest.mark.parametrize(("num_classes", "expected"), [(3, FIRST_SCALE), (10, 3.1073447968)])
@pytest.mark.parametrize("dynamic", [True, False])
def test_the_scale_starts_at_a_value_of_the_number_of_classes(num_classes, expected, dynamic):
    assert scale_of(AdaCos(num_classes, 2, dynamic, dtype="float64")) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("size", [1, 7])
def test_evaluation_takes_the_scale_as_it_is(size):
    loss = adacos()
    assert float(loss(LABEL, size * EMBEDDING)) == pytest.approx(FIRST_VALUE, abs=1e-7)
    assert scale_of(loss) == pytest.approx(FIRST_SCALE, abs=1e-7)


@pytest.mark.parametrize("size", [1, 7])
def test_a_training_step_moves_the_scale_before_it_takes_the_value(size):
    loss = adacos()
    assert float(loss(LABEL, size * EMBEDDING, training=True)) == pytest.approx(SECOND_VALUE, abs=1e-7)
    assert scale_of(loss) == pytest.approx(SECOND_SCALE, abs=1e-7)
    assert float(loss(LABEL, EMBEDDING)) == pytest.approx(SECOND_VALUE, abs=1e-7)


def test_a_fixed_scale_stays_in_training():
    loss = adacos(dynamic=False)
    assert float(loss(LABEL, EMBEDDING, training=True)) == pytest.approx(FIRST_VALUE, abs=1e-7)
    assert scale_of(loss) == pytest.approx(FIRST_SCALE, abs=1e-7)


def test_it_is_dynamic_by_default():
    loss = with_weights(AdaCos(3, 2, dtype="float64"), WEIGHTS)
    loss(LABEL, EMBEDDING, training=True)
    assert scale_of(loss) == pytest.approx(SECOND_SCALE, abs=1e-7)


@pytest.mark.parametrize("size", [1, 2, 7, 20])
@pytest.mark.parametrize("pull", [0, 3])  # Median angles beyond and below an eighth of a turn.
def test_scales_and_values_of_several_steps_equal_a_loop(size, pull):
    loss = AdaCos(CLASSES, DIM, dtype="float64")
    scale = scale_of(loss)
    for labels, embeddings, weights in random_batches(size=size):
        embeddings = embeddings + pull * weights[labels]
        scale = next_scale(scale, labels, embeddings, weights)
        rows = [[scale * cosine(x, w) for w in weights] for x in embeddings]
        value = float(with_weights(loss, weights)(labels, embeddings, training=True))
        assert scale_of(loss) == pytest.approx(scale, rel=1e-9)
        assert value == pytest.approx(cross_entropy(rows, labels), rel=1e-9)


def test_the_median_of_an_even_batch_is_the_mean_of_the_two_middle_angles():
    degrees = np.radians([80, 10, 30, 0])
    loss = adacos()
    embeddings = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    loss(np.zeros(4, int), embeddings, training=True)
    others = sum(math.exp(FIRST_SCALE * math.sin(t)) + math.exp(-FIRST_SCALE * math.cos(t)) for t in degrees)
    assert scale_of(loss) == pytest.approx(math.log(others / 4) / math.cos(math.radians(20)), rel=1e-7)


def test_the_scale_stays_when_the_other_classes_are_far():
    # Their exponentials average 2 * exp(-0.98) = 0.75: the logarithm would be negative.
    loss = with_weights(adacos(), [[1, 0], [-1, 0], [-1, 0]])
    loss(LABEL, np.array([[1.0, 0.0]]), training=True)
    assert scale_of(loss) == pytest.approx(FIRST_SCALE, abs=1e-7)


@pytest.mark.parametrize("label", [0, 2])
def test_a_large_scale_does_not_overflow(label):
    loss = with_weights(AdaCos(3, 2), WEIGHTS)
    loss.scale.assign(200.0)  # exp(scale * cosine) is beyond float32; the rule gives 200 * 0.8 / cos(pi / 4).
    value = float(loss(np.array([label]), EMBEDDING, training=True))
    assert scale_of(loss) == 100  # The most it may be.
    assert np.isfinite(value)


def test_in_two_dimensions_the_scale_grows_up_to_its_limit_and_stays_finite():
    rng = np.random.default_rng(0)
    loss = AdaCos(10, 2)
    labels, embeddings = rng.integers(0, 10, 64), rng.normal(size=(64, 2)).astype("float32")
    values = [float(loss(labels, embeddings, training=True)) for _ in range(60)]
    assert scale_of(loss) == 100
    assert np.isfinite(values).all()


def test_the_own_class_does_not_drown_the_others():
    # exp(30) = 1e13 next to 1 and 1: as a sum less the own term the others would round to 0.
    loss = with_weights(AdaCos(3, 2), [[1, 0], [0, 1], [0, -1]])
    loss.scale.assign(30.0)
    loss(LABEL, np.array([[1.0, 0.0]], "float32"), training=True)
    assert scale_of(loss) == pytest.approx(math.log(2), rel=1e-5)


def test_the_update_of_the_scale_has_no_gradient():
    labels, embeddings, weights = next(random_batches())
    loss = with_weights(AdaCos(CLASSES, DIM, dtype="float64"), weights)

    def training_step(labels, embeddings):
        with keras.StatelessScope():
            return loss(labels, embeddings, training=True)

    scale = next_scale(scale_of(loss), labels, embeddings, weights)
    fixed = with_weights(NormalizedSoftmax(CLASSES, DIM, scale, dtype="float64"), weights)
    expected, expected_gradient = value_and_gradient(fixed, labels, embeddings)
    value, gradient = value_and_gradient(training_step, labels, embeddings)
    assert value == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-9)


def test_the_scale_is_saved_but_not_trained():
    loss, copy = adacos(), AdaCos(3, 2, dtype="float64")
    loss(LABEL, EMBEDDING, training=True)
    copy.set_weights(loss.get_weights())
    assert loss.scale.shape == ()
    assert scale_of(copy) == scale_of(loss)
    assert [variable.path for variable in loss.trainable_variables] == [loss.class_weights.path]


def test_a_zero_embedding_gives_equal_logits_and_no_gradient():
    loss = adacos()
    value, gradient = value_and_gradient(loss, [0], np.zeros((1, 2)))
    assert value == pytest.approx(math.log(3))
    np.testing.assert_array_equal(gradient, 0)
    loss(LABEL, np.zeros((1, 2)), training=True)
    assert scale_of(loss) == pytest.approx(math.sqrt(2) * math.log(2))  # Both others have exp(0).


def test_logits_need_no_labels_and_are_scaled_cosines():
    loss = adacos()
    np.testing.assert_allclose(to_numpy(loss.logits(EMBEDDING)), FIRST_SCALE * np.array([[0.6, 0.8, -0.6]]))
    loss(LABEL, EMBEDDING, training=True)
    np.testing.assert_allclose(to_numpy(loss.logits(EMBEDDING)), SECOND_SCALE * np.array([[0.6, 0.8, -0.6]]))


@pytest.mark.parametrize("num_classes", [1, 2])
def test_rejects_fewer_than_three_classes(num_classes):
    with pytest.raises(ValueError, match=rf"`num_classes`.*{num_classes}"):
        AdaCos(num_classes, 2)
