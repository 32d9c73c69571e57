"""The one place where a loss looks at the labels it was given."""

from keras import ops


def class_ids(labels, embeddings):
    """Returns the labels of a batch as int32 `(batch,)`.

    Integers cast to float are accepted, as `model.compile(loss=...)` casts them, and so is
    a trailing axis of length 1, which would otherwise broadcast to `(batch, batch)` unseen.

    Args:
        labels: Class numbers, `(batch,)` or `(batch, 1)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Raises:
        ValueError: If the labels are one-hot, or the two arguments are swapped or differ in length.
    """
    labels_shape, embeddings_shape = tuple(labels.shape), tuple(embeddings.shape)
    received = f"Received: labels of shape {labels_shape}, embeddings of shape {embeddings_shape}."
    if len(embeddings_shape) != 2:
        raise ValueError(
            "Call a loss as `loss(labels, embeddings)`, with labels `(batch,)` first and "
            f"embeddings `(batch, embedding_dim)` second. {received}"
        )
    if len(labels_shape) == 2 and labels_shape[1] == 1:
        labels = ops.squeeze(labels, axis=1)
    elif len(labels_shape) != 1:
        raise ValueError(
            "Labels must be class numbers of shape `(batch,)`. For one-hot labels pass "
            f"`ops.argmax(labels, axis=-1)`. {received}"
        )
    if None not in (labels_shape[0], embeddings_shape[0]) and labels_shape[0] != embeddings_shape[0]:
        raise ValueError(f"A batch needs one label per embedding. {received}")
    return ops.cast(labels, "int32")
