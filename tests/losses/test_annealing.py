"""The margin of A-Softmax and of the large-margin softmax sets in with the training steps."""

import math
import re

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.cosines import target_logit

from losses import ASoftmax, LargeMarginSoftmax
from models import MetricModel

LABELS, EMBEDDINGS = np.array([0, 1]), np.array([[3.0, 4.0, 0.0], [0.0, 1.0, 2.0]])
SCHEDULE = (100.0, 0.5, 2.0, 3.0)

every_loss = pytest.mark.parametrize("loss_class", [ASoftmax, LargeMarginSoftmax])


def schedule(step, base, gamma, power, minimum):
    return max(minimum, base * (1 + gamma * step) ** -power)


def train(loss, steps):
    return [float(loss(LABELS, EMBEDDINGS, training=True)) for _ in range(steps)]


@every_loss
def test_the_step_counts_training_calls_only(loss_class):
    loss = loss_class(2, 3, annealing=SCHEDULE)
    for steps in (1, 2):
        train(loss, 1)
        loss(LABELS, EMBEDDINGS, training=False)
        loss(LABELS, EMBEDDINGS)
        loss.logits(EMBEDDINGS)
        assert int(to_numpy(loss.step)) == steps


@every_loss
def test_each_batch_counts_where_gradients_are_accumulated(loss_class):
    loss = loss_class(2, 3, annealing=SCHEDULE)
    model = MetricModel(keras.Sequential([keras.Input((3,)), keras.layers.Identity()]), {"loss": (1.0, loss)})
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), jit_compile=False)
    model.fit(np.tile(EMBEDDINGS, (4, 1)), np.tile(LABELS, 4), batch_size=2, verbose=0)
    assert int(to_numpy(loss.step)) == 4
    assert int(to_numpy(model.optimizer.iterations)) == 2


@every_loss
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_step_is_an_integer_the_optimizer_does_not_train(loss_class, dtype):
    loss = loss_class(2, 3, dtype=dtype)
    assert keras.backend.standardize_dtype(loss.step.dtype).startswith("int")
    assert [variable.path for variable in loss.non_trainable_variables] == [loss.step.path]
    assert [variable.path for variable in loss.trainable_variables] == [loss.class_weights.path]


@every_loss
@pytest.mark.parametrize("annealing", [SCHEDULE, (1000.0, 0.12, 1.0, 5.0), (1000.0, 4e-4, 35.0, 0.0), (7, 0, 3, 2)])
def test_each_training_call_takes_the_next_value_of_the_schedule(loss_class, annealing):
    loss = loss_class(2, 3, annealing=annealing, dtype="float64")
    for step in range(1, 13):
        value = train(loss, 1)[0]
        assert float(loss.annealing_value()) == pytest.approx(schedule(step, *annealing), rel=1e-6)
        blend = schedule(step, *annealing)
        constant = loss_class(2, 3, annealing=(blend, 0, 0, blend), dtype="float64")
        constant.class_weights.assign(to_numpy(loss.class_weights))
        assert value == pytest.approx(float(constant(LABELS, EMBEDDINGS)), rel=1e-6)


@every_loss
def test_evaluation_takes_the_value_of_the_last_training_call(loss_class):
    loss = loss_class(2, 3, annealing=SCHEDULE, dtype="float64")
    before = float(loss(LABELS, EMBEDDINGS))
    trained = train(loss, 3)
    assert before == trained[0]  # Before any training, that of the first call.
    assert float(loss(LABELS, EMBEDDINGS)) == trained[2]
    assert trained[0] != trained[1] != trained[2]


@every_loss
def test_before_training_the_value_is_that_of_the_first_step(loss_class):
    loss = loss_class(2, 3, annealing=SCHEDULE)
    assert float(loss.annealing_value()) == pytest.approx(100 / 1.5**2)


@every_loss
def test_annealing_goes_on_from_saved_weights(loss_class):
    loss, copy = (loss_class(2, 3, annealing=SCHEDULE) for _ in range(2))
    train(loss, 4)
    copy.set_weights(loss.get_weights())
    assert train(copy, 2) == train(loss, 2)
    assert int(to_numpy(copy.step)) == 6


@pytest.mark.parametrize(("step", "expected"), [(1, 892.857143), (1658, 5.0010002), (1659, 5), (10**9, 5)])
def test_the_published_schedule_reaches_its_minimum_at_step_1659(step, expected):
    loss = ASoftmax(2, 3, dtype="float64")
    loss.step.assign(step)
    assert float(loss.annealing_value()) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_high_power_vanishes_without_overflow(dtype):
    loss = LargeMarginSoftmax(2, 3, dtype=dtype)
    for step in (10**6, 2**31 - 2):
        loss.step.assign(step)
        assert float(loss.annealing_value()) == pytest.approx(0, abs=1e-6)
        assert np.isfinite(train(loss, 1)).all()


@every_loss
@pytest.mark.parametrize(
    ("annealing", "expected"),
    [((0, 0, 0, 0), -0.28), ((5, 0, 0, 5), (5 * 0.6 - 0.28) / 6), ((5, 0, 0, 0), (5 * 0.6 - 0.28) / 6)],
)
def test_the_value_blends_the_margin_with_the_plain_cosine(loss_class, annealing, expected):
    loss = loss_class(2, 3, margin=2, annealing=annealing, dtype="float64")
    train(loss, 3)
    assert float(loss.annealing_value()) == pytest.approx(annealing[0])
    assert target_logit(loss, 0.6) == pytest.approx(expected, rel=1e-9)


@every_loss
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_rejects_annealing_out_of_range(loss_class, place, value):
    annealing = [1.0, 1.0, 1.0, 1.0]
    annealing[place] = value
    with pytest.raises(ValueError, match=rf"`annealing.*{re.escape(str(value))}"):
        loss_class(2, 3, annealing=tuple(annealing))


@every_loss
@pytest.mark.parametrize("annealing", [(), (1.0, 2.0, 3.0)])
def test_rejects_annealing_of_other_than_four_numbers(loss_class, annealing):
    with pytest.raises(ValueError, match=rf"`annealing`.*{re.escape(str(annealing))}"):
        loss_class(2, 3, annealing=annealing)
