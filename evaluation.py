"""Numbers from embeddings and labels. Pure functions of arrays; pairs are compared in blocks of rows."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

BLOCK = 500  # About so many rows of a distance matrix are held at a time: against 10,000 columns 20 MB.


def evaluate(train_embeddings, train_labels, test_embeddings, test_labels, logits=None):
    """The closed-set scores of one run; everything but the head on L2-normalised embeddings.

    Args:
        train_embeddings: `(m, d)`: the class means and the gallery of the 5-NN classifier.
        train_labels: Integers `(m,)`; every class occurs.
        test_embeddings: `(n, d)`.
        test_labels: Integers `(n,)`.
        logits: Scores `(n, C)` of the loss's own classifier, if it has one.

    Returns:
        Dict of floats; accuracies and retrieval scores are fractions in `[0, 1]`,
        `head_accuracy` is None without `logits`.
    """
    train, test = l2_normalize(train_embeddings), l2_normalize(test_embeddings)
    means = class_means(train, train_labels)
    return {
        "head_accuracy": None if logits is None else float((np.argmax(logits, axis=1) == test_labels).mean()),
        "center_accuracy": float((nearest_mean(test, means) == test_labels).mean()),
        "knn_accuracy": knn_accuracy(train, train_labels, test, test_labels),
        **retrieval(test, test_labels),
        **class_distances(test, test_labels, means),
    }


def l2_normalize(embeddings):
    """Each row divided by its length; rows of length 0 stay 0."""
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return embeddings / np.where(lengths > 0, lengths, 1)


def class_means(embeddings, labels):
    """Mean embedding of each class, `(C, d)`, for labels `0 ... C - 1`."""
    return np.stack([embeddings[labels == label].mean(axis=0) for label in range(labels.max() + 1)])


def nearest_mean(embeddings, means):
    """Class number `(n,)` of the nearest class mean by Euclidean distance."""
    return np.argmin(squared_distances(embeddings, means), axis=1)


def squared_distances(a, b):
    """Squared Euclidean distances `(n, m)` between the rows of two arrays."""
    # Around their mean the rows are small, and so is the rounding of the expanded square.
    center = b.mean(axis=0)
    a, b = a - center, b - center
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.maximum(squared, 0)


def knn_accuracy(train_embeddings, train_labels, test_embeddings, test_labels, neighbors=5):
    """Accuracy of a majority vote among the nearest training embeddings."""
    classifier = KNeighborsClassifier(neighbors, algorithm="brute").fit(train_embeddings, train_labels)
    return float((classifier.predict(test_embeddings) == test_labels).mean())


def retrieval(embeddings, labels):
    """Recall@1, R-precision and MAP@R of each item as a query among all the others.

    With R the number of other items of the query's class: R-precision is the fraction of them
    among its R nearest items, MAP@R is `1 / R * sum_{i <= R} precision(i) * [item i is of the
    class]`. Means over the queries; items alone in their class are not queried. Ties are
    broken in a way that depends on nothing but the arrays.

    Returns:
        Dict of floats in `[0, 1]`: `recall_at_1`, `r_precision`, `map_at_r`. NaN if no class has two items.

    Reference:
        Musgrave et al., A Metric Learning Reality Check, ECCV 2020.
    """
    relevant = np.bincount(labels)[labels] - 1  # R of each query
    scores = [
        _retrieve(embeddings, labels, rows, relevant[rows])
        for rows in np.array_split(np.flatnonzero(relevant > 0), max(1, len(labels) // BLOCK))
        if len(rows)
    ]
    means = np.concatenate(scores).mean(axis=0) if scores else np.full(3, np.nan)
    return dict(zip(("recall_at_1", "r_precision", "map_at_r"), map(float, means), strict=True))


def _retrieve(embeddings, labels, rows, relevant):
    """Recall@1, R-precision and MAP@R of some queries, `(len(rows), 3)`."""
    distances = squared_distances(embeddings[rows], embeddings)
    distances[np.arange(len(rows)), rows] = np.inf  # An item does not find itself.
    nearest = _smallest(distances, relevant.max())
    hits = labels[nearest] == labels[rows][:, None]  # (rows, largest R)
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


def pair_distances(embeddings, labels, bins):
    """Histograms of the distances between all pairs of items of the same and of different classes.

    Args:
        embeddings: `(n, d)`.
        labels: Integers `(n,)`.
        bins: Increasing bin edges `(k + 1,)`; distances beyond the last edge count in the last bin.

    Returns:
        Counts of same-class and of different-class pairs, two arrays `(k,)`.
    """
    same, different = np.zeros(len(bins) - 1, np.int64), np.zeros(len(bins) - 1, np.int64)
    for start in range(0, len(labels), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(labels)))
        distances = np.sqrt(squared_distances(embeddings[rows], embeddings)).clip(max=bins[-1])
        alike = labels[rows][:, None] == labels[None, :]
        later = np.arange(len(labels))[None, :] > rows[:, None]  # Each pair once.
        same += np.histogram(distances[alike & later], bins)[0]
        different += np.histogram(distances[~alike & later], bins)[0]
    return same, different


def neighbor_preservation(points, coordinates, neighbors=10):
    """Fraction of the nearest neighbours of each point that are still among its nearest in a picture."""
    before, after = (
        NearestNeighbors(n_neighbors=neighbors).fit(array).kneighbors(return_distance=False)
        for array in (points, coordinates)
    )
    kept = sum(len(np.intersect1d(a, b)) for a, b in zip(before, after, strict=True))
    return kept / before.size
