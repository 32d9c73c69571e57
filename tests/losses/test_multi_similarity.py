"""Multi-similarity loss against values worked by hand and a loop over anchors."""

import math

import numpy as np
import pytest
from support.gradients import value_and_gradient

from losses import MultiSimilarityLoss

EMBEDDINGS = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])  # cosines 0.6, 0 and 0.8
LABELS = np.array([0, 0, 1])


def make(alpha=2.0, beta=40.0, base=0.5, epsilon=0.1):
    return MultiSimilarityLoss(alpha, beta, base, epsilon, dtype="float64")


def test_value_without_mining_worked_by_hand():
    """The lone sample is left out of the mean; with it, the mean would be 0.3993796."""
    value = float(make(beta=50.0, epsilon=2.0)(LABELS, EMBEDDINGS))
    assert value == pytest.approx((0.2990694347 + 0.5990694408) / 2, abs=1e-9)


def test_value_with_mining_worked_by_hand():
    # Anchor 0: 0.6 > 0 + 0.1 and 0 < 0.6 - 0.1, nothing is kept; anchor 1: 0.6 < 0.8 + 0.1 and 0.8 > 0.6 - 0.1.
    expected = (math.log(1 + math.exp(-0.2)) / 2 + math.log(1 + math.exp(12)) / 40) / 2
    assert float(make()(LABELS, EMBEDDINGS)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("epsilon", "expected"),
    [(0.55, 0.0), (0.65, (math.log(1 + math.exp(-0.2)) / 2 + math.log(1 + math.exp(-20)) / 40))],
)
def test_mining_keeps_a_pair_within_epsilon_of_the_hardest_pair_of_the_other_kind(epsilon, expected):
    embeddings, labels = EMBEDDINGS[[0, 1, 2]] * [[1], [1], [-1]], LABELS  # cosines 0.6, 0 and -0.8
    # At anchor 1 the two kinds are 1.4 apart: it gives nothing.
    assert float(make(epsilon=epsilon)(labels, embeddings)) == pytest.approx(expected / 2)


def test_a_well_separated_batch_gives_0_and_no_gradient():
    embeddings = np.array([[1, 0.1], [1, -0.1], [-1, 0.1], [-1, -0.1]], "float32")
    value, gradient = value_and_gradient(MultiSimilarityLoss(), [0, 0, 1, 1], embeddings)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_a_batch_without_positives_or_without_negatives_gives_0_and_no_gradient(labels):
    embeddings = EMBEDDINGS[: len(labels)].astype("float32")
    value, gradient = value_and_gradient(MultiSimilarityLoss(epsilon=2.0), labels, embeddings)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("epsilon", [2.1, 5.0])
def test_an_epsilon_of_2_keeps_even_duplicates_with_an_opposite_negative(epsilon):
    """The authors' code takes every similarity above 1 - 1e-5 for the anchor itself and drops it."""
    embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    expected = math.log(1 + math.exp(-1)) / 2 + math.log(1 + math.exp(-60)) / 40
    assert float(make(epsilon=epsilon)(LABELS, embeddings)) == pytest.approx(expected)


def test_duplicates_are_positives_after_mining_as_well():
    embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [0.96, 0.28]])
    expected = math.log(1 + math.exp(-1)) / 2 + math.log(1 + math.exp(40 * 0.46)) / 40
    assert float(make()(LABELS, embeddings)) == pytest.approx(expected)


def test_a_large_beta_does_not_overflow():
    value, gradient = value_and_gradient(
        MultiSimilarityLoss(beta=1000.0), LABELS, np.array([[1, 0], [0, 1], [1, 0]], "float32")
    )
    # Anchor 0: positive 0, negative 1; anchor 1: positive 0, negative 0.
    positive = math.log(1 + math.e) / 2
    assert value == pytest.approx(positive + 0.5 / 2, rel=1e-6)
    assert np.isfinite(gradient).all()


def test_length_of_embeddings_does_not_matter():
    value = float(make()(LABELS, EMBEDDINGS))
    assert float(make()(LABELS, EMBEDDINGS * [[0.1], [3], [20]])) == pytest.approx(value)


def reference(embeddings, labels, alpha, beta, base, epsilon):
    """The value by a loop over anchors, from the definition."""
    embeddings = [x / math.sqrt(sum(x * x)) for x in embeddings]
    terms = []
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i]
        positives = [sum(embeddings[i] * embeddings[j]) for j in others if labels[j] == labels[i]]
        negatives = [sum(embeddings[i] * embeddings[j]) for j in others if labels[j] != labels[i]]
        if not positives or not negatives:
            continue
        near = [s for s in positives if s < max(negatives) + epsilon]
        far = [s for s in negatives if s > min(positives) - epsilon]
        terms.append(
            math.log(1 + sum(math.exp(-alpha * (s - base)) for s in near)) / alpha
            + math.log(1 + sum(math.exp(beta * (s - base)) for s in far)) / beta
        )
    return sum(terms) / len(terms)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5, 3.0])
@pytest.mark.parametrize(("alpha", "beta", "base"), [(2.0, 40.0, 0.5), (1.0, 10.0, -0.3)])
def test_value_equals_a_loop_over_anchors(alpha, beta, base, epsilon):
    rng = np.random.default_rng(6)
    for _ in range(5):
        means, labels = rng.normal(size=(5, 3)), rng.integers(0, 5, 13)
        embeddings = means[labels] + 0.4 * rng.normal(size=(13, 3))
        expected = reference(embeddings, labels, alpha, beta, base, epsilon)
        assert float(make(alpha, beta, base, epsilon)(labels, embeddings)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("alpha", value) for value in (0, -1.0, math.nan, math.inf)),
        *(("beta", value) for value in (0, -1.0, math.nan, math.inf)),
        *(("base", value) for value in (-1.1, 1.1, math.nan)),
        *(("epsilon", value) for value in (-0.1, math.nan)),
    ],
)
def test_rejects_arguments_out_of_range(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}`.*{value}"):
        MultiSimilarityLoss(**{argument: value})
