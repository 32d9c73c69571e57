import math

import numpy as np
import pytest
from support.embeddings import data

from evaluation.vectors import class_means, l2_normalize, members, nearest, squared_distances


def test_l2_normalize_gives_unit_rows_of_the_same_direction():
    np.testing.assert_allclose(l2_normalize(np.array([[3.0, 4.0], [0.0, -0.5]])), [[0.6, 0.8], [0, -1]])


def test_l2_normalize_leaves_zero_rows_at_zero():
    np.testing.assert_array_equal(l2_normalize(np.zeros((2, 3), "float32")), np.zeros((2, 3)))


def test_l2_normalize_keeps_the_precision_of_its_input():
    assert l2_normalize(np.ones((2, 3), "float32")).dtype == np.float32


def test_class_means_by_hand():
    embeddings = np.array([[1.0, 2.0], [5.0, 5.0], [3.0, 4.0]])
    np.testing.assert_allclose(class_means(embeddings, np.array([1, 0, 1])), [[5, 5], [2, 3]])


def test_members_are_the_items_of_each_class():
    assert [items.tolist() for items in members(np.array([3, 0, 3, 1, 0]))] == [[1, 4], [3], [], [0, 2]]


def test_class_means_of_many_small_classes_equal_a_loop():
    embeddings, labels = data(300, classes=90)
    expected = [sum(embeddings[labels == label]) / sum(labels == label) for label in range(90)]
    np.testing.assert_allclose(class_means(embeddings, labels), expected)


def test_squared_distances_equal_a_loop():
    a, b = data(20)[0], data(30, seed=1)[0]
    expected = [[sum((x - y) ** 2 for x, y in zip(p, q, strict=True)) for q in b] for p in a]
    np.testing.assert_allclose(squared_distances(a, b), expected, rtol=1e-9)


def test_squared_distances_of_equal_rows_are_never_negative():
    rows = np.random.default_rng(0).normal(size=(50, 64)).astype("float32") * 100
    assert squared_distances(rows, rows).min() == 0


@pytest.mark.parametrize("values", [1, 100, 5_000_000])  # Held at a time: a row, a few, all.
def test_the_nearest_equal_a_loop_over_all_distances(values, monkeypatch):
    monkeypatch.setattr("evaluation.vectors.VALUES", values)
    a, b = data(20)[0], data(30, seed=1)[0]
    for count in (1, 2, 30):
        for point, numbers, distances in zip(a, *nearest(a, b, count), strict=True):
            expected = sorted((math.dist(point, other), number) for number, other in enumerate(b))[:count]
            assert numbers.tolist() == [number for _, number in expected]
            assert distances == pytest.approx([distance for distance, _ in expected])
