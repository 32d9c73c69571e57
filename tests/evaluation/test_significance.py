"""Intervals and verdicts: against values of Student's tables, by hand, and over simulated seeds."""

import math

import numpy as np
import pytest

from evaluation.significance import Interval, compare, holm, interval

RUNS = 2000


def seeds(rng, means, runs, common=1.0, own=0.5):
    """Scores `(losses, runs)`: every seed moves all losses together, and each a little on its own."""
    means = np.asarray(means)[:, None]
    return means + rng.normal(0, common, runs) + rng.normal(0, own, (len(means), runs))


def units(scores):
    """Units of one run each."""
    return {unit: {0: score} for unit, score in scores.items()}


def compared(reference, **others):
    return compare(units(reference), {loss: units(scores) for loss, scores in others.items()})


def comparisons(scores):
    by_seed = [dict(enumerate(row)) for row in scores]
    return compared(by_seed[0], **{f"loss {i}": row for i, row in enumerate(by_seed[1:])})


def test_interval_by_the_table_of_t():
    # t = 4.303 for two degrees of freedom, 2.776 for four.
    assert interval([1, 2, 3]).mean == 2
    assert interval([1, 2, 3]).half_width == pytest.approx(4.303 / math.sqrt(3), abs=1e-3)
    assert interval([1, 2, 3, 4, 5]).half_width == pytest.approx(2.776 * math.sqrt(2.5 / 5), abs=1e-3)


def test_interval_of_one_number_is_unknown():
    assert interval([7.0]).mean == 7
    assert math.isnan(interval([7.0]).half_width)


def test_holm_by_hand():
    # Ascending: 0.01 x 4, 0.02 x 3, 0.03 x 2 (not below the one before it), 0.5 x 1.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_holm_leaves_out_what_was_not_tested():
    corrected = holm([0.02, math.nan, 0.01])
    assert corrected[::2] == pytest.approx([0.02, 0.02])
    assert math.isnan(corrected[1])


def test_a_comparison_by_hand():
    found = compared({0: 1.0, 1: 2.0, 2: 3.0}, better={2: 3.6, 0: 1.5, 1: 2.4})["better"]
    # Differences 0.5, 0.4, 0.6: t = 0.5 / (0.1 / sqrt(3)) = 8.66, p = 0.0131 with two degrees of freedom.
    assert found.difference.mean == pytest.approx(0.5)
    assert found.difference.half_width == pytest.approx(4.303 * 0.1 / math.sqrt(3), abs=1e-3)
    assert found.p == pytest.approx(0.0131, abs=1e-4)
    assert found.pairs == 3
    assert found.distinguishable


def test_only_runs_that_both_have_are_paired():
    found = compared({0: 1.0, 1: 2.0, 3: 0.0}, a={1: 2.5, 2: 9.0, 3: 1.0}, b={7: 1.0})
    assert found.keys() == {"a"}
    assert found["a"].pairs == 2
    assert found["a"].difference.mean == pytest.approx(0.75)


def test_one_pair_is_never_distinguishable():
    found = compared({0: 1.0}, a={0: 99.0})["a"]
    assert found.difference == Interval(98.0, pytest.approx(math.nan, nan_ok=True))
    assert not found.distinguishable


@pytest.mark.parametrize("images", [0, 2])
@pytest.mark.parametrize("right", [(9914, 9901), (9936, 9941, 9928), (7500, 5000)])
def test_differences_without_spread_are_not_distinguishable(images, right):
    """As accuracies have with few runs: each so many images apart, which says nothing of the noise."""
    reference, other = ({run: (count + more) / 10_000 for run, count in enumerate(right)} for more in (0, images))
    found = compared(reference, a=other)["a"]
    assert found.p == 1
    assert not found.distinguishable


def test_runs_of_a_unit_are_paired_before_they_are_averaged():
    reference = {0: {0: 0.1, 1: 0.9}, 1: {0: 0.2, 1: 0.8}, 2: {0: 0.5}}
    alike = {0: {0: 0.1}, 1: {0: 0.2, 1: 0.8}, 2: {1: 0.7}}  # A run of 0 failed, and none of 2 is common.
    found = compare(reference, {"a": alike})["a"]
    assert found.difference == Interval(0.0, 0.0)
    assert found.pairs == 2


@pytest.mark.parametrize("runs", [3, 5])
def test_95_percent_intervals_hold_a_known_difference_in_95_percent_of_draws(runs):
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(RUNS):
        difference = comparisons(seeds(rng, [0, 0.3], runs))["loss 0"].difference
        held += abs(difference.mean - 0.3) <= difference.half_width
    assert 0.93 <= held / RUNS <= 0.97


@pytest.mark.parametrize("runs", [3, 5])
def test_verdicts_err_in_at_most_5_percent_of_draws_over_ten_equal_losses(runs):
    rng = np.random.default_rng(1)
    wrong = sum(any(c.distinguishable for c in comparisons(seeds(rng, [0] * 11, runs)).values()) for _ in range(RUNS))
    assert 0 < wrong / RUNS <= 0.05


def test_verdicts_err_in_at_most_5_percent_of_draws_for_one_loss():
    rng = np.random.default_rng(2)
    wrong = sum(comparisons(seeds(rng, [0, 0], 3))["loss 0"].distinguishable for _ in range(RUNS))
    assert 0.03 < wrong / RUNS <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / RUNS)


def test_a_large_difference_is_found_among_equal_losses():
    rng = np.random.default_rng(3)
    found = [comparisons(seeds(rng, [0] * 5 + [20], 5)) for _ in range(100)]
    assert sum(c["loss 4"].distinguishable for c in found) > 95
    assert sum(c["loss 0"].distinguishable for c in found) < 10
