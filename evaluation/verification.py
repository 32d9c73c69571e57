"""Are two images of the same class? Every pair of embeddings, judged by their distance."""

import dataclasses

import numpy as np

from .vectors import BLOCK, block_rows, squared_distances

FARS = {"1e-2": 1e-2, "1e-3": 1e-3}
KEPT = 50_000_000  # Distances of either kind: all those of 10,000 items.


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The distances of all pairs of items, each pair once, in ascending order.

    A pair is accepted as being of one class if its distance is below a threshold. FAR, the
    false accept rate, is the share of the pairs of different classes that are; TAR, the true
    accept rate, that of the pairs of the same class.

    Of very many pairs, each distance that is kept stands for as many as `same_pairs_each` or `different_pairs_each`.
    """

    same: np.ndarray
    different: np.ndarray
    same_pairs_each: int = 1
    different_pairs_each: int = 1

    def rates(self, threshold):
        """FAR and TAR where distances below `threshold` are accepted."""
        # In the arrays' own type, or NumPy would copy all of them to float64.
        return tuple(
            float(np.searchsorted(distances, distances.dtype.type(threshold)) / len(distances))
            for distances in (self.different, self.same)
        )

    def threshold_at(self, far):
        """The largest threshold whose FAR is at most `far`, in `[0, 1]`."""
        allowed = int(far * len(self.different))
        return float(self.different[allowed]) if allowed < len(self.different) else np.inf

    def roc(self, fars):
        """TAR `(k,)` at the largest threshold whose FAR is at most each of `fars`."""
        return np.array([self.rates(self.threshold_at(far))[1] for far in fars])

    def auroc(self):
        """Area under the ROC curve: how often a pair of the same class is nearer than one of different classes."""
        below, up_to = (
            sum(int(np.searchsorted(self.different, part, side).sum()) for part in _parts(self.same)) / len(self.same)
            for side in ("left", "right")
        )
        return float(1 - (below + up_to) / 2 / len(self.different))

    def equal_error(self):
        """The rate at which false accepts and false rejects are equally frequent, and its threshold.

        Between two neighbouring points of the ROC curve the rates are interpolated.
        """
        low, high = 0, len(self.different) - 1
        while low < high:  # The first distance at which accepting it makes FAR at least 1 - TAR.
            middle = (low + high) // 2
            far, tar = self._accepting(self.different[middle])
            low, high = (low, middle) if far >= 1 - tar else (middle + 1, high)
        threshold = self.different[low]
        (far_below, tar_below), (far, tar) = self.rates(threshold), self._accepting(threshold)
        if far_below >= 1 - tar_below:  # Crossed while only pairs of the same class were added.
            return far_below, float(threshold)
        step = (1 - tar_below - far_below) / (far - far_below + tar - tar_below)
        return far_below + step * (far - far_below), float(threshold)

    def _accepting(self, distance):
        """FAR and TAR where distances up to and including this one are accepted."""
        return self.rates(np.nextafter(distance, distance.dtype.type(np.inf)))

    def d_prime(self):
        """Difference of the two mean distances in units of their pooled standard deviation; 0 if both are constant."""
        (same, same_variance), (different, different_variance) = map(_moments, (self.same, self.different))
        spread = np.sqrt((same_variance + different_variance) / 2)
        return float((different - same) / spread) if spread > 0 else 0.0

    def histograms(self, bins):
        """Counts `(k,)` of the pairs of the same and of different classes, between the edges `bins` `(k + 1,)`.

        Distances beyond the last edge count in the last bin.
        """
        counts = []
        for distances, each in ((self.same, self.same_pairs_each), (self.different, self.different_pairs_each)):
            below = np.searchsorted(distances, bins[1:-1].astype(distances.dtype))
            counts.append(np.diff(below, prepend=0, append=len(distances)) * each)
        return tuple(counts)


def all_pairs(embeddings, labels):
    """The `Pairs` of all items: 50 million for 10,000, in 0.2 GB.

    Of more than `KEPT` of a kind every second, third, ... distance is kept, in ascending order, block of rows by block:
    at 60,000 items FAR and TAR at a threshold are off by at most 1e-5.

    Args:
        embeddings: `(n, d)`; distances are Euclidean.
        labels: Integers `(n,)`.

    Raises:
        ValueError: If there is no pair of the same class, or none of different classes.
    """
    n = len(labels)
    num_same = sum(count * (count - 1) // 2 for count in np.bincount(labels).tolist())
    num_different = n * (n - 1) // 2 - num_same
    if not (num_same and num_different):
        raise ValueError(
            f"{num_same:,} pairs of the same class and {num_different:,} of different classes: both are needed"
        )
    starts = range(0, n, size := min(BLOCK, block_rows(n)))
    each = [-(-num // KEPT) for num in (num_same, num_different)]
    dtype = embeddings[:1].mean(axis=0).dtype  # Distances between whole numbers are not whole.
    kept = [np.empty(num // k + len(starts), dtype) for num, k in zip((num_same, num_different), each, strict=True)]
    filled = [0, 0]
    for start in starts:
        rows = np.arange(start, min(start + size, n))
        distances = np.sqrt(squared_distances(embeddings[rows], embeddings[start:]))
        later = np.arange(start, n)[None, :] > rows[:, None]  # Each pair once.
        alike = labels[rows][:, None] == labels[None, start:]
        for kind, chosen in enumerate((alike, ~alike)):
            found = distances[chosen & later]
            if each[kind] > 1:
                found = np.sort(found)[each[kind] // 2 :: each[kind]]
            kept[kind][filled[kind] : filled[kind] + len(found)] = found
            filled[kind] += len(found)
    same, different = (distances[:count] for distances, count in zip(kept, filled, strict=True))
    same.sort()
    different.sort()
    return Pairs(same, different, *each)


def _parts(values):
    """The values in parts: what is made of them one after another takes little memory."""
    return np.array_split(values, 1 + len(values) // 1_000_000)


def _moments(values):
    """Mean and variance in float64, without a copy of all values."""
    mean = values.mean(dtype=np.float64)
    return mean, sum(((part - mean) ** 2).sum() for part in _parts(values)) / len(values)


def verification(pairs):
    """Headline scores of `Pairs`.

    Returns:
        Dict of floats: `eer`, the equal error rate; `tar_at_far_1e-2`, `tar_at_far_1e-3`; `pair_auroc`; all fractions
        in `[0, 1]`; and `d_prime`.
    """
    return {
        "eer": pairs.equal_error()[0],
        **{f"tar_at_far_{name}": float(pairs.roc([far])[0]) for name, far in FARS.items()},
        "pair_auroc": pairs.auroc(),
        "d_prime": pairs.d_prime(),
    }


def thresholds(validation, test):
    """Thresholds chosen on validation pairs, and what they do on test pairs.

    Args:
        validation: `Pairs` that the thresholds are chosen on.
        test: `Pairs` that they are tried on.

    Returns:
        Dict from the aim, `equal_error`, `far_1e-2` or `far_1e-3`, to a dict of `distance` (pairs nearer than
        it are accepted), `test_far` and `test_tar`.
    """
    chosen = {"equal_error": validation.equal_error()[1]}
    chosen |= {f"far_{name}": validation.threshold_at(far) for name, far in FARS.items()}
    table = {}
    for aim, distance in chosen.items():
        far, tar = test.rates(distance)
        table[aim] = {"distance": distance, "test_far": far, "test_tar": tar}
    return table
