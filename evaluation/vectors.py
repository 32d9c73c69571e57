"""Arithmetic on rows of vectors that every score shares."""

import numpy as np

BLOCK = 500  # At most about so many rows of a distance matrix are held at a time, where all are looked at,
VALUES = 5_000_000  # and about so many of its values: 20 MB.


def have_lengths(embeddings):
    """Whether the length of every row is a finite number: the squares of large ones overflow."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.linalg.norm(embeddings, axis=1)).all())


def l2_normalize(embeddings):
    """Each row divided by its length; rows of length 0 stay 0."""
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return embeddings / np.where(lengths > 0, lengths, 1)


def block_rows(columns):
    """How many rows of a distance matrix of so many columns are held at a time."""
    return max(1, VALUES // columns)


def row_blocks(rows, columns):
    """Slices of the rows of a distance matrix, as many at a time as may be held: all of them, of few columns."""
    size = block_rows(columns)
    return [slice(start, start + size) for start in range(0, rows, size)]


def members(labels):
    """List of the ascending numbers of the items of each class `0 ... C - 1`."""
    return np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])


def class_means(embeddings, labels):
    """Mean embedding of each class, `(C, d)`, for labels `0 ... C - 1`, each of which occurs."""
    return np.stack([embeddings[items].mean(axis=0) for items in members(labels)])


def squared_distances(a, b):
    """Squared Euclidean distances `(n, m)` between the rows of two arrays."""
    # Around their mean the rows are small, and so is the rounding of the expanded square.
    center = b.mean(axis=0)
    a, b = a - center, b - center
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :]
    squared -= 2 * a @ b.T
    return np.maximum(squared, 0, out=squared)


def nearest(a, b, count):
    """Numbers and distances, each `(n, count)`, of those of `m >= count` rows of `b` nearest to each row of `a`."""
    numbers, distances = [], []
    for rows in row_blocks(len(a), len(b)):
        squared = squared_distances(a[rows], b)
        found = np.argpartition(squared, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(squared, found, axis=1), axis=1)
        numbers.append(np.take_along_axis(found, order, axis=1))
        distances.append(np.sqrt(np.take_along_axis(squared, numbers[-1], axis=1)))
    return np.concatenate(numbers), np.concatenate(distances)
