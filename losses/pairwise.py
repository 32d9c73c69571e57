"""Distances, cosines and masks between the samples of a batch, in O(batch^2) memory."""

from keras import ops

from .numerics import l2_normalize


def squared_distances(embeddings):
    """Squared Euclidean distances between all pairs of rows, `(batch, batch)`, exactly 0 on the diagonal."""
    # Distances do not depend on the origin, but the rounding of the expanded square does:
    # its error is proportional to the squared norms, which centering makes small.
    centered = embeddings - ops.stop_gradient(ops.mean(embeddings, axis=0, keepdims=True))
    squared_norms = ops.sum(ops.square(centered), axis=-1)  # (batch,)
    products = ops.matmul(centered, ops.transpose(centered))  # (batch, batch)
    squared = squared_norms[:, None] + squared_norms[None, :] - 2 * products
    together = ops.logical_or(squared <= 0, _identity(embeddings))
    return ops.where(together, ops.zeros_like(squared), squared)


def pair_cosines(embeddings):
    """Cosines between all pairs of rows, `(batch, batch)`; 0 for a zero row."""
    normalized = l2_normalize(embeddings)
    return ops.matmul(normalized, ops.transpose(normalized))


def pair_masks(labels):
    """Returns boolean `(batch, batch)` masks of the positive pairs `i != j` and of the negative pairs."""
    same = labels[:, None] == labels[None, :]
    return ops.logical_and(same, ops.logical_not(_identity(labels))), ops.logical_not(same)


def anchors_with_both(positives, negatives):
    """Boolean `(batch,)`: which samples have a positive and a negative in the batch."""
    return ops.logical_and(ops.any(positives, axis=-1), ops.any(negatives, axis=-1))


def _identity(rows):
    """Boolean `(batch, batch)` identity, with the batch size of `rows`."""
    index = ops.arange(ops.shape(rows)[0])
    return index[:, None] == index[None, :]
