"""Open-set scores against loops over pairs and values worked by hand."""

import itertools

import numpy as np
import pytest

from evaluation.open_set import open_set


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


def test_threshold_lets_95_percent_of_the_validation_images_pass():
    validation = np.arange(100.0)
    unknown = np.array([3.0, 4.0, 5.0, 50.0])
    scores = open_set(np.array([1.0]), np.array([True]), unknown, validation)
    assert scores["fpr_at_95_tpr"] == 3 / 4  # From 4 on: 96 of 100 pass, from 5 on exactly 95.


def test_perfect_and_blind_scores():
    correct = np.array([True, True])
    perfect = open_set(np.array([2.0, 3.0]), correct, np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    assert perfect == {"auroc": 1, "oscr": 1, "fpr_at_95_tpr": 0}
    blind = open_set(np.ones(2), correct, np.ones(3), np.ones(4))
    assert blind == {"auroc": 0.5, "oscr": 0.5, "fpr_at_95_tpr": 1}
