"""Distances and masks between the samples of a batch, in O(batch^2) memory.

Every function has finite values and gradients for equal and for zero embeddings.
"""

from keras import ops


def l2_normalize(embeddings, epsilon=1e-12):
    """Divides each row by its length; a row of squared length up to `epsilon` becomes 0.

    Such a row gets gradient 0 as well: its direction is undefined.
    """
    squared = ops.sum(ops.square(embeddings), axis=-1, keepdims=True)  # (batch, 1)
    usable = squared > epsilon
    # The inner `where` keeps the gradient of the branch not taken finite.
    scale = ops.rsqrt(ops.where(usable, squared, ops.ones_like(squared)))
    return embeddings * ops.where(usable, scale, ops.zeros_like(scale))


def squared_distances(embeddings):
    """Squared Euclidean distances between all pairs of rows, `(batch, batch)`, exactly 0 on the diagonal."""
    # Distances do not depend on the origin, but the rounding of the expanded square does:
    # its error is proportional to the squared norms, which centering makes small.
    centered = embeddings - ops.stop_gradient(ops.mean(embeddings, axis=0, keepdims=True))
    squared_norms = ops.sum(ops.square(centered), axis=-1)  # (batch,)
    products = ops.matmul(centered, ops.transpose(centered))  # (batch, batch)
    squared = squared_norms[:, None] + squared_norms[None, :] - 2 * products
    apart = ops.logical_and(squared > 0, ops.logical_not(_identity(embeddings)))
    return ops.where(apart, squared, ops.zeros_like(squared))


def safe_sqrt(values):
    """Square root whose value and gradient are 0 where `values` is 0."""
    positive = values > 0
    roots = ops.sqrt(ops.where(positive, values, ops.ones_like(values)))
    return ops.where(positive, roots, ops.zeros_like(roots))


def pair_masks(labels):
    """Returns boolean `(batch, batch)` masks of the positive pairs `i != j` and of the negative pairs."""
    same = labels[:, None] == labels[None, :]
    return ops.logical_and(same, ops.logical_not(_identity(labels))), ops.logical_not(same)


def mean_over(values, mask):
    """Mean of `values` where `mask` holds; 0, with gradient 0, where it holds nowhere."""
    kept = ops.where(mask, values, ops.zeros_like(values))
    count = ops.sum(ops.cast(mask, values.dtype))
    return ops.sum(kept) / ops.maximum(count, 1)


def _identity(rows):
    """Boolean `(batch, batch)` identity, with the batch size of `rows`."""
    index = ops.arange(ops.shape(rows)[0])
    return index[:, None] == index[None, :]
