"""Triplet-center loss against values worked by hand and loops over all centers."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import value_and_gradient

from losses import TripletCenterLoss

CENTERS = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])


def make(margin, center_rate=0.1):
    loss = TripletCenterLoss(3, 2, margin=margin, center_rate=center_rate, dtype="float64")
    loss.centers.assign(CENTERS)
    return loss


@pytest.mark.parametrize(
    ("embedding", "margin", "expected"),
    [((1, 0), 5, 1.0), ((1, 0), 1, 0.0), ((2, 0), 1, 1.0), ((0, 0), 1, 0.0)],
)
def test_value_worked_by_hand(embedding, margin, expected):
    # Half squared distances of (1, 0): 0.5, 4.5, 5; of (2, 0): 2, 2, 6.5.
    assert float(make(margin)(np.array([0]), np.array([embedding], float))) == pytest.approx(expected)


def test_value_of_a_batch_is_the_mean():
    assert float(make(5)(np.array([0, 0]), np.array([[1.0, 0.0], [2.0, 0.0]]))) == pytest.approx(3.0)


def test_gradient_leads_from_the_nearest_other_center_to_the_own():
    _, gradient = value_and_gradient(make(1), [0], np.array([[2.0, 0.0]]))
    np.testing.assert_allclose(gradient, [[4, 0]])


def test_a_satisfied_sample_has_no_gradient_and_moves_no_center():
    loss = make(1)
    _, gradient = value_and_gradient(loss, [0], np.array([[1.0, 0.0]]))
    loss(np.array([0]), np.array([[1.0, 0.0]]), training=True)
    np.testing.assert_array_equal(gradient, 0)
    np.testing.assert_array_equal(to_numpy(loss.centers), CENTERS)


def reference(embeddings, labels, centers, margin, center_rate):
    """Value and next centers, by loops over samples and centers from the formulas."""
    total = 0.0
    pull, push = np.zeros_like(centers), np.zeros_like(centers)
    pulled, pushed = np.zeros(len(centers)), np.zeros(len(centers))
    for x, y in zip(embeddings, labels, strict=True):
        distance = [0.5 * sum((a - b) ** 2 for a, b in zip(x, c, strict=True)) for c in centers]
        others = [j for j in range(len(centers)) if j != y]
        q = min(others, key=lambda j: distance[j])
        violation = distance[y] + margin - distance[q]
        if violation > 0:
            total += violation
            pull[y] += x - centers[y]
            pulled[y] += 1
            push[q] += x - centers[q]
            pushed[q] += 1
    step = pull / (1 + pulled)[:, None] - push / (1 + pushed)[:, None]
    return total / len(embeddings), centers + center_rate * step


def test_value_and_center_step_equal_loops():
    rng = np.random.default_rng(2)
    loss = TripletCenterLoss(5, 4, margin=2.0, center_rate=0.3, dtype="float64")
    centers = to_numpy(loss.centers)
    embeddings, labels = rng.normal(size=(30, 4)), rng.integers(0, 5, 30)
    value, moved = reference(embeddings, labels, centers, 2.0, 0.3)
    assert float(loss(labels, embeddings, training=True)) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(to_numpy(loss.centers), moved, rtol=1e-6)  # On PyTorch, segment sums are float32.
    assert value > 0


def test_it_is_not_the_spread_of_own_class_distances():
    """A well-known port only sees the own center: margin + max d - mean d = 2.0667 for these distances."""
    loss = TripletCenterLoss(2, 1, margin=0.4, dtype="float64")
    loss.centers.assign([[0.0], [100.0]])
    value, gradient = value_and_gradient(loss, [0, 0, 0], np.sqrt([[1.0], [4.0], [2.0]]))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_evaluation_leaves_the_centers_alone():
    loss = make(50)
    loss(np.array([0, 1, 2]), np.ones((3, 2)), training=False)
    np.testing.assert_array_equal(to_numpy(loss.centers), CENTERS)


def test_centers_start_apart():
    centers = to_numpy(TripletCenterLoss(10, 64).centers)
    distances = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    assert distances[~np.eye(10, dtype=bool)].min() > 1


def test_moving_everything_by_one_offset_changes_nothing():
    loss, shift = make(5), np.array([1e3, -1e3])
    embeddings = np.array([[1.0, 0.5], [2.0, 0.0]])
    value = float(loss(np.array([0, 2]), embeddings))
    loss.centers.assign(CENTERS + shift)
    assert float(loss(np.array([0, 2]), embeddings + shift)) == pytest.approx(value)


@pytest.mark.parametrize(
    "arguments", [{"margin": -1.0}, {"center_rate": 1.1}, {"center_rate": -0.1}, {"margin": float("nan")}]
)
def test_rejects_arguments_out_of_range(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        TripletCenterLoss(3, 2, **arguments)
