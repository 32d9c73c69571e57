"""Scores of known classes against loops and scikit-learn."""

import itertools
import json
import math

import numpy as np
import pytest
from embeddings import data, retrieval_by_loops, vote
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from evaluation.closed_set import evaluate


@pytest.fixture
def splits():
    """Training and test embeddings of the same classes, of all lengths, with logits."""
    embeddings, labels = data(500, classes=4)
    logits = np.random.default_rng(2).normal(size=(200, 4)) + 2 * np.eye(4)[labels[300:]]
    return embeddings[:300], labels[:300], embeddings[300:], labels[300:], logits


def test_evaluate_scores_normalised_embeddings(splits):
    train, train_labels, test, test_labels, logits = splits
    scores = evaluate(*splits)
    train, test = normalize(train), normalize(test)
    centroids = NearestCentroid().fit(train, train_labels)
    apart = [math.dist(a, b) for a, b in itertools.combinations(centroids.centroids_, 2)]
    away = [euclidean_distances([x], [centroids.centroids_[y]])[0, 0] for x, y in zip(test, test_labels, strict=True)]
    best = [list(row).index(max(row)) for row in logits]
    expected = {
        "head_accuracy": sum(a == b for a, b in zip(best, test_labels, strict=True)) / 200,
        "center_accuracy": centroids.score(test, test_labels),
        **retrieval_by_loops(test, test_labels),
        "intra_distance": sum(away) / len(away),
        "inter_distance": sum(apart) / len(apart),
        "distance_ratio": (sum(away) / len(away)) / (sum(apart) / len(apart)),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    votes = vote(test, test_labels, train, train_labels)
    sure = sum(a == b for a, b in zip(votes, test_labels, strict=True)) / 200
    assert sure <= scores["knn_accuracy"] <= sure + votes.count(None) / 200
    assert scores.keys() == expected.keys() | {"knn_accuracy"}


def test_evaluate_without_logits_has_no_head_accuracy(splits):
    with_head, without = evaluate(*splits), evaluate(*splits[:4])
    assert without["head_accuracy"] is None
    assert without == with_head | {"head_accuracy": None}


def test_evaluate_does_not_see_the_length_of_embeddings(splits):
    train, train_labels, test, test_labels, logits = splits
    lengths = np.random.default_rng(3).uniform(0.1, 10, size=(500, 1))
    scaled = evaluate(train * lengths[:300], train_labels, test * lengths[300:], test_labels, logits)
    assert scaled == pytest.approx(evaluate(*splits), abs=1e-9)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_evaluate_gives_plain_floats_that_json_keeps(splits, precision):
    train, train_labels, test, test_labels, logits = splits
    scores = evaluate(
        train.astype(precision), train_labels.astype("int32"), test.astype(precision), test_labels.astype("int32"),
        logits.astype(precision),
    )  # fmt: skip
    assert {type(value) for value in scores.values()} == {float}
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
