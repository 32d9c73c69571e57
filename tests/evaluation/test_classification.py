"""Classifiers of embeddings against loops, scikit-learn and values worked by hand."""

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid
from support.embeddings import data, vote

from evaluation.classification import few_shot_accuracies, knn_accuracy, nearest_mean
from evaluation.vectors import class_means


@pytest.fixture(params=[1, 100, 5_000_000], autouse=True)
def values(request, monkeypatch):
    """How many values of a matrix are held at a time: a row, a few, all."""
    monkeypatch.setattr("evaluation.vectors.VALUES", request.param)


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


def test_few_shot_accuracies_equal_a_loop_over_draws():
    embeddings, labels = data(120, classes=3)
    found = few_shot_accuracies(embeddings, labels, shots=2, draws=5, seed=4)
    rng = np.random.default_rng(4)
    for accuracy in found:
        examples = [rng.choice(np.flatnonzero(labels == label), 2, replace=False) for label in range(3)]
        queries = [i for i in range(120) if not any(i in chosen for chosen in examples)]
        assert len(queries) == 114
        hits = 0
        for query in queries:
            away = [np.linalg.norm(embeddings[query] - embeddings[chosen].mean(axis=0)) for chosen in examples]
            hits += away.index(min(away)) == labels[query]
        assert accuracy == pytest.approx(hits / 114)
    assert len(set(found.tolist())) > 1


def test_few_shots_of_the_same_seed_are_the_same_and_more_of_them_help():
    embeddings, labels = data(300, classes=3)
    one, again, ten = (few_shot_accuracies(embeddings, labels, shots, 100, seed=0) for shots in (1, 1, 10))
    np.testing.assert_array_equal(one, again)
    assert ten.mean() > one.mean() + 0.05


def test_examples_that_leave_no_query_are_refused():
    with pytest.raises(ValueError, match="3 examples a class leave no query"):
        few_shot_accuracies(np.zeros((7, 2)), np.array([0, 0, 0, 1, 1, 1, 1]), shots=3, draws=1, seed=0)


def test_of_very_many_queries_some_are_asked(monkeypatch):
    embeddings, labels = data(600, classes=3)
    every = few_shot_accuracies(embeddings, labels, 5, 40, seed=0)
    monkeypatch.setattr("evaluation.classification.DISTANCES", 3 * 100)
    some = few_shot_accuracies(embeddings, labels, 5, 40, seed=0)
    assert all(accuracy * 100 == pytest.approx(round(accuracy * 100)) for accuracy in some)
    assert some.mean() == pytest.approx(every.mean(), abs=0.03)


def test_classes_of_one_image_have_a_vote_of_one():
    """And of classes with as many votes, the first has it."""
    train, labels = np.array([[0.0], [1.0], [2.0], [3.0], [9.0]]), np.array([7, 2, 5, 2, 7])
    assert knn_accuracy(train, labels, np.array([[0.0], [8.0]]), np.array([2, 2])) == 1
    assert knn_accuracy(train[1:3], labels[1:3], np.array([[2.0]]), np.array([2])) == 1  # Fewer than five.
