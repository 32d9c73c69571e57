"""The shape of an embedding: how compact its classes are, how far apart, how many directions it uses."""

import numpy as np
import sklearn
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from .vectors import l2_normalize

NEIGHBORS = 10  # Of each point that are looked for in a picture.


def class_distances(embeddings, labels, means):
    """How compact the classes are and how far apart.

    Returns:
        Dict of floats, in units of the embedding: `intra_distance`, the mean distance of an
        embedding to the mean of its class; `inter_distance`, the mean distance between two
        class means; `distance_ratio`, the first over the second.
    """
    intra = np.linalg.norm(embeddings - means[labels], axis=1).mean()
    first, second = np.triu_indices(len(means), k=1)
    inter = np.linalg.norm(means[first] - means[second], axis=1).mean()
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
    with sklearn.config_context(working_memory=64):  # MB of distances at a time.
        silhouette = silhouette_score(normalized, labels)
    angles = class_angles(means)
    return {
        "norm_mean": float(lengths.mean()),
        "norm_deviation": float(lengths.std()),
        "silhouette": float(silhouette),
        "effective_rank": effective_rank(spectrum(normalized)),
        "mean_angle": float(angles.mean()),
        "smallest_angle": float(angles.min()),
    }


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
    """Angles between every two class means, in degrees, `(C (C - 1) / 2,)`."""
    directions = l2_normalize(means)
    first, second = np.triu_indices(len(means), k=1)
    # The chord keeps the digits of a small angle, which its cosine loses.
    chords = np.linalg.norm(directions[first] - directions[second], axis=1)
    return np.degrees(2 * np.arcsin(np.clip(chords / 2, 0, 1)))


def neighbor_preservation(points, coordinates, neighbors=NEIGHBORS):
    """Fraction of the nearest neighbours of each point that are still among its nearest in a picture."""
    before, after = (
        NearestNeighbors(n_neighbors=neighbors).fit(array).kneighbors(return_distance=False)
        for array in (points, coordinates)
    )
    kept = sum(len(np.intersect1d(a, b)) for a, b in zip(before, after, strict=True))
    return kept / before.size
