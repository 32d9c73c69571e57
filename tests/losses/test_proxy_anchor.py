"""Proxy-anchor loss against values worked by hand and loops over all proxies."""

import math

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import finite_differences, value_and_gradient, weight_gradient

from losses import ProxyAnchorLoss

PROXIES = np.array([[1.0, 0.0], [0.0, 1.0]])


def make(margin=0.1, scale=32.0, proxies=PROXIES, dtype="float64"):
    loss = ProxyAnchorLoss(*proxies.shape, margin=margin, scale=scale, dtype=dtype)
    loss.proxies.assign(proxies)
    return loss


def softplus(t):
    return math.log1p(math.exp(t))


@pytest.mark.parametrize(
    ("labels", "embeddings", "expected"),
    [
        # log(1 + e^-28.8) of the own proxy, (0 + log(1 + e^3.2)) / 2: the first proxy has no negative.
        ([0], [[1, 0]], 1.6199766666),
        ([1], [[1, 0]], softplus(3.2) + softplus(35.2) / 2),
        # Two samples of a class are added inside its logarithm; so are the two negatives of the other.
        ([0, 0], [[0, 1], [0, 1]], math.log(1 + 2 * math.exp(3.2)) + math.log(1 + 2 * math.exp(35.2)) / 2),
        # With both classes present, the first term is a mean over two.
        ([0, 1], [[1, 0], [0, 1]], softplus(-28.8) + softplus(3.2)),
    ],
)
def test_value_worked_by_hand(labels, embeddings, expected):
    assert float(make()(np.array(labels), np.array(embeddings, float))) == pytest.approx(expected, rel=1e-9)


def reference(embeddings, labels, proxies, margin, scale):
    """The value by loops over proxies and samples, from the definition."""
    pull, push = 0.0, 0.0
    for j, proxy in enumerate(proxies):
        positives = negatives = 0.0
        for x, y in zip(embeddings, labels, strict=True):
            lengths = math.sqrt(sum(v * v for v in x)) * math.sqrt(sum(v * v for v in proxy))
            cosine = sum(v * w for v, w in zip(x, proxy, strict=True)) / lengths
            if y == j:
                positives += math.exp(-scale * (cosine - margin))
            else:
                negatives += math.exp(scale * (cosine + margin))
        pull += math.log(1 + positives)
        push += math.log(1 + negatives)
    return pull / len(set(labels.tolist())) + push / len(proxies)


@pytest.mark.parametrize(("margin", "scale"), [(0.1, 32.0), (0.0, 1.0), (0.5, 4.0), (1.0, 10.0)])
@pytest.mark.parametrize("labels", [(0, 3, 3, 1, 0, 2), (1, 3, 3, 1, 1, 3), (2, 2, 2, 2, 2, 2)])
def test_value_and_gradients_equal_loops(labels, margin, scale):
    rng = np.random.default_rng(1)
    labels = np.array(labels)
    for _ in range(3):
        proxies, embeddings = rng.normal(size=(4, 3)), rng.normal(size=(6, 3))
        loss, rest = make(margin, scale, proxies), (margin, scale)
        value, gradient = value_and_gradient(loss, labels, embeddings)
        assert value == pytest.approx(reference(embeddings, labels, proxies, *rest), rel=1e-9)
        expected = finite_differences(lambda x, p=proxies, r=rest: reference(x, labels, p, *r), embeddings)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)
        expected = finite_differences(lambda p, x=embeddings, r=rest: reference(x, labels, p, *r), proxies)
        np.testing.assert_allclose(weight_gradient(loss, loss.proxies, labels, embeddings), expected, 1e-5, 1e-7)


def test_the_proxy_of_an_absent_class_is_only_pushed_away():
    loss = make(scale=4.0)
    embedding = np.array([[0.6, 0.8]])
    moves = weight_gradient(loss, loss.proxies, [0], embedding)
    assert moves[0] @ embedding[0] < 0  # A descent step brings the own proxy nearer
    assert moves[1] @ embedding[0] > 0  # and takes the other away.


def test_a_batch_of_one_class_does_not_push_its_proxy():
    loss = make(scale=4.0)
    embeddings = np.array([[0.6, 0.8], [0.8, 0.6]])
    alone = make(scale=4.0, proxies=np.array([[1.0, 0.0], [0.0, 0.0]]))  # The other proxy has no direction.
    moves = weight_gradient(loss, loss.proxies, [0, 0], embeddings)[0]
    np.testing.assert_allclose(moves, weight_gradient(alone, alone.proxies, [0, 0], embeddings)[0], rtol=1e-12)


def test_logits_are_scaled_cosines_without_a_margin():
    logits = to_numpy(make(margin=0.5, scale=10.0).logits(np.array([[6.0, 8.0], [-2.0, 0.0]])))
    np.testing.assert_allclose(logits, [[6, 8], [-10, 0]], atol=1e-12)


def test_lengths_of_embeddings_and_proxies_do_not_matter():
    rng = np.random.default_rng(2)
    embeddings, labels = rng.normal(size=(6, 2)), np.arange(6) % 2
    loss = make()
    value = float(loss(labels, embeddings))
    assert float(loss(labels, embeddings * 7)) == pytest.approx(value)
    loss.proxies.assign(PROXIES * [[0.1], [5.0]])
    assert float(loss(labels, embeddings)) == pytest.approx(value)


def test_a_zero_embedding_has_cosine_0_and_no_gradient():
    value, gradient = value_and_gradient(make(), [0], np.zeros((1, 2)))
    assert value == pytest.approx(1.5 * softplus(3.2))
    np.testing.assert_array_equal(gradient, 0)


def test_exponents_beyond_float32_do_not_overflow():
    """The authors' code takes plain exponentials: infinite here."""
    loss = make(scale=1000.0, dtype="float32")
    value, gradient = value_and_gradient(loss, [0], np.array([[-1.0, 0.001]], "float32"))
    # 1000 * 1.1 of the own proxy, 1000 * (0.001 + 0.1) / 2 of the other.
    assert value == pytest.approx(1100 + 50.5, rel=1e-4)
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
    proxies = to_numpy(ProxyAnchorLoss(10, 64).proxies)
    directions = proxies / np.linalg.norm(proxies, axis=-1, keepdims=True)
    assert (directions @ directions.T)[~np.eye(10, dtype=bool)].max() < 0.7


@pytest.mark.parametrize(
    ("name", "value"),
    [("margin", -0.1), ("margin", 1.1), ("margin", float("nan"))]
    + [("scale", value) for value in (0.0, -1.0, float("nan"), float("inf"))],
)
def test_rejects_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        ProxyAnchorLoss(3, 2, **{name: value})


def test_rejects_a_single_class():
    with pytest.raises(ValueError, match=r"num_classes.*at least 2.*1"):
        ProxyAnchorLoss(1, 2)
