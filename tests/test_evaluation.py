"""Every score against loops over queries and ranks, values worked by hand, and scikit-learn."""

import bisect
import itertools
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

import evaluation
from evaluation import (
    class_distances,
    class_means,
    evaluate,
    knn_accuracy,
    l2_normalize,
    nearest_mean,
    neighbor_preservation,
    pair_distances,
    retrieval,
    squared_distances,
)

RETRIEVAL = ("recall_at_1", "r_precision", "map_at_r")
ROOT = pathlib.Path(evaluation.__file__).parent


def data(size, seed=0, classes=7, dim=5):
    """Overlapping classes of unequal size, in no order; every class occurs."""
    rng = np.random.default_rng(seed)
    shares = np.arange(1, classes + 1) / sum(range(1, classes + 1))
    labels = rng.permutation(np.concatenate([np.arange(classes), rng.choice(classes, size - classes, p=shares)]))
    return rng.normal(size=(classes, dim))[labels] + rng.normal(size=(size, dim)), labels


def ranked(embeddings, query, gallery=None):
    """Numbers of all items from the nearest to the farthest; without a gallery, all others."""
    if gallery is None:
        others, point = [i for i in range(len(embeddings)) if i != query], embeddings[query]
    else:
        others, embeddings, point = list(range(len(gallery))), gallery, embeddings[query]
    distances = [float(d) for d in np.linalg.norm(embeddings - point, axis=1)]
    return sorted(others, key=distances.__getitem__)


def retrieval_by_loops(embeddings, labels):
    """The definitions of Musgrave et al., one query and one rank at a time."""
    first, r_precision, map_at_r = [], [], []
    for query, label in enumerate(labels):
        r = sum(1 for other in labels if other == label) - 1
        if r == 0:
            continue
        found = [labels[i] == label for i in ranked(embeddings, query)[:r]]
        first.append(1 if found[0] else 0)
        r_precision.append(sum(found) / r)
        map_at_r.append(sum(sum(found[: i + 1]) / (i + 1) for i in range(r) if found[i]) / r)
    return {name: sum(s) / len(s) for name, s in zip(RETRIEVAL, (first, r_precision, map_at_r), strict=True)}


def vote(embeddings, labels, gallery, gallery_labels):
    """Majority among the 5 nearest of each item, None where two classes share it."""
    winners = []
    for query in range(len(labels)):
        near = [int(gallery_labels[i]) for i in ranked(embeddings, query, gallery)[:5]]
        best = [label for label in set(near) if near.count(label) == max(map(near.count, near))]
        winners.append(best[0] if len(best) == 1 else None)
    return winners


def test_l2_normalize_gives_unit_rows_of_the_same_direction():
    np.testing.assert_allclose(l2_normalize(np.array([[3.0, 4.0], [0.0, -0.5]])), [[0.6, 0.8], [0, -1]])


def test_l2_normalize_leaves_zero_rows_at_zero():
    np.testing.assert_array_equal(l2_normalize(np.zeros((2, 3), "float32")), np.zeros((2, 3)))


def test_l2_normalize_keeps_the_precision_of_its_input():
    assert l2_normalize(np.ones((2, 3), "float32")).dtype == np.float32


def test_class_means_by_hand():
    embeddings = np.array([[1.0, 2.0], [5.0, 5.0], [3.0, 4.0]])
    np.testing.assert_allclose(class_means(embeddings, np.array([1, 0, 1])), [[5, 5], [2, 3]])


def test_squared_distances_equal_a_loop():
    a, b = data(20)[0], data(30, seed=1)[0]
    expected = [[sum((x - y) ** 2 for x, y in zip(p, q, strict=True)) for q in b] for p in a]
    np.testing.assert_allclose(squared_distances(a, b), expected, rtol=1e-9)


def test_squared_distances_of_equal_rows_are_never_negative():
    rows = np.random.default_rng(0).normal(size=(50, 64)).astype("float32") * 100
    assert squared_distances(rows, rows).min() == 0


def test_nearest_mean_equals_scikit_learn():
    train, labels = data(200)
    test, _ = data(100, seed=1)
    expected = NearestCentroid().fit(train, labels).predict(test)
    assert len(set(expected)) > 2
    np.testing.assert_array_equal(nearest_mean(test, class_means(train, labels)), expected)


def test_knn_accuracy_equals_a_loop_that_votes():
    train, train_labels = data(300, classes=3)
    test, test_labels = data(200, classes=3, seed=1)
    votes = vote(test, test_labels, train, train_labels)
    clear = [i for i, winner in enumerate(votes) if winner is not None]
    expected = sum(votes[i] == test_labels[i] for i in clear) / len(clear)
    assert len(clear) > 100
    assert 0.2 < expected < 0.9
    assert knn_accuracy(train, train_labels, test[clear], test_labels[clear]) == pytest.approx(expected)


def test_knn_accuracy_is_a_majority_not_the_nearest():
    train, labels = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [90.0]]), np.array([1, 1, 0, 0, 0, 1])
    assert knn_accuracy(train, labels, np.array([[0.0]]), np.array([0])) == 1  # 3 of the 5 nearest are of class 0.


@pytest.mark.parametrize("block", [1, 7, 64, 10_000])
def test_retrieval_equals_loops_for_any_block(monkeypatch, block):
    monkeypatch.setattr(evaluation, "BLOCK", block)
    embeddings, labels = data(200)
    assert retrieval(embeddings, labels) == pytest.approx(retrieval_by_loops(embeddings, labels), abs=1e-6)


def test_retrieval_equals_loops_over_several_default_blocks():
    embeddings, labels = data(2 * evaluation.BLOCK + 50)
    expected = retrieval_by_loops(embeddings, labels)
    assert 0.1 < expected["map_at_r"] < expected["r_precision"] < expected["recall_at_1"] < 0.9
    assert retrieval(embeddings, labels) == pytest.approx(expected, abs=1e-6)


def test_retrieval_by_hand():
    embeddings, labels = np.array([[0.0], [1.0], [5.0], [9.5], [6.0]]), np.array([0, 0, 0, 1, 1])
    # At 0 and 1 the two nearest are of the class: 1, 1, 1. At 5 they are 6 (no) and 1 (yes): 0, 1/2, (1/2) / 2.
    # At 9.5 the nearest is 6: 1, 1, 1. At 6 it is 5: 0, 0, 0.
    expected = {"recall_at_1": 3 / 5, "r_precision": 3.5 / 5, "map_at_r": 3.25 / 5}
    assert retrieval(embeddings, labels) == pytest.approx(expected)


def test_perfect_clusters_score_one():
    labels = np.repeat(np.arange(4), [2, 5, 9, 30])
    embeddings = np.eye(4)[labels] * 100 + data(len(labels))[0][:, :4]
    assert retrieval(embeddings, labels) == dict.fromkeys(RETRIEVAL, 1.0)


def test_one_class_alone_scores_one():
    assert retrieval(data(20)[0], np.zeros(20, int)) == dict.fromkeys(RETRIEVAL, 1.0)


def test_an_item_never_finds_itself_among_its_duplicates():
    embeddings = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    assert retrieval(embeddings, np.array([0, 1, 0, 1])) == dict.fromkeys(RETRIEVAL, 0.0)


def test_an_item_alone_in_its_class_is_found_but_does_not_ask():
    embeddings, labels = np.array([[0.0], [2.0], [3.0], [9.0]]), np.array([0, 0, 1, 2])
    # The two of class 0 ask: at 0 the nearest is 2 (yes), at 2 it is 3 (no).
    assert retrieval(embeddings, labels) == pytest.approx(dict.fromkeys(RETRIEVAL, 0.5))


def test_retrieval_without_two_of_a_class_is_nan():
    scores = retrieval(data(7)[0], np.arange(7))
    assert tuple(scores) == RETRIEVAL
    assert all(math.isnan(value) for value in scores.values())


def test_order_of_the_items_does_not_matter():
    embeddings, labels = data(200)
    order = np.random.default_rng(1).permutation(200)
    assert retrieval(embeddings[order], labels[order]) == pytest.approx(retrieval(embeddings, labels), abs=1e-12)


@pytest.mark.slow
def test_retrieval_among_ten_thousand_stays_below_one_gigabyte():
    work = (
        "import numpy as np; from evaluation import retrieval; rng = np.random.default_rng(0); "
        "retrieval(rng.normal(size=(10_000, 64)).astype('float32'), rng.integers(0, 10, 10_000))"
    )
    # A process starts with the peak of the one that started it, hence one between this and the measured.
    measure = (
        "import resource, subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", measure, work]
    peak = int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert peak * (1 if sys.platform == "darwin" else 1024) < 1e9


def test_class_distances_by_hand():
    means = np.array([[1.0, 0.0], [4.0, 4.0], [1.0, 8.0]])  # 5, 8 and 5 apart.
    embeddings, labels = np.array([[1.0, 2.0], [7.0, 8.0], [1.0, 6.0]]), np.array([0, 1, 2])  # 2, 5 and 2 away.
    expected = {"intra_distance": 3, "inter_distance": 6, "distance_ratio": 0.5}
    assert class_distances(embeddings, labels, means) == pytest.approx(expected)


def test_coincident_means_have_no_ratio():
    scores = class_distances(np.array([[0.0, 1.0], [0.0, 3.0]]), np.array([0, 1]), np.zeros((2, 2)))
    assert scores == pytest.approx({"intra_distance": 2, "inter_distance": 0, "distance_ratio": math.nan}, nan_ok=True)


BINS = np.array([0.0, 1.5, 2.5, 3.5, 5.0])


def pairs_by_loops(embeddings, labels):
    """Counts of same-class and of different-class pairs in each of `BINS`."""
    counts = [0] * (len(BINS) - 1), [0] * (len(BINS) - 1)
    for a, b in itertools.combinations(range(len(labels)), 2):
        place = bisect.bisect_right(BINS, math.dist(embeddings[a], embeddings[b])) - 1
        counts[0 if labels[a] == labels[b] else 1][min(place, len(BINS) - 2)] += 1
    return counts


@pytest.mark.parametrize("block", [1, 7, 500])
def test_pair_distances_count_as_loops_do_for_any_block(monkeypatch, block):
    monkeypatch.setattr(evaluation, "BLOCK", block)
    embeddings, labels = data(150)
    expected = pairs_by_loops(embeddings, labels)
    assert all(min(counts) > 0 for counts in expected)
    np.testing.assert_array_equal(pair_distances(embeddings, labels, BINS), expected)


def test_every_pair_counts_once_over_several_default_blocks():
    embeddings, labels = data(2 * evaluation.BLOCK + 50)
    same, different = pair_distances(embeddings, labels, BINS)
    assert same.sum() == sum(math.comb(list(labels).count(label), 2) for label in set(labels))
    assert same.sum() + different.sum() == math.comb(len(labels), 2)


def test_distances_beyond_the_last_edge_count_in_the_last_bin():
    embeddings = np.array([[0.0], [0.2], [50.0]])
    same, different = pair_distances(embeddings, np.array([0, 0, 1]), BINS)
    np.testing.assert_array_equal([same, different], [[1, 0, 0, 0], [0, 0, 0, 2]])


def test_duplicates_and_opposite_unit_vectors_are_counted_in_float32():
    rows = l2_normalize(np.random.default_rng(0).normal(size=(100, 64)).astype("float32"))
    embeddings, labels = np.concatenate([rows, rows, -rows]), np.arange(300)
    assert sum(pair_distances(embeddings, labels, np.linspace(0, 2, 101))[1]) == math.comb(300, 2)


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


def test_nearly_collapsed_embeddings_are_told_apart_in_float32():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 1000)
    spread = rng.normal(size=(10, 64))[labels] + rng.normal(size=(1000, 64))
    rows = l2_normalize((1 + 1e-4 * spread).astype("float32"))
    exact = retrieval(rows.astype("float64"), labels)["map_at_r"]
    assert exact > 0.9
    assert retrieval(rows, labels)["map_at_r"] == pytest.approx(exact, abs=1e-3)
