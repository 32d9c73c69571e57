"""Retrieval: every item asks for the others of its class."""

import numpy as np

from .vectors import BLOCK, block_rows, squared_distances


def retrieval(embeddings, labels):
    """Recall@1, R-precision and MAP@R of each item as a query among all the others.

    With R the number of other items of the query's class: R-precision is the fraction of them
    among its R nearest items, MAP@R is `1 / R * sum_{i <= R} precision(i) * [item i is of the
    class]`. Means over the queries; items alone in their class are not queried. Of items whose
    distances come out equal, but for the last bit, those of other classes come first.

    Returns:
        Dict of floats in `[0, 1]`: `recall_at_1`, `r_precision`, `map_at_r`. NaN if no class has two items.

    Raises:
        ValueError: If a distance is no finite number.

    Reference:
        Musgrave et al., A Metric Learning Reality Check, ECCV 2020.
    """
    relevant = np.bincount(labels)[labels] - 1  # R of each query
    scores = [
        _retrieve(embeddings, labels, rows, relevant[rows])
        for rows in np.array_split(np.flatnonzero(relevant > 0), max(1, len(labels) // _block(labels)))
        if len(rows)
    ]
    means = np.concatenate(scores).mean(axis=0) if scores else np.full(3, np.nan)
    return dict(zip(("recall_at_1", "r_precision", "map_at_r"), map(float, means), strict=True))


def sortable(distances, alike):
    """Distances, none below 0, as integers in the same order, of which the last bit says whether it is of the class.

    Numbers are sorted several times as fast as what stands for others. Of equal distances those of other classes come
    first. The integers take the place of the distances.
    """
    if not np.isfinite(distances.max(initial=0)):
        raise ValueError("embeddings are no finite numbers, or so large that their distances are none")
    bits = distances.view(f"i{distances.itemsize}")
    bits &= ~1
    bits |= alike
    return bits


def neighbors(embeddings, queries, count):
    """Numbers `(len(queries), count)` of the items nearest to some items, in order, themselves left out.

    Of fewer others, all of them.
    """
    distances = squared_distances(embeddings[queries], embeddings)
    distances[np.arange(len(queries)), queries] = np.inf  # An item does not find itself.
    return _smallest(distances, min(count, len(embeddings) - 1))


def contested(embeddings, labels, count, classes):
    """One item of each of some classes, in their order: the first with about half of its nearest of its class.

    Args:
        embeddings: `(n, d)`.
        labels: Integers `(n,)`.
        count: Number of neighbours that are looked at, of a class with fewer others as many as it has.
        classes: Numbers of the classes, ascending; those without an item have none.
    """
    items = np.flatnonzero(np.isin(labels, classes))
    looked_at = np.minimum(count, np.bincount(labels)[labels] - 1)
    hits = np.zeros(len(labels), int)
    for rows in np.array_split(items, 1 + len(items) // _block(labels)):
        alike = labels[neighbors(embeddings, rows, count)] == labels[rows, None]
        hits[rows] = (alike & (np.arange(alike.shape[1]) < looked_at[rows, None])).sum(axis=1)
    far_from_half = abs(hits - looked_at / 2)
    members = (items[labels[items] == label] for label in np.unique(labels[items]))
    return np.array([of_class[far_from_half[of_class].argmin()] for of_class in members], int)


def _block(labels):
    """About how many queries are answered at a time."""
    return min(BLOCK, block_rows(len(labels)))


def _retrieve(embeddings, labels, rows, relevant):
    """Recall@1, R-precision and MAP@R of some queries, `(len(rows), 3)`."""
    bits = sortable(squared_distances(embeddings[rows], embeddings), labels[rows][:, None] == labels)
    bits[np.arange(len(rows)), rows] = np.iinfo(bits.dtype).max  # An item does not find itself.
    bits.partition(relevant.max() - 1, axis=1)
    hits = np.sort(bits[:, : relevant.max()], axis=1) & 1  # (rows, largest R)
    ranks = np.arange(1, hits.shape[1] + 1)
    within = ranks <= relevant[:, None]
    precision = np.cumsum(hits, axis=1) / ranks
    first = hits[:, 0]
    r_precision = (hits & within).sum(axis=1) / relevant
    map_at_r = (precision * (hits & within)).sum(axis=1) / relevant
    return np.stack([first, r_precision, map_at_r], axis=1)


def _smallest(values, count):
    """Column numbers of the `count` smallest values of each row, in order."""
    chosen = np.argpartition(values, count, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(values, chosen, axis=1), axis=1)
    return np.take_along_axis(chosen, order, axis=1)
