"""Retrieval where some items ask and others are found, as in re-identification."""

import numpy as np

from .retrieval import sortable
from .vectors import row_blocks, squared_distances


def query_gallery(embeddings, labels, queries, cameras=None):
    """Recall@1, R-precision, MAP@R and mean average precision of queries among a gallery.

    A query does not see the gallery's items that are of its class and from its camera: they would be too easy. With R
    the number of the others of its class, recall@1, R-precision and MAP@R are as in `retrieval`; average precision is
    `1 / R * sum_i precision(i) * [item i is of the class]` over the whole ranking. Means over the queries with R > 0.

    Args:
        embeddings: `(n, d)`; distances are Euclidean.
        labels: Integers `(n,)`.
        queries: Booleans `(n,)`: which ask; the others are the gallery.
        cameras: Integers `(n,)`, or None: then the gallery's items are all seen.

    Returns:
        Dict of floats in `[0, 1]`: `recall_at_1`, `r_precision`, `map_at_r`, `mean_average_precision`. NaN if no query
        has an item to find.

    Raises:
        ValueError: If a distance is no finite number.

    Reference:
        Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015 (the protocol of Market-1501).
    """
    asking, gallery = np.flatnonzero(queries), np.flatnonzero(~queries)
    scores = [np.empty((0, 4))]
    for rows in row_blocks(len(asking), len(gallery)) if len(gallery) else ():
        block = asking[rows]
        alike = labels[block][:, None] == labels[gallery]
        hidden = np.zeros_like(alike) if cameras is None else alike & (cameras[block][:, None] == cameras[gallery])
        bits = sortable(squared_distances(embeddings[block], embeddings[gallery]), alike)
        bits[hidden] = np.iinfo(bits.dtype).max - 1  # Behind all others, not of the class: as if they were not there.
        scores.append(_scores(np.sort(bits, axis=1) & 1))
    found = np.concatenate(scores)
    means = found.mean(axis=0) if len(found) else np.full(4, np.nan)
    names = "recall_at_1", "r_precision", "map_at_r", "mean_average_precision"
    return dict(zip(names, map(float, means), strict=True))


def _scores(hits):
    """The four scores `(k, 4)` of rankings `(m, n)`, of those that have a hit."""
    hits = hits[hits.any(axis=1)]
    relevant = hits.sum(axis=1)
    ranks = np.arange(1, hits.shape[1] + 1)
    precision = np.cumsum(hits, axis=1) / ranks * hits
    within = ranks <= relevant[:, None]
    return np.stack(
        [
            hits[:, 0],
            (hits & within).sum(axis=1) / relevant,
            (precision * within).sum(axis=1) / relevant,
            precision.sum(axis=1) / relevant,
        ],
        axis=1,
    )
