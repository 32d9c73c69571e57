"""Share of the mined pairs, triplets or samples that still have a gradient, on batches worked by hand."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy

from losses import (
    ContrastiveLoss,
    ExponentialTripletLoss,
    IntraEnhancedTripletLoss,
    LiftedStructureLoss,
    MultiSimilarityLoss,
    TripletCenterLoss,
    TripletLoss,
)

LINE = [[0.0], [1.0], [3.0], [5.0]]
PLANE = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]  # cosines 0.6, 0 and 0.8
ACROSS = [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-0.6, 0.8]]  # farthest positives 0 and 0.89, nearest negatives 1.79


def fraction(loss, labels, embeddings):
    return float(loss.active_fraction(np.array(labels), np.array(embeddings)))


@pytest.mark.parametrize(
    ("mining", "distance", "expected"),
    [
        ("batch_hard", "euclidean", 2 / 4),
        ("batch_all", "euclidean", 3 / 8),
        ("semi_hard", "euclidean", 2 / 4),
        ("batch_hard", "squared", 1 / 4),
        ("batch_all", "squared", 1 / 8),
        ("semi_hard", "squared", 0),
    ],
)
def test_triplet(mining, distance, expected):
    loss = TripletLoss(1.9, mining, distance, normalize=False, dtype="float64")
    assert fraction(loss, [0, 0, 1, 1], LINE) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("mining", "soft_margin", "expected"),
    [
        # Positives 4, 4, 1, 1; negatives 1 and 2, 3 and 2, 1 and 3, 2 and 2.
        ("semi_hard", False, 2 / 4),
        ("batch_hard", False, 3 / 4),
        ("batch_all", False, 5 / 8),  # 1 - 2 + margin is 0: not active.
        ("semi_hard", True, 2 / 4),
        ("batch_hard", True, 2 / 4),  # With a soft margin, the share in the wrong order.
    ],
)
def test_triplet_when_no_negative_is_beyond_the_positive(mining, soft_margin, expected):
    loss = TripletLoss(1.0, mining, "euclidean", normalize=False, soft_margin=soft_margin, dtype="float64")
    assert fraction(loss, [0, 0, 1, 1], [[0.0], [4.0], [1.0], [2.0]]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("loss", "labels", "embeddings", "expected"),
    [
        (ContrastiveLoss(1.0, normalize=False), [0, 0, 1], [[0.0], [1.0], [1.5]], 1 / 2),
        (ContrastiveLoss(2.0, normalize=False), [0, 0, 1], [[0.0], [1.0], [1.5]], 1),
        (ContrastiveLoss(1.0, normalize=False), [0, 0, 1, 1], LINE, 0),
        (ContrastiveLoss(1.0), [0, 0, 1], PLANE, 1 / 2),
        (IntraEnhancedTripletLoss(4.0, normalize=False), [0, 0, 1, 1], LINE, 1 / 4),
        (IntraEnhancedTripletLoss(5.5, normalize=False), [0, 0, 1, 1], LINE, 2 / 4),
        (IntraEnhancedTripletLoss(1.9, normalize=False), [0, 0, 1, 1], LINE, 0),
        (LiftedStructureLoss(1.0), [0, 0, 1], [[0.0], [1.0], [3.0]], 1),
        (LiftedStructureLoss(0.5), [0, 0, 1], [[0.0], [1.0], [3.0]], 0),
        (LiftedStructureLoss(1.0), [0, 0, 1, 2, 2], [[0.0], [1.0], [3.0], [100.0], [100.5]], 1 / 2),
        (MultiSimilarityLoss(), [0, 0, 1], PLANE, 2 / 4),
        (MultiSimilarityLoss(epsilon=2.0), [0, 0, 1], PLANE, 1),
        (MultiSimilarityLoss(), [0, 0, 1, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]], 0),
        (ExponentialTripletLoss(10), [0, 0, 1, 1], ACROSS, 1 / 2),
        (ExponentialTripletLoss(10, overlap=5.0), [0, 0, 1, 1], ACROSS, 0),
        # Negatives 0.9 and 0.4, 0.9 and 1.3, 0.4 and 1.3: nearer than 1 are both, one and one.
        (ExponentialTripletLoss(10, negatives=1), [0, 1, 2], [[0.0], [0.9], [-0.4]], (1 + 1 / 2 + 1 / 2) / 3),
        # Of the first two one of two positives is farther than 0.24, one of two negatives nearer than 1.
        (
            ExponentialTripletLoss(10, negatives=1),
            [0, 0, 0, 1, 1],
            [[-0.5], [-0.4], [0.3], [0.2], [0.9]],
            (3 / 4 + 3 / 4 + 3) / 5,
        ),
        (ExponentialTripletLoss(10, negatives=2), [0, 1, 2], [[0.0], [0.9], [-0.4]], (1 + 3 / 4 + 3 / 4) / 3),
    ],
)
def test_pairs_and_anchors(loss, labels, embeddings, expected):
    assert fraction(loss, labels, np.array(embeddings, "float32")) == pytest.approx(expected)


@pytest.mark.parametrize(("margin", "expected"), [(1.0, 1 / 2), (5.0, 1), (0.0, 0)])
def test_triplet_center_is_the_share_of_samples_and_moves_no_center(margin, expected):
    loss = TripletCenterLoss(3, 2, margin=margin)
    centers = np.array([[0, 0], [4, 0], [0, 3]], "float32")
    loss.centers.assign(centers)
    # Violations without margin 0.5 - 4.5 and 2 - 2.
    assert fraction(loss, [0, 0], np.array([[1, 0], [2, 0]], "float32")) == pytest.approx(expected)
    np.testing.assert_array_equal(to_numpy(loss.centers), centers)


STATELESS = [
    ContrastiveLoss(),
    IntraEnhancedTripletLoss(),
    LiftedStructureLoss(),
    MultiSimilarityLoss(),
    ExponentialTripletLoss(10),
    *(TripletLoss(mining=mining) for mining in ("semi_hard", "batch_hard", "batch_all")),
]


@pytest.mark.parametrize("loss", STATELESS, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("labels", [[3], [0, 0, 0]])
def test_without_negatives_nothing_mined_is_active(loss, labels):
    assert fraction(loss, labels, np.ones((len(labels), 2), "float32")) == 0


@pytest.mark.parametrize("loss", STATELESS, ids=lambda loss: type(loss).__name__)
def test_equal_embeddings_of_two_classes_are_all_active(loss):
    assert fraction(loss, [0, 0, 1, 1], np.ones((4, 2), "float32")) == 1


@pytest.mark.parametrize("loss", [*STATELESS, TripletCenterLoss(4, 3)], ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_embeddings_are_cast_to_the_precision_of_the_loss(loss, dtype):
    labels, embeddings = np.arange(12) % 4, np.random.default_rng(1).normal(300, 200, (12, 3)).astype("float16")
    value = loss.active_fraction(labels, embeddings.astype(dtype))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == fraction(loss, labels, embeddings.astype("float32"))


@pytest.mark.parametrize("loss", [*STATELESS, TripletCenterLoss(4, 3)], ids=lambda loss: type(loss).__name__)
def test_labels_are_looked_at_as_in_a_call_of_the_loss(loss):
    labels, embeddings = np.arange(12) % 4, np.random.default_rng(1).normal(size=(12, 3)).astype("float32")
    value = fraction(loss, labels, embeddings)
    assert fraction(loss, labels[:, None], embeddings) == fraction(loss, labels.astype("float32"), embeddings) == value
    for wrong in (np.eye(4)[labels], embeddings), (embeddings, labels), (labels[:6], embeddings):
        with pytest.raises(ValueError, match="Received: labels of shape"):
            fraction(loss, *wrong)
