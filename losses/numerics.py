"""Norms, means and sums that stay finite, with finite gradients, where the plain formula would not.

For embeddings of a length up to 1e18: the square of a longer one is not finite in float32.
"""

from keras import ops

BIG = 1e30  # Stands for infinity where entries are masked: the difference of two of them is finite.


def l2_normalize(embeddings, epsilon=1e-12):
    """Divides each row by its length; a row of squared length up to `epsilon` becomes 0.

    Such a row gets gradient 0 as well: its direction is undefined.
    """
    squared = ops.sum(ops.square(embeddings), axis=-1, keepdims=True)
    short = squared <= epsilon  # Not its negation, `squared > epsilon`: NaN stays NaN.
    # The inner `where` keeps the gradient of the branch not taken finite.
    scale = ops.rsqrt(ops.where(short, ops.ones_like(squared), squared))
    return embeddings * ops.where(short, ops.zeros_like(scale), scale)


def safe_sqrt(values):
    """Square root whose value and gradient are 0 where `values` is 0; NaN stays NaN."""
    zero = values <= 0
    roots = ops.sqrt(ops.where(zero, ops.ones_like(values), values))
    return ops.where(zero, ops.zeros_like(roots), roots)


def lengths(embeddings):
    """Length of each row, `(batch,)`; the gradient of a zero row is 0."""
    return safe_sqrt(ops.sum(ops.square(embeddings), axis=-1))


def cosines(embeddings, others):
    """Cosine of each row with each row of another matrix, `(batch, others)`; 0 for a zero row."""
    return ops.matmul(l2_normalize(embeddings), ops.transpose(l2_normalize(others)))


def mean_over(values, mask):
    """Mean of `values` where `mask` holds; 0, with gradient 0, where it holds nowhere."""
    kept = ops.where(mask, values, ops.zeros_like(values))
    count = ops.sum(ops.cast(mask, values.dtype))
    return ops.sum(kept) / ops.maximum(count, 1)


def masked_max(values, mask):
    """Largest of each row where `mask` holds; `-BIG` in a row where it holds nowhere."""
    return ops.max(ops.where(mask, values, ops.full_like(values, -BIG)), axis=-1)


def masked_min(values, mask):
    """Smallest of each row where `mask` holds; `BIG` in a row where it holds nowhere."""
    return ops.min(ops.where(mask, values, ops.full_like(values, BIG)), axis=-1)


def log_sum_exp(values, mask, axis=-1):
    """log of the sum of `exp(values)` of each row where `mask` holds; about `-BIG` where it holds nowhere."""
    found = ops.logsumexp(ops.where(mask, values, ops.full_like(values, -BIG)), axis=axis, keepdims=True)
    return ops.squeeze(found, axis=axis)  # Without `keepdims`, Keras up to 3.4 drops the axis of a batch of one too.


def cross_entropy(logits, labels, smoothing=0):
    """Mean softmax cross-entropy of logits `(batch, num_classes)`, in nats; `smoothing` is the share of all classes."""
    # From logits: probabilities would have to be clipped, and the worst samples lose their gradient.
    if smoothing:
        classes = ops.shape(logits)[-1]
        targets = (1 - smoothing) * ops.one_hot(labels, classes, dtype=logits.dtype) + smoothing / classes
        losses = ops.categorical_crossentropy(targets, logits, from_logits=True)
    else:
        losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return ops.cast(ops.mean(losses), logits.dtype)  # JAX in 64-bit mode would return float64.
