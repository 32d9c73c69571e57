"""Triplet loss against values worked by hand and loops over all triplets."""

import math

import numpy as np
import pytest
from support.gradients import value_and_gradient

from losses import TripletLoss

LINE = np.array([[0.0], [1.0], [3.0], [5.0]])
LABELS = np.array([0, 0, 1, 1])


def on_the_line(mining, distance, margin=1.9, soft_margin=False):
    return TripletLoss(margin, mining, distance, normalize=False, soft_margin=soft_margin, dtype="float64")


@pytest.mark.parametrize(
    ("mining", "distance", "expected"),
    [
        ("batch_hard", "euclidean", 0.7),  # anchors 0, 0.9, 1.9, 0
        ("batch_all", "euclidean", 3.7 / 8),
        ("semi_hard", "euclidean", 0.45),  # pairs 0, 0.9, 0.9, 0
        ("batch_hard", "squared", 0.475),
        ("batch_all", "squared", 0.2375),
        ("semi_hard", "squared", 0.0),
    ],
)
def test_value_worked_by_hand(mining, distance, expected):
    assert float(on_the_line(mining, distance)(LABELS, LINE)) == pytest.approx(expected)


@pytest.mark.parametrize(("distance", "expected"), [("euclidean", 0.3150662225), ("squared", 0.1855190207)])
def test_soft_margin_worked_by_hand(distance, expected):
    loss = on_the_line("batch_hard", distance, soft_margin=True)
    assert float(loss(LABELS, LINE)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("mining", "expected"),
    [("semi_hard", 1.25), ("batch_hard", 2.0), ("batch_all", 13 / 8)],  # pairs 3, 2, 0, 0: no negative beyond two
)
def test_without_a_negative_beyond_the_positive_the_farthest_is_taken(mining, expected):
    loss = on_the_line(mining, "euclidean", margin=1.0)
    assert float(loss(LABELS, np.array([[0.0], [4.0], [1.0], [2.0]]))) == pytest.approx(expected)


def test_gradient_of_batch_hard_worked_by_hand():
    _, gradient = value_and_gradient(on_the_line("batch_hard", "euclidean"), LABELS, LINE)
    np.testing.assert_allclose(gradient[:, 0], [-0.25, 0.75, -0.75, 0.25])


def test_a_lone_sample_is_a_negative_but_no_anchor():
    x, labels = np.array([[0.0], [1.0], [3.0]]), np.array([0, 0, 1])
    assert float(on_the_line("batch_hard", "euclidean", margin=1.0)(labels, x)) == 0
    soft = on_the_line("batch_hard", "euclidean", soft_margin=True)
    assert float(soft(labels, x)) == pytest.approx(0.2200948493, abs=1e-9)


@pytest.mark.parametrize("mining", ["semi_hard", "batch_hard", "batch_all"])
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_a_batch_without_triplets_gives_0_and_no_gradient(mining, labels):
    value, gradient = value_and_gradient(TripletLoss(mining=mining), labels, np.eye(3, 4, dtype="float32"))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("distance", ["squared", "euclidean"])
@pytest.mark.parametrize(
    ("mining", "soft_margin"), [("semi_hard", False), ("batch_hard", False), ("batch_all", False), ("batch_hard", True)]
)
def test_equal_embeddings_give_the_collapsed_value_and_no_gradient(mining, soft_margin, distance):
    loss = TripletLoss(0.3, mining, distance, soft_margin=soft_margin)
    value, gradient = value_and_gradient(loss, LABELS, np.ones((4, 2), "float32"))
    assert value == pytest.approx(loss.collapsed_value)
    assert loss.collapsed_value == (math.log(2) if soft_margin else 0.3)
    np.testing.assert_array_equal(gradient, 0)


def reference(embeddings, labels, margin, mining, distance, normalize, soft_margin):
    """The value by loops over anchors, positives and negatives, from the definitions."""
    if normalize:
        embeddings = [x / math.sqrt(sum(x * x)) for x in embeddings]

    def apart(i, j):
        squared = sum((a - b) ** 2 for a, b in zip(embeddings[i], embeddings[j], strict=True))
        return squared if distance == "squared" else math.sqrt(squared)

    def penalty(violation):
        return math.log1p(math.exp(violation)) if soft_margin else max(0.0, violation + margin)

    terms = []
    for a in range(len(labels)):
        positives = [apart(a, p) for p in range(len(labels)) if labels[p] == labels[a] and p != a]
        negatives = [apart(a, n) for n in range(len(labels)) if labels[n] != labels[a]]
        if not positives or not negatives:
            continue
        if mining == "batch_hard":
            terms.append(penalty(max(positives) - min(negatives)))
        for positive in positives if mining == "semi_hard" else ():
            beyond = [negative for negative in negatives if negative > positive]
            terms.append(penalty(positive - (min(beyond) if beyond else max(negatives))))
        for positive in positives if mining == "batch_all" else ():
            terms += [penalty(positive - negative) for negative in negatives]
    return sum(terms) / len(terms)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("distance", ["squared", "euclidean"])
@pytest.mark.parametrize(
    ("mining", "soft_margin"),
    [("semi_hard", False), ("semi_hard", True), ("batch_hard", False), ("batch_hard", True), ("batch_all", False)],
)
def test_value_equals_loops_over_all_triplets(mining, soft_margin, distance, normalize):
    rng = np.random.default_rng(3)
    for _ in range(5):
        embeddings, labels = rng.normal(size=(14, 3)), rng.integers(0, 4, 14)
        loss = TripletLoss(0.5, mining, distance, normalize, soft_margin, dtype="float64")
        expected = reference(embeddings, labels, 0.5, mining, distance, normalize, soft_margin)
        assert float(loss(labels, embeddings)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("mining", ["semi_hard", "batch_hard", "batch_all"])
def test_ties_and_duplicates_count_as_the_loops_count_them(mining):
    rng = np.random.default_rng(4)
    for _ in range(20):
        # Points on a coarse grid: many equal distances, some equal points. Mirrored, so that
        # their mean is 0 and no rounding tells equal distances apart.
        half = rng.integers(-1, 2, (7, 2)).astype(float)
        embeddings, labels = np.concatenate([half, -half]), rng.integers(0, 3, 14)
        loss = TripletLoss(1.0, mining, "squared", normalize=False, dtype="float64")
        expected = reference(embeddings, labels, 1.0, mining, "squared", False, False)
        assert float(loss(labels, embeddings)) == pytest.approx(expected, rel=1e-9)


def test_normalized_loss_does_not_see_the_length_of_embeddings():
    rng = np.random.default_rng(5)
    embeddings = rng.normal(size=(8, 3))
    loss = TripletLoss(dtype="float64")
    labels = np.arange(8) % 2
    assert float(loss(labels, embeddings)) == pytest.approx(float(loss(labels, embeddings * 7)))


def test_works_as_the_loss_of_a_plain_keras_model():
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer="sgd", loss=TripletLoss(mining="batch_hard"), jit_compile=False)
    rng = np.random.default_rng(6)
    images, labels = rng.normal(size=(16, 3)).astype("float32"), np.arange(16) % 4
    before = model.get_weights()[0]
    history = model.fit(images, labels, batch_size=16, epochs=1, verbose=0)
    model.set_weights([before, np.zeros(2)])
    expected = float(TripletLoss(mining="batch_hard")(labels, model(images)))
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"margin": -0.1},
        {"margin": float("nan")},
        {"mining": "hardest"},
        {"distance": "cosine"},
        {"mining": "batch_all", "soft_margin": True},
    ],
)
def test_rejects_arguments_out_of_range(arguments):
    with pytest.raises(ValueError, match=str(next(iter(arguments.values())))):
        TripletLoss(**arguments)
