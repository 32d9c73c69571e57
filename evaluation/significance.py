"""Is a difference between two losses more than chance? Means, intervals and tests over paired runs."""

import dataclasses

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and the half-width of its 95 % confidence interval, which is NaN where one number alone is known."""

    mean: float
    half_width: float


def interval(values):
    """The `Interval` of the mean of independent numbers `(n,)`, by Student's t distribution."""
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return Interval(float(values.mean()), np.nan)
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    return Interval(float(values.mean()), float(quantile * values.std(ddof=1) / np.sqrt(len(values))))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One loss against a reference on the runs that both have.

    Args:
        difference: `Interval` of the paired differences.
        p: Two-sided p-value of the paired t-test, after Holm's correction over all losses compared; NaN where
            there are fewer than two pairs.
        pairs: Number of units that both have.
    """

    difference: Interval
    p: float
    pairs: int

    @property
    def distinguishable(self):
        """Whether the difference is more than chance explains at the 5 % level."""
        return bool(self.p <= 1 - CONFIDENCE)


def compare(reference, others):
    """Compares some losses with a reference, run by run: the runs of a pair share weights, batches and split.

    Args:
        reference: Dict from a unit, such as a seed, to a dict from a run of that unit to its score.
        others: Dict from a loss to such a dict. Runs that the reference lacks are not compared; the differences of
            a unit count as one, by their mean.

    Returns:
        Dict from a loss to its `Comparison`; losses without a pair are left out. The chance that any of
        them is called distinguishable where none is, is at most 5 % in all.

    Reference:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    differences = {loss: _differences(reference, scores) for loss, scores in others.items()}
    differences = {loss: values for loss, values in differences.items() if len(values)}
    corrected = dict(zip(differences, holm([_p_value(values) for values in differences.values()]), strict=True))
    return {loss: Comparison(interval(values), corrected[loss], len(values)) for loss, values in differences.items()}


def _differences(reference, scores):
    """The mean difference of each unit that both have a common run of."""
    means = []
    for unit in sorted(scores.keys() & reference.keys()):
        runs = sorted(scores[unit].keys() & reference[unit].keys())
        if runs:
            means.append(np.mean([scores[unit][run] - reference[unit][run] for run in runs]))
    return np.array(means)


def _p_value(differences):
    if len(differences) < 2:
        return np.nan
    # As with a few runs one image apart each: but for rounding they are equal, and nothing is known of the noise.
    if np.ptp(differences) <= 1e-9:
        return 1.0
    return float(stats.ttest_1samp(differences, 0).pvalue)


def holm(p_values):
    """Holm's step-down correction: p-values `(k,)` that may be held against one level together; NaN stays NaN."""
    p_values = np.asarray(p_values, np.float64)
    order = np.argsort(p_values)  # NaN last.
    tested = np.count_nonzero(~np.isnan(p_values))
    corrected = np.full(len(p_values), np.nan)
    largest = 0.0
    for rank, index in enumerate(order[:tested]):
        largest = max(largest, min(1.0, (tested - rank) * p_values[index]))
        corrected[index] = largest
    return corrected.tolist()
