"""Intervals and verdicts: against values of Student's tables, by hand, and over simulated seeds."""

import math

import numpy as np
import pytest
from scipy import stats

from evaluation.significance import Interval, compare, interval

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


def test_a_comparison_by_hand():
    found = compared({0: 1.0, 1: 2.0, 2: 3.0}, better={2: 3.6, 0: 1.5, 1: 2.4})["better"]
    # Differences 0.5, 0.4, 0.6: their deviation is 0.1, and t = 4.303 with two degrees of freedom.
    assert found.difference.mean == pytest.approx(0.5)
    assert found.difference.half_width == pytest.approx(4.303 * 0.1 / math.sqrt(3), abs=1e-3)
    assert found.pairs == 3
    assert found.distinguishable


def test_intervals_are_as_wide_as_it_takes_to_hold_together():
    reference = {0: 0.0, 1: 0.0, 2: 0.0}
    # The table's t for 1 - 0.05 / 5 with two degrees of freedom is 9.925: 0.573 with this deviation.
    others = {f"loss {mean}": {0: mean - 0.1, 1: mean, 2: mean + 0.1} for mean in (0.5, 0.57, 0.58, -0.57, -0.58)}
    found = compared(reference, **others)
    for mean in (0.5, 0.57, 0.58, -0.57, -0.58):
        assert found[f"loss {mean}"].difference.mean == pytest.approx(mean)
        assert found[f"loss {mean}"].difference.half_width == pytest.approx(9.925 * 0.1 / math.sqrt(3), abs=1e-3)
        assert found[f"loss {mean}"].distinguishable == (abs(mean) > 0.573)
    alone = compared(reference, loss=others["loss 0.5"])["loss"]
    assert alone.difference.half_width == pytest.approx(4.303 * 0.1 / math.sqrt(3), abs=1e-3)
    assert alone.distinguishable


def test_the_correction_is_over_every_loss_with_two_pairs_or_more_and_of_each_by_its_own_pairs():
    rng = np.random.default_rng(5)
    reference = dict(enumerate(rng.normal(size=5)))
    others = {f"{pairs} pairs": dict(enumerate(rng.normal(size=pairs))) for pairs in (5, 3, 2, 1)}
    others["without spread"] = {unit: score + 1 for unit, score in reference.items()}
    others["without a pair"] = {9: 1.0}
    found = compared(reference, **others)
    assert found.keys() == others.keys() - {"without a pair"}
    for pairs in (5, 3, 2):
        differences = [others[f"{pairs} pairs"][unit] - reference[unit] for unit in range(pairs)]
        mean = sum(differences) / pairs
        variance = sum((difference - mean) ** 2 for difference in differences) / (pairs - 1)
        quantile = stats.t.isf(0.05 / 4 / 2, pairs - 1)  # Four losses have two pairs, and an interval has two sides.
        assert found[f"{pairs} pairs"].difference.half_width == pytest.approx(quantile * math.sqrt(variance / pairs))


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
    assert found.difference.mean == pytest.approx(images / 10_000)
    assert math.isnan(found.difference.half_width)  # No point: nothing is known of the noise.
    assert not found.distinguishable


def test_runs_of_a_unit_are_paired_before_they_are_averaged():
    reference = {0: {0: 0.1, 1: 0.9}, 1: {0: 0.2, 1: 0.8}, 2: {0: 0.5}}
    alike = {0: {0: 0.1}, 1: {0: 0.2, 1: 0.8}, 2: {1: 0.7}}  # A run of 0 failed, and none of 2 is common.
    found = compare(reference, {"a": alike})["a"]
    assert found.difference.mean == 0
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
def test_the_intervals_of_ten_losses_hold_all_their_differences_at_once_in_95_percent_of_draws(runs):
    rng = np.random.default_rng(4)
    means = np.linspace(0, 1, 11)
    held = 0
    for _ in range(RUNS // 2):
        found = [c.difference for c in comparisons(seeds(rng, means, runs)).values()]
        held += all(abs(f.mean - mean) <= f.half_width for f, mean in zip(found, means[1:], strict=True))
    assert held / (RUNS // 2) >= 0.94  # Less than 1: the losses share softmax, and Bonferroni errs to the safe side.
    assert held < RUNS // 2


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
