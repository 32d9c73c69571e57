"""The shape of an embedding: how compact its classes are, how far apart, how many directions it uses."""

import itertools

import numpy as np
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from .vectors import l2_normalize, row_blocks, squared_distances

NEIGHBORS = 10  # Of each point that are looked for in a picture.
DIRECT = 1000  # Class means up to which each distance is that of a difference.
SIDE = 500  # Items of small classes that the silhouette compares with as many others at a time.
MEANS = 10_000  # Of more class means, the distances and angles between a seeded choice of so many are looked at.


def class_distances(embeddings, labels, means):
    """How compact the classes are and how far apart.

    Returns:
        Dict of floats, in units of the embedding: `intra_distance`, the mean distance of an
        embedding to the mean of its class; `inter_distance`, the mean distance between two
        class means; `distance_ratio`, the first over the second.
    """
    intra = np.linalg.norm(embeddings - means[labels], axis=1).mean()
    inter = np.concatenate(list(_distances_to_later(_some(means)))).mean()
    ratio = intra / inter if inter > 0 else np.nan
    return {"intra_distance": float(intra), "inter_distance": float(inter), "distance_ratio": float(ratio)}


def geometry(embeddings, labels, means):
    """How the embeddings lie.

    Args:
        embeddings: `(n, d)`, of any length.
        labels: Integers `(n,)`; at least two classes occur.
        means: `(C, d)`, of L2-normalised embeddings.

    Returns:
        Dict of floats. `norm_mean` and `norm_deviation`: mean and standard deviation of an embedding's length.
        On L2-normalised embeddings: `silhouette` in `[-1, 1]`; `effective_rank` in `[1, d]`; `mean_angle` and
        `smallest_angle` between two class means, seen from the origin, in degrees.
    """
    lengths = np.linalg.norm(embeddings, axis=1)
    normalized = l2_normalize(embeddings)
    angles = class_angles(means)
    return {
        "norm_mean": float(lengths.mean()),
        "norm_deviation": float(lengths.std()),
        "silhouette": silhouette(normalized, labels),
        "effective_rank": effective_rank(spectrum(normalized)),
        "mean_angle": float(angles.mean()),
        "smallest_angle": float(angles.min()),
    }


@threadpool_limits.wrap(limits=1, user_api="blas")  # Threads of products as small as these wait more than they work.
def silhouette(embeddings, labels):
    """How much nearer, on average, an item is to its own class than to the nearest other one, in `[-1, 1]`.

    With `a` the mean distance of an item to the others of its class, and `b` the least mean distance to another class,
    it is the mean of `(b - a) / max(a, b)`; an item alone in its class counts 0.

    Args:
        embeddings: `(n, d)`; distances are Euclidean.
        labels: Integers `(n,)`; at least two classes occur.

    Reference:
        Rousseeuw, Silhouettes, Journal of Computational and Applied Mathematics 1987.
    """
    _, labels, counts = np.unique(labels, return_inverse=True, return_counts=True)
    order = np.argsort(labels, kind="stable")
    # In float64: squares of small distances would be lost in those of the lengths.
    points, labels = embeddings[order].astype(np.float64), labels[order]
    within, nearest = np.empty(len(labels)), np.full(len(labels), np.inf)
    for first, second in itertools.combinations_with_replacement(_whole_classes(counts), 2):
        sums = _summed_distances(points, labels, first, second)
        if first == second:
            own = _one_hot(labels[first]) > 0
            within[first], sums[0][own] = sums[0][own], np.inf
            sums = sums[:1]
        for items, others, found in zip((first, second), (second, first), sums, strict=False):
            means = found / counts[labels[others.start] : labels[others.stop - 1] + 1]
            nearest[items] = np.minimum(nearest[items], means.min(axis=1))
    others = counts[labels] - 1
    within /= np.maximum(others, 1)
    larger = np.maximum(within, nearest)
    values = np.where((others > 0) & (larger > 0), (nearest - within) / np.where(larger > 0, larger, 1), 0)
    return float(values.mean())


def _whole_classes(counts):
    """Slices of items that are sorted by class: of one class each, or of several with at most `SIDE` items."""
    edges, ends = [0], np.cumsum(counts).tolist()
    for end, following in itertools.pairwise(ends):
        if following - edges[-1] > SIDE:
            edges.append(end)
    return [slice(*edge) for edge in itertools.pairwise([*edges, ends[-1]])]


def _summed_distances(points, labels, first, second):
    """Sums of the distances of the items of two slices to each class of the other: `(n, D)` and `(m, C)`."""
    there, back, one_hot = [], 0, _one_hot(labels[first])
    for rows in row_blocks(len(one_hot), second.stop - second.start):
        distances = squared_distances(points[first][rows], points[second])
        np.sqrt(distances, out=distances)
        if first == second:
            np.fill_diagonal(distances[:, rows.start :], 0)  # Rounding leaves an item away from itself.
        there.append(distances @ _one_hot(labels[second]))
        back += distances.T @ one_hot[rows]
    return np.concatenate(there), back


def _one_hot(labels):
    """The classes of items sorted by class, `(n, C)`."""
    return (labels[:, None] == np.arange(labels[0], labels[-1] + 1)).astype(np.float64)


def spectrum(embeddings):
    """Singular values `(min(n, d),)` of the embeddings around their mean, in descending order, summing to 1.

    All 0 if the embeddings are equal.
    """
    values = np.linalg.svd(embeddings - embeddings.mean(axis=0), compute_uv=False)
    return values / max(values.sum(), np.finfo(values.dtype).tiny)


def effective_rank(values):
    """The exponential of the entropy of a `spectrum`: how many directions the embeddings use. 1 if it is all 0.

    Reference:
        Roy and Vetterli, The effective rank, EUSIPCO 2007.
    """
    positive = values[values > 0]
    return float(np.exp(-(positive * np.log(positive)).sum()))


def class_angles(means):
    """Angles between every two class means, of at most 10,000, in degrees, `(C (C - 1) / 2,)`."""
    # The chord keeps the digits of a small angle, which its cosine loses.
    chords = _distances_to_later(l2_normalize(_some(means)))
    return np.concatenate([np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1))) for chord in chords])


def _some(means):
    """Class means, or of very many a seeded choice."""
    if len(means) <= MEANS:
        return means
    return means[np.random.default_rng(0).choice(len(means), MEANS, replace=False)]


def _distances_to_later(points):
    """Yields the distances of each point to those after it, as all of their differences at once are many.

    Of many points they come from products in float64: several times as fast, and right to seven digits.
    """
    if len(points) <= DIRECT:
        yield from (np.linalg.norm(points[i] - points[i + 1 :], axis=1) for i in range(len(points) - 1))
        return
    exact = points.astype(np.float64)
    for rows in row_blocks(len(points) - 1, len(points)):
        distances = np.sqrt(squared_distances(exact[rows], exact)).astype(points.dtype)
        for number, row in enumerate(distances[: len(points) - 1 - rows.start], rows.start):
            yield row[number + 1 :].copy()


def neighbor_preservation(points, coordinates, neighbors=NEIGHBORS):
    """Fraction of the nearest neighbours of each point that are still among its nearest in a picture."""
    before, after = (
        NearestNeighbors(n_neighbors=neighbors).fit(array).kneighbors(return_distance=False)
        for array in (points, coordinates)
    )
    kept = sum(len(np.intersect1d(a, b)) for a, b in zip(before, after, strict=True))
    return kept / before.size
