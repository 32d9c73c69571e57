"""The shape of embeddings against loops, scikit-learn and shapes known beforehand."""

import itertools
import math
import statistics

import numpy as np
import pytest
from sklearn.metrics import silhouette_score
from support.embeddings import data, ranked

from evaluation.geometry import (
    class_angles,
    class_distances,
    effective_rank,
    geometry,
    neighbor_preservation,
    silhouette,
    spectrum,
)


def test_class_distances_by_hand():
    means = np.array([[1.0, 0.0], [4.0, 4.0], [1.0, 8.0]])  # 5, 8 and 5 apart.
    embeddings, labels = np.array([[1.0, 2.0], [7.0, 8.0], [1.0, 6.0]]), np.array([0, 1, 2])  # 2, 5 and 2 away.
    expected = {"intra_distance": 3, "inter_distance": 6, "distance_ratio": 0.5}
    assert class_distances(embeddings, labels, means) == pytest.approx(expected)


def test_coincident_means_have_no_ratio():
    scores = class_distances(np.array([[0.0, 1.0], [0.0, 3.0]]), np.array([0, 1]), np.zeros((2, 2)))
    assert scores == pytest.approx({"intra_distance": 2, "inter_distance": 0, "distance_ratio": math.nan}, nan_ok=True)


def neighbors_by_loops(points, coordinates, neighbors):
    kept = [
        len(set(ranked(points, i)[:neighbors]) & set(ranked(coordinates, i)[:neighbors])) for i in range(len(points))
    ]
    return sum(kept) / (neighbors * len(points))


def test_neighbor_preservation_equals_a_loop():
    points = data(80)[0]
    for layout in (points[:, :2], points[:, ::-1] ** 3):
        expected = neighbors_by_loops(points, layout, 6)
        assert 0.1 < expected < 0.9
        assert neighbor_preservation(points, layout, 6) == pytest.approx(expected)


def test_neighbor_preservation_of_a_faithful_layout_is_one():
    points = data(80)[0]
    assert neighbor_preservation(points, points) == 1
    assert neighbor_preservation(points, points[:, ::-1] * 3 + 7) == 1


def test_neighbor_preservation_of_a_bad_layout_is_low():
    points = data(200)[0]
    shuffled = points[np.random.default_rng(1).permutation(200)]
    assert neighbor_preservation(points, shuffled) < 0.15  # 10 of 199 by chance: 0.05.


def test_spectrum_and_rank_of_shapes_known_beforehand():
    rng = np.random.default_rng(0)
    line = rng.normal(size=(50, 1)) * [[3.0, 4.0, 0.0]] + 7
    assert effective_rank(spectrum(line)) == pytest.approx(1)
    cross = np.concatenate([np.eye(4), -np.eye(4)])  # The same extent in every direction.
    np.testing.assert_allclose(spectrum(cross), [0.25] * 4)
    assert effective_rank(spectrum(cross)) == pytest.approx(4)
    assert effective_rank(np.array([0.5, 0.25, 0.25])) == pytest.approx(2**1.5)  # Entropy 1.5 bits.


def test_equal_embeddings_have_rank_one():
    np.testing.assert_array_equal(spectrum(np.ones((5, 3))), [0, 0, 0])
    assert effective_rank(spectrum(np.ones((5, 3)))) == 1


def test_class_angles_by_hand():
    means = np.array([[2.0, 0.0], [0.0, 0.1], [-3.0, 0.0]])
    np.testing.assert_allclose(class_angles(means), [90, 180, 90])


def test_opposite_class_means_are_at_180_degrees_though_rounding_puts_them_further_apart():
    means = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    assert [class_angles(np.stack([mean, -mean]))[0] for mean in means] == pytest.approx([180] * 300, abs=0.1)


def test_small_class_angles_keep_their_digits_in_float32():
    means = np.array([[1.0, 0.0], [1.0, 1e-4]], "float32")
    assert class_angles(means)[0] == pytest.approx(math.degrees(1e-4), rel=1e-4)


def silhouette_by_loops(points, labels):
    """The definition of Rousseeuw, one point at a time."""
    values = []
    for i, label in enumerate(labels):
        away = np.linalg.norm(points - points[i], axis=1)
        own = [away[j] for j in range(len(labels)) if labels[j] == label and j != i]
        if not own:
            values.append(0.0)
            continue
        a = sum(own) / len(own)
        b = min(away[labels == other].mean() for other in set(labels) - {label})
        values.append((b - a) / max(a, b))
    return sum(values) / len(values)


@pytest.mark.parametrize("side", [1, 30, 500])  # Classes apart, some of them together, all.
@pytest.mark.parametrize("values", [1, 700, 5_000_000])
def test_silhouette_equals_loops_for_any_block(monkeypatch, values, side):
    monkeypatch.setattr("evaluation.vectors.VALUES", values)
    monkeypatch.setattr("evaluation.geometry.SIDE", side)
    points, labels = data(100)
    labels = np.where(labels == 0, 90, labels)  # Class numbers need not be without gaps.
    labels[3] = 50  # Alone in its class.
    assert silhouette(points, labels) == pytest.approx(silhouette_by_loops(points, labels), rel=1e-9)


def test_silhouette_equals_scikit_learns():
    points, labels = data(2000)
    expected = silhouette_score(points, labels)
    assert silhouette(points, labels) == pytest.approx(expected, abs=1e-9)
    assert silhouette(points.astype("float32"), labels) == pytest.approx(expected, abs=3e-8)


def test_silhouette_of_equal_points_is_zero():
    assert silhouette(np.ones((6, 3), "float32"), np.arange(6) % 2) == 0


def test_distances_and_angles_of_many_class_means_are_those_of_every_two():
    means = np.random.default_rng(0).normal(size=(40, 5))
    embeddings, labels = data(200, classes=40)
    pairs = list(itertools.combinations(means, 2))
    expected = sum(math.dist(a, b) for a, b in pairs) / 780
    assert class_distances(embeddings, labels, means)["inter_distance"] == pytest.approx(expected)
    angles = [math.degrees(math.acos(a @ b / math.hypot(*a) / math.hypot(*b))) for a, b in pairs]
    np.testing.assert_allclose(class_angles(means), angles)


def test_geometry_equals_loops_over_normalised_embeddings():
    embeddings, labels = data(200, classes=4)
    unit = np.array([row / math.hypot(*row) for row in embeddings])
    means = np.array([unit[labels == label].mean(axis=0) for label in range(4)])
    found = geometry(embeddings, labels, means)
    lengths = [math.hypot(*row) for row in embeddings]
    apart = [
        math.degrees(math.acos(a @ b / math.hypot(*a) / math.hypot(*b))) for a, b in itertools.combinations(means, 2)
    ]
    values = np.sqrt(np.linalg.eigvalsh((unit - unit.mean(axis=0)).T @ (unit - unit.mean(axis=0))))
    shares = values / values.sum()
    assert found == pytest.approx(
        {
            "norm_mean": sum(lengths) / 200,
            "norm_deviation": statistics.pstdev(lengths),
            "silhouette": silhouette_by_loops(unit, labels),
            "effective_rank": math.exp(-sum(p * math.log(p) for p in shares)),
            "mean_angle": sum(apart) / len(apart),
            "smallest_angle": min(apart),
        }
    )


def test_a_collapsed_embedding_has_finite_geometry():
    found = geometry(np.ones((20, 3), "float32"), np.arange(20) % 2, np.full((2, 3), 3**-0.5, "float32"))
    assert found == pytest.approx(
        {
            "norm_mean": 3**0.5,
            "norm_deviation": 0,
            "silhouette": 0,
            "effective_rank": 1,
            "mean_angle": 0,
            "smallest_angle": 0,
        },
        abs=1e-6,
    )


def test_of_very_many_class_means_a_seeded_choice_is_looked_at(monkeypatch):
    means = np.random.default_rng(0).normal(size=(30, 4))
    every = class_angles(means)
    monkeypatch.setattr("evaluation.geometry.MEANS", 12)
    some = class_angles(means)
    assert len(some) == 12 * 11 // 2
    assert all(np.isclose(every, angle).any() for angle in some)
    distances = {round(math.dist(a, b), 9) for i, a in enumerate(means) for b in means[:i]}
    found = class_distances(means, np.arange(30), means)
    assert found["intra_distance"] == 0
    assert min(distances) < found["inter_distance"] < max(distances)
    np.testing.assert_array_equal(class_angles(means), some)


@pytest.mark.parametrize("values", [30, 200, 5_000_000])
def test_distances_of_many_class_means_are_those_of_their_differences(monkeypatch, values):
    means = np.random.default_rng(0).normal(size=(41, 5)).astype("float32")
    expected = class_angles(means), class_distances(means, np.arange(41), means)
    monkeypatch.setattr("evaluation.geometry.DIRECT", 40)
    monkeypatch.setattr("evaluation.vectors.VALUES", values)
    np.testing.assert_allclose(class_angles(means), expected[0], rtol=1e-5)
    assert class_distances(means, np.arange(41), means) == pytest.approx(expected[1], rel=1e-6)
