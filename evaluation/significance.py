"""Is a difference between two losses more than chance? Means and intervals over paired runs."""

import dataclasses

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and the half-width of its confidence interval, which is NaN where nothing is known of the noise."""

    mean: float
    half_width: float


def interval(values, confidence=CONFIDENCE):
    """The `Interval` of the mean of independent numbers `(n,)`, by Student's t distribution."""
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return Interval(float(values.mean()), np.nan)
    quantile = stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    return Interval(float(values.mean()), float(quantile * values.std(ddof=1) / np.sqrt(len(values))))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One loss against a reference on the runs that both have.

    Args:
        difference: `Interval` of the paired differences, which holds together with those of all losses compared.
        pairs: Number of units that both have.
    """

    difference: Interval
    pairs: int

    @property
    def distinguishable(self):
        """Whether the interval does not contain zero: the difference is more than chance explains."""
        return bool(abs(self.difference.mean) > self.difference.half_width)


def compare(reference, others):
    """Compares some losses with a reference, run by run: the runs of a pair share weights, batches and split.

    Args:
        reference: Dict from a unit, such as a seed, to a dict from a run of that unit to its score.
        others: Dict from a loss to such a dict. Runs that the reference lacks are not compared; the differences of
            a unit count as one, by their mean.

    Returns:
        Dict from a loss to its `Comparison`; losses without a pair are left out. All intervals together hold the
        true differences with 95 %, by Bonferroni's correction over the losses with two pairs or more: the chance
        that any loss is called distinguishable where none is, is at most 5 % in all.
    """
    differences = {loss: _differences(reference, scores) for loss, scores in others.items()}
    tested = sum(len(values) >= 2 for values in differences.values())
    confidence = 1 - (1 - CONFIDENCE) / max(1, tested)
    return {
        loss: Comparison(_of_differences(values, confidence), len(values))
        for loss, values in differences.items()
        if len(values)
    }


def _differences(reference, scores):
    """The mean difference of each unit that both have a common run of."""
    means = []
    for unit in sorted(scores.keys() & reference.keys()):
        runs = sorted(scores[unit].keys() & reference[unit].keys())
        if runs:
            means.append(np.mean([scores[unit][run] - reference[unit][run] for run in runs]))
    return np.array(means)


def _of_differences(values, confidence):
    found = interval(values, confidence)
    # As with a few runs one image apart each: but for rounding they are equal, and nothing is known of the noise.
    return dataclasses.replace(found, half_width=np.nan) if np.ptp(values) <= 1e-9 else found
