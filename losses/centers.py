"""The step of class centers that follow their samples without an optimizer."""

from keras import ops


def damped_mean(classes, offsets, num_classes, active=None):
    """Sum of the offsets of each class over one more than their number, `(num_classes, embedding_dim)`.

    Shorter than the mean of the offsets, and 0 for a class without samples.

    Args:
        classes: Integer tensor `(batch,)`.
        offsets: Float tensor `(batch, embedding_dim)`.
        num_classes: Number of classes.
        active: Optional float tensor `(batch,)`: 1 for samples that count, 0 for others.
    """
    active = ops.ones_like(offsets[:, :1]) if active is None else active[:, None]
    sums = ops.segment_sum(active * offsets, classes, num_segments=num_classes)
    return sums / (1 + ops.segment_sum(active, classes, num_segments=num_classes))
