"""Circle loss against values worked by hand and a loop over anchors."""

import math

import numpy as np
import pytest
from support.gradients import finite_differences, value_and_gradient

from losses import CircleLoss

EMBEDDINGS = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])  # cosines 0.6, 0 and 0.8
LABELS = np.array([0, 0, 1])


def make(margin=0.25, scale=64.0):
    return CircleLoss(margin, scale, dtype="float64")


@pytest.mark.parametrize(
    ("margin", "scale", "expected"),
    [
        (0.25, 1.0, (0.7108002977 + 1.0865508329) / 2),  # softplus of 0.035 and of 0.675
        (0.4, 80.0, (2.7607688e-6 + 38.4) / 2),
    ],
)
def test_value_worked_by_hand(margin, scale, expected):
    """One softplus for both kinds of pairs, and a mean over the anchors that have both."""
    assert float(make(margin, scale)(LABELS, EMBEDDINGS)) == pytest.approx(expected, abs=1e-9)


def test_the_scale_of_faces_does_not_overflow():
    """A public version returned 0 at this scale."""
    value, gradient = value_and_gradient(CircleLoss(scale=256.0), LABELS, EMBEDDINGS.astype("float32"))
    assert value == pytest.approx((256 * 0.675 + 256 * 0.035 + math.log1p(math.exp(-256 * 0.035))) / 2, rel=1e-5)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_a_batch_without_positives_or_without_negatives_gives_0_and_no_gradient(labels):
    value, gradient = value_and_gradient(CircleLoss(), labels, EMBEDDINGS[: len(labels)].astype("float32"))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_a_similarity_past_its_optimum_has_weight_0_but_still_counts_as_a_pair():
    # Negative similarities -1 at both anchors, below the optimum -0.25; positive similarities 1.
    embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    expected = math.log1p(2 * math.exp(-0.25 * 0.25))
    assert float(make(scale=1.0)(np.array([0, 0, 1, 1]), embeddings)) == pytest.approx(expected)


def test_length_of_embeddings_does_not_matter():
    value = float(make()(LABELS, EMBEDDINGS))
    assert float(make()(LABELS, EMBEDDINGS * [[0.1], [3], [20]])) == pytest.approx(value)


def reference(embeddings, labels, margin, scale, weighted_at=None):
    """The value by a loop over anchors; the pairs' weights may be taken at other, fixed embeddings."""

    def cosines(rows):
        rows = [x / math.sqrt(sum(x * x)) for x in rows]
        return [[sum(x * y) for y in rows] for x in rows]

    s, fixed = cosines(embeddings), cosines(embeddings if weighted_at is None else weighted_at)
    terms = []
    for i in range(len(labels)):
        positives = [j for j in range(len(labels)) if labels[j] == labels[i] and j != i]
        negatives = [j for j in range(len(labels)) if labels[j] != labels[i]]
        if positives and negatives:
            pull = sum(
                math.exp(-scale * max(0.0, 1 + margin - fixed[i][p]) * (s[i][p] - 1 + margin)) for p in positives
            )
            push = sum(math.exp(scale * max(0.0, fixed[i][n] + margin) * (s[i][n] - margin)) for n in negatives)
            terms.append(math.log(1 + pull * push))
    return sum(terms) / len(terms)


@pytest.mark.parametrize(("margin", "scale"), [(0.25, 64.0), (0.25, 1.0), (0.4, 10.0), (0.0, 5.0), (1.0, 5.0)])
def test_value_equals_a_loop_over_anchors(margin, scale):
    rng = np.random.default_rng(7)
    for _ in range(5):
        embeddings, labels = rng.normal(size=(13, 3)), rng.integers(0, 5, 13)
        expected = reference(embeddings, labels, margin, scale)
        assert float(make(margin, scale)(labels, embeddings)) == pytest.approx(expected, rel=1e-9)


def test_the_weights_of_the_pairs_are_constant_in_the_gradient():
    rng = np.random.default_rng(8)
    for scale in (1.0, 64.0):
        embeddings, labels = rng.normal(size=(9, 3)), np.arange(9) % 4
        _, gradient = value_and_gradient(make(scale=scale), labels, embeddings)
        expected = finite_differences(
            lambda x, scale=scale, at=embeddings, labels=labels: reference(x, labels, 0.25, scale, weighted_at=at),
            embeddings,
        )
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("margin", value) for value in (-0.1, 1.1, math.nan)),
        *(("scale", value) for value in (0, -1.0, math.nan, math.inf)),
    ],
)
def test_rejects_arguments_out_of_range(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}`.*{value}"):
        CircleLoss(**{argument: value})
