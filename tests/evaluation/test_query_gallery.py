"""Queries among a gallery, against loops over the definition and values worked by hand."""

import math

import numpy as np
import pytest
from support.embeddings import data

from evaluation.query_gallery import query_gallery
from evaluation.retrieval import retrieval


def by_loops(embeddings, labels, queries, cameras):
    """Mean of the four scores over the queries that have something to find."""
    found = []
    for query in np.flatnonzero(queries):
        seen = [
            (math.dist(embeddings[query], embeddings[other]), other)
            for other in np.flatnonzero(~queries)
            if labels[other] != labels[query] or cameras is None or cameras[other] != cameras[query]
        ]
        hits = [labels[other] == labels[query] for _, other in sorted(seen)]
        relevant = sum(hits)
        if not relevant:
            continue
        precision = [sum(hits[: rank + 1]) / (rank + 1) * hits[rank] for rank in range(len(hits))]
        within = slice(0, relevant)
        found.append(
            (hits[0], sum(hits[within]) / relevant, sum(precision[within]) / relevant, sum(precision) / relevant)
        )
    return np.mean(found, axis=0)


@pytest.mark.parametrize("cameras", [None, np.random.default_rng(1).integers(0, 3, 120)])
def test_scores_are_those_of_loops_without_what_is_of_the_same_class_and_camera(cameras):
    embeddings, labels = data(120, classes=7)
    queries = np.random.default_rng(0).random(120) < 0.3
    expected = by_loops(embeddings, labels, queries, cameras)
    assert list(query_gallery(embeddings, labels, queries, cameras).values()) == pytest.approx(list(expected))


def test_by_hand():
    # The query at 0 sees, in order: a wrong one at 1, a right one at 2, a wrong one at 3, a right one at 4.
    embeddings = np.array([[0.0], [1], [2], [3], [4]])
    labels, queries = np.array([0, 1, 0, 2, 0]), np.arange(5) == 0
    assert query_gallery(embeddings, labels, queries) == {
        "recall_at_1": 0.0,
        "r_precision": 0.5,
        "map_at_r": 0.25,  # (1/2) / 2
        "mean_average_precision": 0.5,  # (1/2 + 2/4) / 2
    }
    # Of its own camera, the one at 2 is hidden: it is left with one to find, at rank 3.
    cameras = np.array([5, 5, 5, 5, 6])
    found = query_gallery(embeddings, labels, queries, cameras)
    assert found == pytest.approx({"recall_at_1": 0, "r_precision": 0, "map_at_r": 0, "mean_average_precision": 1 / 3})


@pytest.mark.parametrize("labels", [[0] * 6 + [1] * 6, [1] * 6 + [0] * 6])
def test_where_all_are_equally_far_nothing_counts_as_found_in_whatever_order_they_lie(labels):
    labels, queries = np.array(labels), np.arange(12) % 6 == 0
    found = query_gallery(np.ones((12, 3), np.float32), labels, queries)
    # All five of the other class come first, then those of its own: ranks 6 to 10.
    mean = sum(hit / rank for hit, rank in enumerate(range(6, 11), 1)) / 5
    expected = {"recall_at_1": 0, "r_precision": 0, "map_at_r": 0, "mean_average_precision": mean}
    assert found == pytest.approx(expected)


def test_a_query_without_anything_to_find_does_not_count_and_none_at_all_is_no_score():
    embeddings, labels = np.array([[0.0], [9], [0.1], [5]]), np.array([0, 1, 0, 2])
    queries = np.array([True, True, False, False])
    assert query_gallery(embeddings, labels, queries)["mean_average_precision"] == 1.0
    alone = query_gallery(embeddings, np.arange(4), queries)
    without_gallery = query_gallery(embeddings, labels, np.ones(4, bool))
    assert all(math.isnan(score) for score in (*alone.values(), *without_gallery.values()))


def test_with_every_other_item_in_the_gallery_it_is_retrieval():
    embeddings, labels = data(40, classes=4)
    expected = retrieval(embeddings, labels)
    each = [query_gallery(embeddings, labels, np.arange(40) == query) for query in range(40)]
    found = {name: np.mean([scores[name] for scores in each]) for name in expected}
    assert found == pytest.approx(expected)
