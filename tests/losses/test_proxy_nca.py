"""Proxy-NCA loss against values worked by hand and loops over all proxies."""

import math

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import finite_differences, value_and_gradient, weight_gradient

from losses import ProxyNCALoss

PROXIES = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])


def make(scale=1.0, include_positive=True, proxies=PROXIES, dtype="float64"):
    loss = ProxyNCALoss(*proxies.shape, scale=scale, include_positive=include_positive, dtype=dtype)
    loss.proxies.assign(proxies)
    return loss


both_denominators = pytest.mark.parametrize("include_positive", [True, False])


@pytest.mark.parametrize(
    ("include_positive", "expected"),
    [(False, -1.8730719890), (True, 0.1429316285)],  # log(e^-2 + e^-4), log(1 + e^-2 + e^-4)
)
def test_value_worked_by_hand(include_positive, expected):
    value = float(make(include_positive=include_positive)(np.array([0]), np.array([[1.0, 0.0]])))
    assert value == pytest.approx(expected, abs=1e-9)


def test_by_default_the_own_proxy_is_in_the_denominator():
    loss = ProxyNCALoss(3, 2, scale=1.0, dtype="float64")
    loss.proxies.assign(PROXIES)
    assert float(loss(np.array([0]), np.array([[1.0, 0.0]]))) == pytest.approx(0.1429316285, abs=1e-9)


def test_two_classes_without_the_own_proxy_are_linear_in_the_squared_distances():
    loss = make(2.0, include_positive=False, proxies=PROXIES[:2])
    # Squared distances of (0.6, 0.8): 0.8 to the first proxy, 0.4 to the second.
    assert float(loss(np.array([0]), np.array([[0.6, 0.8]]))) == pytest.approx(2 * (0.8 - 0.4))


def squared_distance(a, b):
    lengths = [math.sqrt(sum(v * v for v in vector)) for vector in (a, b)]
    return sum((v / lengths[0] - w / lengths[1]) ** 2 for v, w in zip(a, b, strict=True))


def reference(embeddings, labels, proxies, scale, include_positive):
    """The value by loops over samples and proxies, from the definition."""
    total = 0.0
    for x, y in zip(embeddings, labels, strict=True):
        apart = [scale * squared_distance(x, proxy) for proxy in proxies]
        below = sum(math.exp(-d) for j, d in enumerate(apart) if include_positive or j != y)
        total += apart[y] + math.log(below)
    return total / len(labels)


@both_denominators
@pytest.mark.parametrize("scale", [0.5, 1.0, 9.0])
@pytest.mark.parametrize("num_classes", [2, 5])
def test_value_and_gradients_equal_loops(num_classes, scale, include_positive):
    rng = np.random.default_rng(1)
    for _ in range(3):
        proxies = rng.normal(size=(num_classes, 3))
        embeddings, labels = rng.normal(size=(6, 3)), rng.integers(0, num_classes, 6)
        loss, rest = make(scale, include_positive, proxies), (scale, include_positive)
        value, gradient = value_and_gradient(loss, labels, embeddings)
        assert value == pytest.approx(reference(embeddings, labels, proxies, *rest), rel=1e-9)
        expected = finite_differences(lambda x, p=proxies, y=labels, r=rest: reference(x, y, p, *r), embeddings)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)
        expected = finite_differences(lambda p, x=embeddings, y=labels, r=rest: reference(x, y, p, *r), proxies)
        np.testing.assert_allclose(weight_gradient(loss, loss.proxies, labels, embeddings), expected, 1e-5, 1e-8)


def test_logits_are_the_negative_scaled_squared_distances_up_to_a_constant():
    embeddings = np.random.default_rng(2).normal(size=(4, 2))
    logits = to_numpy(make(3.0).logits(embeddings))
    expected = [[-3.0 * squared_distance(x, proxy) for proxy in PROXIES] for x in embeddings]
    np.testing.assert_allclose(logits - logits[:, :1], np.subtract(expected, np.array(expected)[:, :1]), atol=1e-12)


@both_denominators
def test_logits_are_twice_the_scaled_cosines(include_positive):
    loss = make(9.0, include_positive)
    np.testing.assert_allclose(to_numpy(loss.logits(np.array([[6.0, 8.0]]))), [[10.8, 14.4, -10.8]])


@both_denominators
def test_lengths_of_embeddings_and_proxies_do_not_matter(include_positive):
    rng = np.random.default_rng(3)
    embeddings, labels = rng.normal(size=(6, 2)), rng.integers(0, 3, 6)
    loss = make(9.0, include_positive)
    value = float(loss(labels, embeddings))
    assert float(loss(labels, embeddings * 7)) == pytest.approx(value)
    loss.proxies.assign(PROXIES * [[0.1], [5.0], [2.0]])
    assert float(loss(labels, embeddings)) == pytest.approx(value)


@pytest.mark.parametrize(("include_positive", "expected"), [(True, math.log(3)), (False, math.log(2))])
def test_a_zero_embedding_is_equally_far_from_every_proxy_and_has_no_gradient(include_positive, expected):
    value, gradient = value_and_gradient(make(9.0, include_positive), [1], np.zeros((1, 2)))
    assert value == pytest.approx(expected)
    np.testing.assert_array_equal(gradient, 0)


@both_denominators
def test_a_large_scale_neither_overflows_nor_saturates(include_positive):
    loss = make(1000.0, include_positive, dtype="float32")
    value, gradient = value_and_gradient(loss, [2], np.array([[1.0, 0.001]], "float32"))
    # Own proxy at squared distance 4, the nearest at 0.
    assert value == pytest.approx(4000, rel=1e-5)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 1


def test_the_optimizer_trains_the_proxies_and_a_call_does_not_move_them():
    loss = make()
    (weight,) = loss.trainable_weights
    assert weight is loss.proxies
    assert not loss.non_trainable_weights
    loss(np.array([0]), np.array([[1.0, 1.0]]), training=True)
    np.testing.assert_array_equal(to_numpy(loss.proxies), PROXIES)


def test_proxies_start_in_different_directions():
    proxies = to_numpy(ProxyNCALoss(10, 64).proxies)
    directions = proxies / np.linalg.norm(proxies, axis=-1, keepdims=True)
    assert (directions @ directions.T)[~np.eye(10, dtype=bool)].max() < 0.7


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_rejects_a_scale_out_of_range(scale):
    with pytest.raises(ValueError, match=f"scale.*{scale}"):
        ProxyNCALoss(3, 2, scale=scale)


def test_rejects_a_single_class():
    with pytest.raises(ValueError, match=r"num_classes.*at least 2.*1"):
        ProxyNCALoss(1, 2)
