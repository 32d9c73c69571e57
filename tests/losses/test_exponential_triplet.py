"""Exponential triplet and center losses against values worked by hand and loops over anchors."""

import itertools
import math

import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import finite_differences, value_and_gradient

from losses import ExponentialCenterLoss, ExponentialTripletLoss
from losses.exponential_triplet import bounded

NORMS = ("unit_range", "l2", "unit_bounce")
CROSS = np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0], [-0.6, 0.8]])
LABELS = np.array([0, 0, 1, 1])
HARDEST = 10**6  # So many drawn of a few: the hardest of them is among those drawn.
RECTANGLE = np.array([[-0.56, 0.0], [0.56, 0.0], [-0.56, 0.5], [0.56, 0.5]])  # p = 0.56 and q = 0.25 everywhere

every_norm = pytest.mark.parametrize("embedding_norm", NORMS)
either_gradient = pytest.mark.parametrize("detach_norm", [False, True])


def triplet(epsilon=1e-20, positives=HARDEST, negatives=HARDEST, **arguments):
    return ExponentialTripletLoss(
        10, epsilon=epsilon, positives=positives, negatives=negatives, dtype="float64", **arguments
    )


def center(embedding_dim=2, **arguments):
    return ExponentialCenterLoss(10, embedding_dim, dtype="float64", **arguments)


# The three embedding spaces.


@either_gradient
@pytest.mark.parametrize(
    ("embedding_norm", "embedding", "expected"),
    [
        ("unit_range", (3, 4), (0.6, 0.8)),
        ("unit_range", (0.3, 0.4), (0.3, 0.4)),
        ("unit_range", (0, 0), (0, 0)),
        ("l2", (3, 4), (0.6, 0.8)),
        ("l2", (0.03, 0.04), (0.6, 0.8)),
        ("l2", (0, 0), (0, 0)),
        ("unit_bounce", (0.3, 0.4), (0.3, 0.4)),
        ("unit_bounce", (0.9, 1.2), (0.3, 0.4)),
        ("unit_bounce", (1.2, 1.6), (0, 0)),
        ("unit_bounce", (3, 4), (0, 0)),
        ("unit_bounce", (0, 0), (0, 0)),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_spaces_worked_by_hand(embedding_norm, embedding, expected, scale, detach_norm):
    scaled = ops.convert_to_tensor(scale * np.array([embedding], float))
    placed = bounded(scaled, embedding_norm, scale, detach_norm)
    np.testing.assert_allclose(to_numpy(placed), scale * np.array([expected]), atol=1e-12)


def space_gradient(embedding, direction, embedding_norm, detach_norm):
    """Gradient of the component of an embedding's place along a direction, in the spaces of scale 1."""
    direction = ops.convert_to_tensor(direction)
    return value_and_gradient(
        lambda _, x: ops.sum(bounded(x, embedding_norm, 1.0, detach_norm) * direction), None, np.array([embedding])
    )[1][0]


@pytest.mark.parametrize("embedding", [(0.3, 0.4), (0.9, 1.2), (6.0, 8.0)])
@every_norm
def test_gradient_of_a_space_is_its_derivative(embedding_norm, embedding):
    direction = np.array([0.7, -1.3])

    def component(x):
        return np.sum(to_numpy(bounded(ops.convert_to_tensor(x), embedding_norm, 1.0, False)) * direction)

    expected = finite_differences(component, np.array([embedding]))[0]
    gradient = space_gradient(embedding, direction, embedding_norm, False)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("embedding_norm", "embedding", "factor"),
    [
        ("unit_range", (0.3, 0.4), 1.0),
        ("unit_range", (3.0, 4.0), 0.2),
        ("l2", (0.3, 0.4), 2.0),
        ("l2", (3.0, 4.0), 0.2),
        ("unit_bounce", (0.3, 0.4), 1.0),
        ("unit_bounce", (0.9, 1.2), 1 / 3),
        ("unit_bounce", (3.0, 4.0), 0.0),
    ],
)
def test_a_detached_norm_scales_the_gradient(embedding_norm, embedding, factor):
    direction = np.array([0.7, -1.3])
    gradient = space_gradient(embedding, direction, embedding_norm, True)
    np.testing.assert_allclose(gradient, factor * direction, rtol=1e-9)


@pytest.mark.parametrize(("radius", "slope"), [(0.5, 1.0), (1.5, -1.0), (3.0, 0.0)])
def test_beyond_the_unit_sphere_the_bounce_leads_back_to_the_origin(radius, slope):
    outwards = np.array([0.6, 0.8])
    gradient = space_gradient(tuple(radius * outwards), outwards, "unit_bounce", False)
    np.testing.assert_allclose(gradient, slope * outwards, atol=1e-12)


@every_norm
@either_gradient
def test_the_origin_has_the_gradient_of_the_space_around_it_or_none(embedding_norm, detach_norm):
    """Division by the norm gives NaN there in the reference implementation."""
    gradient = space_gradient((0.0, 0.0), np.array([1.0, -2.0]), embedding_norm, detach_norm)
    np.testing.assert_allclose(gradient, [0, 0] if embedding_norm == "l2" else [1, -2])


# The triplet loss.


def test_value_worked_by_hand():
    assert float(triplet()(LABELS, CROSS)) == pytest.approx(0.4649502292, abs=1e-9)  # p = 0.4472136, q = 0.8944272
    assert float(triplet()(LABELS, RECTANGLE)) == pytest.approx(2 * math.log(2))  # 0.44 of 0.88 and 0.25 of 0.5


def test_gradient_worked_by_hand():
    # With respect to the mean distances: 1 / 0.44 to the positives, -1 / 0.25 to the negatives.
    _, gradient = value_and_gradient(triplet(), LABELS, RECTANGLE)
    pull, push = 0.25 / 0.44, 0.25 / 0.25
    np.testing.assert_allclose(gradient, [[-pull, push], [pull, push], [-pull, -push], [pull, -push]])


@pytest.mark.parametrize(("positive_weight", "negative_weight"), [(1.0, 0.0), (0.0, 1.0), (2.0, 3.0), (0.0, 0.0)])
def test_each_part_has_its_weight(positive_weight, negative_weight):
    loss = triplet(positive_weight=positive_weight, negative_weight=negative_weight)
    assert float(loss(LABELS, RECTANGLE)) == pytest.approx((positive_weight + negative_weight) * math.log(2))


def test_the_logarithm_is_of_the_mean_not_the_mean_of_logarithms():
    embeddings = np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 0.12], [0, 0, -0.12]])  # p = 1, 1, 0.12, 0.12; q > 0.5
    assert float(triplet()(LABELS, embeddings)) == pytest.approx(math.log(2))  # The mean of logarithms is 23.03.


@pytest.mark.parametrize(("epsilon", "expected"), [(1e-20, 46.0517019), (1e-6, 13.8155106)])
def test_at_the_worst_the_value_is_that_of_epsilon(epsilon, expected):
    opposite, equal = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.ones((4, 2))
    assert float(triplet(epsilon)(np.array([3, 3]), opposite)) == pytest.approx(expected)
    assert float(triplet(epsilon)(LABELS, equal)) == pytest.approx(expected)  # The negative part alone.


@every_norm
@pytest.mark.parametrize("embeddings", [np.zeros((4, 2)), np.full((4, 2), 0.3), np.full((4, 2), 1.0)])
def test_equal_embeddings_have_no_gradient(embeddings, embedding_norm):
    loss = ExponentialTripletLoss(10, embedding_norm=embedding_norm)
    value, gradient = value_and_gradient(loss, LABELS, embeddings.astype("float32"))
    assert value == pytest.approx(13.8155106, rel=1e-5)
    np.testing.assert_array_equal(gradient, 0)


def test_an_ideal_batch_gives_0_and_no_gradient():
    value, gradient = value_and_gradient(triplet(), LABELS, np.eye(2)[LABELS])  # p = 0, q = 0.7071
    assert value == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize(
    ("labels", "line", "expected"),
    [
        ([0, 0], [-0.56, 0.56], math.log(2)),  # No negative.
        ([0, 1], [-0.25, 0.25], math.log(2)),  # No positive.
        ([0, 0, 1], [-0.5, 0.62, 0.12], math.log(2) - math.log(1 - (0.19 + 0.25 + 0.25) / 1.5)),
        ([0], [0.3], 0.0),
    ],
)
def test_each_part_is_a_mean_over_the_anchors_it_exists_for(labels, line, expected):
    """An empty part once gave NaN."""
    loss = triplet(1e-9)
    value, gradient = value_and_gradient(loss, labels, np.array(line)[:, None])
    assert value == pytest.approx(expected, abs=1e-6)
    assert np.isfinite(gradient).all()


def reference_space(embeddings, embedding_norm, scale, norms_at=None):
    """Embeddings in their space; the norms may be taken at other, fixed embeddings."""
    placed = []
    for x, at in zip(embeddings, embeddings if norms_at is None else norms_at, strict=True):
        norm = math.sqrt(sum(at * at))
        factor = {
            "l2": scale / norm,
            "unit_range": min(1.0, scale / norm),
            "unit_bounce": 1.0 if norm <= scale else max(0.0, 2 * scale - norm) / norm,
        }[embedding_norm]
        placed.append(x * factor)
    return placed


def distances_to(placed, labels, scale):
    """Lists of the distances of each anchor to its positives, and to its negatives, over the largest possible."""

    def apart(i, j):
        return math.sqrt(sum((a - b) ** 2 for a, b in zip(placed[i], placed[j], strict=True))) / (2 * scale)

    size = len(labels)
    positives = [[apart(a, i) for i in range(size) if labels[i] == labels[a] and i != a] for a in range(size)]
    negatives = [[apart(a, i) for i in range(size) if labels[i] != labels[a]] for a in range(size)]
    return positives, negatives


def mean_hinge(values):
    return sum(max(0.0, value) for value in values) / max(len(values), 1)


def of_all_draws(rows, hardest, draws):
    """Of each row that has something, the mean over all ways to draw so many of it, with putting back."""
    if draws == HARDEST:
        return [hardest(row) for row in rows if row]
    return [
        sum(max(0.0, hardest(drawn)) for drawn in itertools.product(row, repeat=draws)) / len(row) ** draws
        for row in rows
        if row
    ]


def triplet_reference(embeddings, labels, embedding_norm, scale, classes=10, overlap=1.2, draws=(1, 2), norms_at=None):
    placed = reference_space(embeddings, embedding_norm, scale, norms_at)
    positives, negatives = distances_to(placed, labels, scale)
    allowed = overlap / classes
    too_far = of_all_draws(positives, lambda drawn: max(drawn) - allowed, draws[0])
    too_near = of_all_draws(negatives, lambda drawn: 0.5 - min(drawn), draws[1])
    pull = -math.log(1 - mean_hinge(too_far) / (1 - allowed) + 1e-6)
    push = -math.log(1 - mean_hinge(too_near) / 0.5 + 1e-6)
    return 0.7 * pull + 1.3 * push


def random_batches(scale):
    """Batches whose norms lie inside, on both sides of, and beyond the bounds of the spaces."""
    rng = np.random.default_rng(9)
    for length in (0.3, 0.8, 1.5):
        yield length * scale * rng.normal(size=(13, 3)), rng.integers(0, 5, 13)


@every_norm
@pytest.mark.parametrize(("scale", "classes", "overlap"), [(1.0, 10, 1.2), (2.5, 5, 0.0), (0.5, 7, 3.0)])
@pytest.mark.parametrize("draws", [(1, 1), (2, 3), (HARDEST, HARDEST)])
def test_triplet_value_equals_a_loop_over_anchors_and_draws(embedding_norm, scale, classes, overlap, draws):
    loss = ExponentialTripletLoss(
        *(classes, overlap, embedding_norm, scale),
        positive_weight=0.7, negative_weight=1.3, positives=draws[0], negatives=draws[1], dtype="float64",
    )  # fmt: skip
    for embeddings, labels in random_batches(scale):
        expected = triplet_reference(embeddings, labels, embedding_norm, scale, classes, overlap, draws)
        assert float(loss(labels, embeddings)) == pytest.approx(expected, rel=1e-9)


def test_of_few_draws_the_hardest_counts_for_its_share():
    # The first one's positives are 0.3 and 0.1 away, over 2: drawn twice, the farther in three of four draws.
    line, labels = np.array([0.0, 0.3, 0.1])[:, None], np.zeros(3, int)
    mean = (0.75 * 0.15 + 0.25 * 0.05 + 0.75 * 0.15 + 0.25 * 0.1 + 0.75 * 0.1 + 0.25 * 0.05) / 3
    loss = triplet(positives=2, overlap=0.0)
    assert float(loss(labels, line)) == pytest.approx(-math.log(1 - mean))


@every_norm
@either_gradient
def test_triplet_gradient_equals_finite_differences_of_the_loop(embedding_norm, detach_norm):
    weights = {"positive_weight": 0.7, "negative_weight": 1.3}
    loss = triplet(1e-6, 1, 2, embedding_norm=embedding_norm, detach_norm=detach_norm, **weights)
    for embeddings, labels in random_batches(1.0):
        _, gradient = value_and_gradient(loss, labels, embeddings)
        norms_at = embeddings if detach_norm else None
        expected = finite_differences(
            lambda x, labels=labels, at=norms_at: triplet_reference(x, labels, embedding_norm, 1.0, norms_at=at),
            embeddings,
        )
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


@every_norm
def test_scaling_the_space_with_the_embeddings_changes_nothing(embedding_norm):
    for embeddings, labels in random_batches(1.0):
        value = float(triplet(embedding_norm=embedding_norm)(labels, embeddings))
        scaled = triplet(embedding_norm=embedding_norm, scale=3.0)
        assert float(scaled(labels, 3 * embeddings)) == pytest.approx(value, rel=1e-9)


# The center loss.


def test_coded_center_value_worked_by_hand():
    loss = center(variant="code", epsilon=1e-20)
    assert float(loss(LABELS, CROSS)) == pytest.approx(0.5309081970, abs=1e-9)  # (0.4472136 - 0.06) / 0.94


def test_the_coded_variant_has_no_weights():
    loss = center(variant="code")
    loss(LABELS, CROSS, training=True)
    assert loss.weights == []


@pytest.mark.parametrize(("labels", "line"), [([0], [0.5]), ([0, 1], [0.5, -0.5])])
def test_coded_center_loss_without_positives_gives_0_and_no_gradient(labels, line):
    value, gradient = value_and_gradient(center(1, variant="code"), labels, np.array(line)[:, None])
    assert value == pytest.approx(0, abs=1e-5)
    np.testing.assert_array_equal(gradient, 0)


def test_center_value_and_gradient_worked_by_hand():
    loss = center()
    centers = np.zeros((10, 2))
    centers[:2] = [[0.5, 0.0], [-1.0, 0.1]]
    loss.centers.assign(centers)
    value, gradient = value_and_gradient(loss, LABELS, CROSS)
    # Squared distances 0.25, 0.01 + 0.64, 0.01 and 0.16 + 0.49, less half of 0.12; the third is satisfied.
    assert value == pytest.approx((0.19 + 0.59 + 0 + 0.59) / 4)
    assert np.any(gradient)
    np.testing.assert_array_equal(gradient[2], 0)


def test_inside_the_space_the_gradient_is_the_offset_and_the_centers_are_constant():
    embeddings = np.array([[0.6, 0.0], [0.0, -0.7], [0.1, 0.1], [0.5, 0.5]])
    _, gradient = value_and_gradient(center(), LABELS, embeddings)
    np.testing.assert_allclose(gradient, 2 * embeddings * [[1], [1], [0], [1]] / 4)


def test_centers_start_at_0_and_are_not_trained_by_the_optimizer():
    loss = center(3)
    np.testing.assert_array_equal(to_numpy(loss.centers), np.zeros((10, 3)))
    assert loss.trainable_weights == []


def test_centers_take_the_step_of_center_loss_on_the_bounded_embeddings():
    loss = center()
    before = np.random.default_rng(10).normal(size=(10, 2))
    loss.centers.assign(before)
    # In their space (0.6, 0.8), (0.1, 0) and (0, 1); those within the margin move their center as well.
    value = float(loss(np.array([0, 0, 1]), np.array([[3.0, 4.0], [0.1, 0.0], [0.0, 1.0]]), training=True))
    after = before.copy()
    after[0] += 0.5 * (np.array([0.7, 0.8]) - 2 * before[0]) / 3
    after[1] += 0.5 * (np.array([0.0, 1.0]) - before[1]) / 2
    np.testing.assert_allclose(to_numpy(loss.centers), after, rtol=1e-6)  # On PyTorch, segment sums are float32.
    np.testing.assert_array_equal(to_numpy(loss.centers)[2:], before[2:])
    squared = [sum((np.array(e) - before[y]) ** 2) for e, y in (((0.6, 0.8), 0), ((0.1, 0.0), 0), ((0.0, 1.0), 1))]
    assert value == pytest.approx(mean_hinge([x - 0.06 for x in squared]))  # At the centers before they moved.


def test_a_satisfied_sample_moves_its_center():
    loss = center(1, center_rate=1.0)
    assert float(loss(np.array([4]), np.array([[0.2]]), training=True)) == 0
    assert to_numpy(loss.centers)[4, 0] == pytest.approx(0.1)


def test_evaluation_leaves_the_centers_alone():
    loss = center()
    loss(LABELS, CROSS, training=False)
    np.testing.assert_array_equal(to_numpy(loss.centers), 0)


def center_reference(embeddings, labels, centers, variant, embedding_norm, scale, norms_at=None):
    placed = reference_space(embeddings, embedding_norm, scale, norms_at)
    if variant == "code":
        positives, _ = distances_to(placed, labels, scale)
        return -math.log(1 - mean_hinge([max(row) - 0.06 for row in positives if row]) / 0.94 + 1e-6)
    return mean_hinge([sum((e - centers[y]) ** 2) - 0.06 for e, y in zip(placed, labels, strict=True)])


@every_norm
@either_gradient
@pytest.mark.parametrize("variant", ["slides", "code"])
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_center_value_and_gradient_equal_the_loop(variant, embedding_norm, scale, detach_norm):
    loss = center(3, variant=variant, embedding_norm=embedding_norm, scale=scale, detach_norm=detach_norm)
    centers = 0.3 * np.random.default_rng(11).normal(size=(10, 3))
    if variant == "slides":
        loss.centers.assign(centers)
    for embeddings, labels in random_batches(scale):
        value, gradient = value_and_gradient(loss, labels, embeddings)
        norms_at = embeddings if detach_norm else None

        def expected(x, labels=labels, at=norms_at):
            return center_reference(x, labels, centers, variant, embedding_norm, scale, at)

        assert value == pytest.approx(expected(embeddings), rel=1e-9)
        np.testing.assert_allclose(gradient, finite_differences(expected, embeddings), rtol=1e-5, atol=1e-8)


# Arguments.

SHARED_LIMITS = [
    *(("overlap", value) for value in (-0.1, 10.0, 40.0, math.nan)),  # 40 of 10 classes leaves no attraction at all.
    ("embedding_norm", "unit"),
    *(("scale", value) for value in (0, -1.0, math.nan, math.inf)),
    *(("epsilon", value) for value in (0, -1e-6, math.nan)),
]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *SHARED_LIMITS,
        *(("positive_weight", value) for value in (-0.1, math.nan, math.inf)),
        *(("negative_weight", value) for value in (-0.1, math.nan, math.inf)),
        *(("positives", value) for value in (0, 1.5)),
        *(("negatives", value) for value in (0, math.inf)),
    ],
)
def test_triplet_rejects_arguments_out_of_range(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}`.*{value}"):
        ExponentialTripletLoss(10, **{argument: value})


@pytest.mark.parametrize(
    ("argument", "value"),
    [*SHARED_LIMITS, ("variant", "paper"), *(("center_rate", value) for value in (-0.1, 1.5, math.nan))],
)
def test_center_rejects_arguments_out_of_range(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}`.*{value}"):
        ExponentialCenterLoss(10, 2, **{argument: value})


@pytest.mark.parametrize("num_classes", [1, -3, 2.5])
def test_rejects_a_number_of_classes_out_of_range(num_classes):
    with pytest.raises(ValueError, match=f"num_classes.*{num_classes}"):
        ExponentialTripletLoss(num_classes, overlap=0.5)
    with pytest.raises(ValueError, match=f"num_classes.*{num_classes}"):
        ExponentialCenterLoss(num_classes, 2, overlap=0.5)
