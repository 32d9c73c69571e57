"""Open-set scores against loops over pairs and values worked by hand."""

import itertools
import math

import numpy as np
import pytest

from evaluation.open_set import open_set, recognition


def by_loops(known, correct, unknown, validation):
    """The definitions, one pair of a known and an unknown image at a time."""
    above = [[1.0 if k > u else 0.5 if k == u else 0.0 for u in unknown] for k in known]
    right = [row if c else [0.0] * len(unknown) for row, c in zip(above, correct, strict=True)]
    threshold = sorted(validation)[int(0.05 * (len(validation) - 1))]
    return {
        "auroc": sum(map(sum, above)) / len(known) / len(unknown),
        "oscr": sum(map(sum, right)) / len(known) / len(unknown),
        "fpr_at_95_tpr": sum(u >= threshold for u in unknown) / len(unknown),
    }


@pytest.mark.parametrize("digits", [1, 12])  # With many ties, and without.
def test_open_set_scores_equal_loops(digits):
    rng = np.random.default_rng(0)
    known, unknown, validation = (rng.normal(mean, 1, n).round(digits) for mean, n in ((1, 200), (0, 150), (1, 90)))
    correct = rng.random(200) < 0.8
    expected = by_loops(known, correct, unknown, validation)
    assert all(0.1 < value < 0.95 for value in expected.values())
    assert open_set(known, correct, unknown, validation) == pytest.approx(expected)


def test_oscr_is_the_area_under_right_classifications_over_false_positives():
    rng = np.random.default_rng(1)
    known, unknown = rng.normal(1, 1, 300), rng.normal(0, 1, 200)
    correct = rng.random(300) < 0.9
    thresholds = np.sort(np.concatenate([known, unknown, [-np.inf, np.inf]]))[::-1]
    rates = [((unknown >= t).mean(), (correct & (known >= t)).mean()) for t in thresholds]
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(rates))
    assert open_set(known, correct, unknown, known)["oscr"] == pytest.approx(area)


def test_threshold_lets_at_least_95_percent_of_the_validation_images_pass():
    validation = np.arange(100.0)
    unknown = np.array([3.0, 4.0, 5.0, 50.0])
    scores = open_set(np.array([1.0]), np.array([True]), unknown, validation)
    assert scores["fpr_at_95_tpr"] == 3 / 4  # From 4 on: 96 of 100 pass.


def test_perfect_and_blind_scores():
    correct = np.array([True, True])
    perfect = open_set(np.array([2.0, 3.0]), correct, np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    assert perfect == {"auroc": 1, "oscr": 1, "fpr_at_95_tpr": 0}
    blind = open_set(np.ones(2), correct, np.ones(3), np.ones(4))
    assert blind == {"auroc": 0.5, "oscr": 0.5, "fpr_at_95_tpr": 1}


def recognition_by_loops(means, validation, test, unknown):
    """The definitions, one image at a time."""

    def to_mean(point, classes):
        return min((math.dist(point, means[number]), number) for number in classes)

    def left_out(points, labels):
        return [to_mean(p, {*range(len(means))} - {label})[0] for p, label in zip(points, labels, strict=True)]

    others = sorted(left_out(*validation))
    distance = max(d for d in others if sum(other < d for other in others) <= len(others) / 100)
    rates = {"distance": distance}
    for part, (points, labels) in (("validation", validation), ("test", test)):
        found = [to_mean(point, range(len(means))) for point in points]
        rates[f"{part}_accepted"] = sum(d < distance for d, _ in found) / len(found)
        rates[f"{part}_right"] = sum(d < distance and c == y for (d, c), y in zip(found, labels, strict=True)) / len(
            found
        )
        rates[f"{part}_far"] = sum(d < distance for d in left_out(points, labels)) / len(found)
    strange = [to_mean(point, range(len(means)))[0] for point in unknown]
    return rates | {"unknown_accepted": sum(d < distance for d in strange) / len(strange)}


def test_recognition_equals_loops():
    rng = np.random.default_rng(3)
    means = rng.normal(size=(5, 3))
    validation, test = (
        (means[labels] + rng.normal(0, 0.7, (len(labels), 3)), labels)
        for labels in (rng.integers(0, 5, 250), rng.integers(0, 5, 120))
    )
    unknown = rng.normal(size=(90, 3))
    expected = recognition_by_loops(means, validation, test, unknown)
    assert all(0 < value < 0.9 for value in expected.values())
    assert len(set(expected.values())) >= 7
    assert recognition(means, validation, test, unknown) == pytest.approx(expected)


def test_at_most_one_in_a_hundred_validation_images_would_be_taken_for_another_class():
    means, at = np.array([[0.0], [10.0]]), np.arange(200) / 100
    validation = at[:, None], np.ones(200, int)  # Of the class at 10, all nearer to the mean at 0.
    assert recognition(means, validation, validation)["distance"] == pytest.approx(
        at[2]
    )  # Images 0 and 1 are nearer: 1 %.
    few = at[:99, None], np.ones(99, int)
    assert recognition(means, few, few)["distance"] == pytest.approx(0, abs=1e-6)  # Of fewer than 100, none.


def test_without_test_images_of_the_classes_what_is_unknown_is_still_told():
    means, validation = np.array([[0.0], [10.0]]), (np.array([[4.0]]), np.array([1]))
    alone = recognition(means, validation)
    assert alone == {"distance": 4.0, "validation_accepted": 0, "validation_right": 0, "validation_far": 0}
    unknown = np.array([[3.0], [4.0], [-5.0], [8.0]])
    assert recognition(means, validation, None, unknown) == alone | {"unknown_accepted": 0.5}


def test_what_is_accepted_for_the_wrong_class_is_not_right():
    means, validation = np.array([[0.0], [10.0]]), (np.array([[4.0]]), np.array([1]))
    test = np.array([[1.0], [1.0], [9.0], [5.0]]), np.array([0, 1, 1, 1])
    rates = recognition(means, validation, test)
    found = {"test_accepted": 0.75, "test_right": 0.5, "test_far": 0.25}
    assert rates == recognition(means, validation) | found
