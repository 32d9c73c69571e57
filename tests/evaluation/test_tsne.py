"""Coordinates of t-SNE show what is in the data."""

import itertools
import math

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from evaluation.tsne import pca_layout, rotated_to, tsne


@pytest.fixture
def one_thread():
    """Threads that wait for each other slow small maps down on a busy machine."""
    with threadpool_limits(1):
        yield


few_points = pytest.mark.usefixtures("one_thread")


def clusters(size=120, classes=4, dim=10, seed=0):
    """Well separated clusters and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(size) % classes)
    return 10 * np.eye(classes, dim)[labels] + rng.normal(size=(size, dim)), labels


def like_neighbors(coordinates, labels):
    """Fraction of the 5 nearest of each point that are of its class."""
    nearest = NearestNeighbors(n_neighbors=5).fit(coordinates).kneighbors(return_distance=False)
    return float((labels[nearest] == labels[:, None]).mean())


def random_layout(size, seed=0):
    return np.random.default_rng(seed).normal(size=(size, 2)).astype("float32") * 1e-4


@few_points
def test_tsne_separates_well_separated_clusters():
    points, labels = clusters()
    layout = random_layout(len(points))
    coordinates, _ = tsne(points, layout, 20, 300, seed=0)
    assert coordinates.shape == (120, 2)
    assert like_neighbors(layout, labels) < 0.5
    assert like_neighbors(coordinates, labels) > 0.99


@few_points
def test_tsne_of_the_same_arguments_is_the_same():
    points, _ = clusters()
    first, second = (tsne(points, pca_layout(points), 20, 300, seed=0) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == pytest.approx(second[1], rel=1e-5)


def handedness(coordinates, labels):
    """The sign of the turn from the centre of class 0 over that of class 1 to that of class 2."""
    a, b, c = (coordinates[labels == label].mean(axis=0) for label in range(3))
    return np.sign(np.linalg.det([b - a, c - a]))


@few_points
def test_tsne_starts_from_the_layout_it_is_given():
    points, labels = clusters(classes=3)
    layout = pca_layout(points)
    mirrored = layout * np.array([1, -1], "float32")
    assert handedness(tsne(points, layout, 20, 300, seed=0)[0], labels) == handedness(layout, labels)
    assert handedness(tsne(points, mirrored, 20, 300, seed=0)[0], labels) == -handedness(layout, labels)


@few_points
def test_tsne_of_embeddings_alone_starts_from_their_own_pca():
    points, labels = clusters()
    coordinates, divergence = tsne(points)
    assert like_neighbors(coordinates, labels) > 0.99
    expected = tsne(points, pca_layout(points), perplexity=30, iterations=1000, seed=0, exaggeration=12)
    np.testing.assert_array_equal(coordinates, expected[0])
    assert divergence == pytest.approx(expected[1], rel=1e-5)


@few_points
def test_exaggeration_is_of_the_attraction():
    points, _ = clusters()
    loose, dense = (tsne(points, iterations=300, exaggeration=number)[0] for number in (1, 12))
    assert dense.std() < 0.8 * loose.std()


def conditional(squared, perplexity):
    """Neighbour probabilities of one point at the bandwidth that has this perplexity, by bisection."""
    low, high = 0.0, 1e4
    for _ in range(200):
        precision = (low + high) / 2
        weights = [math.exp(-precision * (d - min(squared))) for d in squared]
        probabilities = [w / sum(weights) for w in weights]
        entropy = -sum(p * math.log(p) for p in probabilities if p > 0)
        low, high = (precision, high) if entropy > math.log(perplexity) else (low, precision)
    return probabilities


def divergence_by_loops(points, coordinates, perplexity):
    """Kullback-Leibler divergence of the map, from the definition of van der Maaten and Hinton."""
    n = len(points)
    p = np.zeros((n, n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        p[i, others] = conditional([math.dist(points[i], points[j]) ** 2 for j in others], perplexity)
    p = (p + p.T) / (2 * n)
    pairs = list(itertools.permutations(range(n), 2))
    q = {(i, j): 1 / (1 + math.dist(coordinates[i], coordinates[j]) ** 2) for i, j in pairs}
    total = sum(q.values())
    return sum(p[pair] * math.log(p[pair] / (q[pair] / total)) for pair in pairs if p[pair] > 0)


@few_points
def test_tsne_tells_the_divergence_it_ends_at():
    points = np.random.default_rng(0).normal(size=(50, 10))
    coordinates, divergence = tsne(points, pca_layout(points), 12, 1000, seed=0)
    assert divergence == pytest.approx(divergence_by_loops(points, coordinates, 12), rel=0.02)


def test_pca_layout_is_small_and_keeps_the_shape_of_the_components():
    points, _ = clusters()
    layout = pca_layout(points)
    assert layout.shape == (120, 2)
    assert layout[:, 0].std() == pytest.approx(1e-4, rel=1e-5)
    centered = points - points.mean(axis=0)
    variances, axes = np.linalg.eigh(centered.T @ centered)
    for column, axis in enumerate((axes[:, -1], axes[:, -2])):
        assert abs(np.corrcoef(layout[:, column], centered @ axis)[0, 1]) == pytest.approx(1, abs=1e-5)
    assert layout[:, 1].std() / layout[:, 0].std() == pytest.approx(math.sqrt(variances[-2] / variances[-1]), rel=1e-4)


@pytest.mark.parametrize("mirror", [1, -1])
def test_rotated_to_undoes_rotation_reflection_and_shift(mirror):
    reference = np.random.default_rng(0).normal(size=(50, 2)) * [3, 1]
    turn = np.array([[math.cos(2), -math.sin(2)], [math.sin(2), math.cos(2)]]) * [1, mirror]
    moved = reference @ turn + [7, -4]
    np.testing.assert_allclose(rotated_to(moved, reference), reference - reference.mean(axis=0), atol=1e-12)


def test_rotated_to_keeps_all_distances():
    coordinates, reference = np.random.default_rng(0).normal(size=(2, 30, 2))
    rotated = rotated_to(coordinates, reference)
    for a, b in itertools.combinations(range(30), 2):
        assert math.dist(rotated[a], rotated[b]) == pytest.approx(math.dist(coordinates[a], coordinates[b]))


def test_equal_points_have_a_layout_and_a_map():
    """In a collapsed embedding all points are equal: nothing to divide by."""
    points = np.ones((40, 5)).tolist()
    assert np.isfinite(pca_layout(points)).all()
    coordinates, divergence = tsne(points, perplexity=5, iterations=300)
    assert np.isfinite(coordinates).all()
    assert np.isfinite(divergence)
