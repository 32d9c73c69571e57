"""N-pair loss against the paper's form, values worked by hand and a loop over positive pairs."""

import math

import numpy as np
import pytest
from support.gradients import value_and_gradient

from losses import NPairLoss


def make(l2_weight=0.0):
    return NPairLoss(l2_weight, dtype="float64")


@pytest.mark.parametrize("l2_weight", [0.0, 0.002, 0.5])
def test_value_worked_by_hand(l2_weight):
    embeddings = np.eye(2)[[0, 1, 0, 1]]
    expected = math.log(1 + 1 / math.e) + l2_weight * 2
    assert float(make(l2_weight)(np.array([0, 1, 0, 1]), embeddings)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_zeros_give_the_log_of_the_number_of_classes(classes):
    labels = np.arange(3 * classes) % classes
    value, gradient = value_and_gradient(make(0.002), labels, np.zeros((3 * classes, 2)))
    assert value == pytest.approx(math.log(classes))
    np.testing.assert_array_equal(gradient, 0)


def test_with_one_embedding_per_class_twice_it_is_the_softmax_of_the_paper():
    anchors = np.random.default_rng(1).normal(size=(5, 3))
    scores = anchors @ anchors.T
    expected = np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diag(scores))
    labels = np.arange(5)
    value = float(make()(np.concatenate([labels, labels]), np.concatenate([anchors, anchors])))
    assert value == pytest.approx(expected, rel=1e-9)


def test_more_samples_of_another_class_count_as_one():
    embeddings = np.array([[1.0, 0.5], [0.5, 1.0], [-1.0, 0.3]])
    labels = np.array([0, 0, 1])
    once = float(make()(labels, embeddings))
    # Duplicates of the lone sample become positives of each other, at their own value.
    thrice = float(make()(labels[[0, 1, 2, 2, 2]], embeddings[[0, 1, 2, 2, 2]]))
    own = np.log1p(np.mean(np.exp(embeddings[:2] @ embeddings[2] - embeddings[2] @ embeddings[2])))
    assert thrice == pytest.approx((2 * once + 6 * own) / 8)


def test_one_class_has_nothing_but_the_length_penalty():
    embeddings = np.array([[1.0, 2.0], [0.0, 3.0]])
    value, gradient = value_and_gradient(make(0.1), [4, 4], embeddings)
    assert value == pytest.approx(0.1 * (5 + 9))
    np.testing.assert_allclose(gradient, 0.1 * 2 * embeddings)  # Each ordered pair holds both.
    assert float(make()(np.array([4, 4]), embeddings)) == 0


@pytest.mark.parametrize("labels", [[0], [0, 1, 2]])
def test_a_batch_without_positives_gives_0_and_no_gradient(labels):
    value, gradient = value_and_gradient(NPairLoss(), labels, np.eye(len(labels), 3, dtype="float32"))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_embeddings_are_not_normalized():
    embeddings, labels = np.eye(2)[[0, 1, 0, 1]], np.array([0, 1, 0, 1])
    assert float(make()(labels, 2 * embeddings)) == pytest.approx(math.log(1 + math.exp(-4)))


def test_long_embeddings_do_not_overflow():
    embeddings = np.array([[40, 0], [-40, 0], [40, 0]], "float32")
    value, gradient = value_and_gradient(NPairLoss(0.0), [0, 0, 1], embeddings)
    assert value == pytest.approx((3200 + math.log(2)) / 2)
    assert np.isfinite(gradient).all()


def reference(embeddings, labels, l2_weight):
    """The value by a loop over ordered positive pairs, from the definition."""
    size = len(labels)
    terms, lengths = [], []
    for a in range(size):
        for p in range(size):
            if labels[p] != labels[a] or p == a:
                continue
            lengths.append(sum(embeddings[a] ** 2) + sum(embeddings[p] ** 2))
            others = set(labels) - {labels[a]}
            total = 0.0
            for other in others:
                ratios = [
                    math.exp(sum(embeddings[a] * embeddings[n]) - sum(embeddings[a] * embeddings[p]))
                    for n in range(size)
                    if labels[n] == other
                ]
                total += sum(ratios) / len(ratios)
            if others:
                terms.append(math.log(1 + total))
    return sum(terms) / len(terms) + l2_weight * sum(lengths) / len(lengths)


@pytest.mark.parametrize("l2_weight", [0.0, 0.02])
@pytest.mark.parametrize("labels", [None, [0, 0, 0, 1, 1, 2, 0, 0]])
def test_value_equals_a_loop_over_positive_pairs(labels, l2_weight):
    rng = np.random.default_rng(2)
    for _ in range(5):
        drawn = rng.integers(0, 4, 13) if labels is None else np.array(labels)
        embeddings = 1.5 * rng.normal(size=(len(drawn), 3))
        assert float(make(l2_weight)(drawn, embeddings)) == pytest.approx(
            reference(embeddings, drawn.tolist(), l2_weight), rel=1e-9
        )


def test_class_numbers_need_not_be_consecutive():
    embeddings = np.random.default_rng(3).normal(size=(6, 2))
    expected = float(make()(np.array([0, 1, 2, 0, 1, 2]), embeddings))
    assert float(make()(np.array([5, 2**30, 90, 5, 2**30, 90]), embeddings)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("l2_weight", [-0.1, float("nan"), float("inf")])
def test_rejects_a_weight_out_of_range(l2_weight):
    with pytest.raises(ValueError, match=f"l2_weight.*{l2_weight}"):
        NPairLoss(l2_weight=l2_weight)
