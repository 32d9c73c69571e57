"""Retrieval against loops over queries and ranks, and values worked by hand."""

import math

import numpy as np
import pytest
from support.embeddings import RETRIEVAL, data, peak_memory, ranked, retrieval_by_loops

from evaluation.retrieval import contested, neighbors, retrieval
from evaluation.vectors import BLOCK, l2_normalize


@pytest.mark.parametrize("block", [1, 7, 64, 10_000])
def test_retrieval_equals_loops_for_any_block(monkeypatch, block):
    monkeypatch.setattr("evaluation.retrieval.BLOCK", block)
    embeddings, labels = data(200)
    assert retrieval(embeddings, labels) == pytest.approx(retrieval_by_loops(embeddings, labels), abs=1e-6)


def test_retrieval_equals_loops_over_several_default_blocks():
    embeddings, labels = data(2 * BLOCK + 50)
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


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_of_items_equally_far_those_of_other_classes_come_first(kind):
    labels = np.array([0, 0, 0, 1, 1])
    assert retrieval(np.ones((5, 2), kind), labels) == dict.fromkeys(RETRIEVAL, 0.0)  # As if nothing were learnt.
    line = np.array([[0.0], [2.0], [2.0], [-2.0], [9.0]], kind)
    # At 0 the one at -2 comes first, then one at 2: 0, 1/2, (1/2) / 2. At each 2 the other one, then 0: 1, 1, 1. At -2
    # and 9 others are nearer than the only one of the class: 0, 0, 0.
    expected = {"recall_at_1": 2 / 5, "r_precision": 2.5 / 5, "map_at_r": 2.25 / 5}
    assert retrieval(line, labels) == pytest.approx(expected)


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
        "import numpy as np; from evaluation.retrieval import retrieval; rng = np.random.default_rng(0); "
        "retrieval(rng.normal(size=(10_000, 64)).astype('float32'), rng.integers(0, 10, 10_000))"
    )
    assert peak_memory(work) < 1e9


def test_nearly_collapsed_embeddings_are_told_apart_in_float32():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 1000)
    spread = rng.normal(size=(10, 64))[labels] + rng.normal(size=(1000, 64))
    rows = l2_normalize((1 + 1e-4 * spread).astype("float32"))
    exact = retrieval(rows.astype("float64"), labels)["map_at_r"]
    assert exact > 0.9
    assert retrieval(rows, labels)["map_at_r"] == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("block", [7, 500])
def test_neighbors_are_the_nearest_others_in_order(monkeypatch, block):
    monkeypatch.setattr("evaluation.retrieval.BLOCK", block)
    embeddings, _ = data(60)
    queries = np.array([3, 40])
    expected = [ranked(embeddings, query)[:6] for query in queries]
    np.testing.assert_array_equal(neighbors(embeddings, queries, 6), expected)


@pytest.mark.parametrize("block", [7, 500])
def test_a_contested_item_of_each_class_has_about_half_of_its_nearest_of_its_class(monkeypatch, block):
    monkeypatch.setattr("evaluation.retrieval.BLOCK", block)
    embeddings, labels = data(200, classes=3)
    hits = [sum(labels[i] == labels[query] for i in ranked(embeddings, query)[:6]) for query in range(200)]
    for classes in (range(3), [0, 2, 5]):  # There is none of class 5.
        found = contested(embeddings, labels, 6, classes)
        assert len(found) == len({*classes} - {5})
        for label, chosen in zip(classes, found, strict=False):
            distances = [(abs(hits[i] - 3), i) for i in range(200) if labels[i] == label]
            assert chosen == min(distances)[1]


def test_of_a_small_class_as_many_neighbors_are_looked_at_as_it_has_others():
    embeddings, _ = data(60)
    labels = np.repeat([0, 1, 2, 3], [1, 4, 6, 49])
    for label, found in enumerate(contested(embeddings, labels, 8, range(4))):
        others = min(8, (labels == label).sum() - 1)
        hits = {
            i: sum(labels[other] == label for other in ranked(embeddings, i)[:others])
            for i in np.flatnonzero(labels == label)
        }
        assert found == min(hits, key=lambda i: (abs(hits[i] - others / 2), i))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e25])
def test_embeddings_without_distances_have_no_scores(value):
    embeddings, labels = data(30)
    embeddings = embeddings.astype("float32")
    embeddings[7, 2] = value
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="no finite numbers, or so large"):
        retrieval(embeddings, labels)


def test_of_few_items_all_others_are_neighbors():
    embeddings, _ = data(7)
    np.testing.assert_array_equal(neighbors(embeddings, np.array([2]), 8), [ranked(embeddings, 2)])


def test_items_alone_in_their_class_and_numbers_without_an_item_change_nothing_but_the_gallery():
    embeddings, labels = data(120)
    labels = labels * 3 + 2  # Most numbers have no item.
    labels[[5, 50, 100]] = 60, 70, 80
    expected = retrieval_by_loops(embeddings, labels.tolist())
    assert retrieval(embeddings, labels) == pytest.approx(expected)
