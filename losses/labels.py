"""The one place where a loss looks at the labels it was given.

A label is a whole number: in `[0, num_classes)` for a loss with something for each class, any for a loss that only
compares labels, as long as their type tells it from its neighbours. Where the labels of a batch are known, others
raise; where the step is compiled, they make the loss NaN, with gradients of 0.
"""

import sys

import keras
from keras import ops

# From here on a type merges whole numbers. Keras casts the labels of `compile(loss=...)` to float32.
MERGES_FROM = {"float16": 2**11, "bfloat16": 2**8, "float32": 2**24, "float64": 2**53}


def class_ids(labels, embeddings):
    """Returns the labels of a batch as integers `(batch,)`.

    Integers cast to float are accepted, as `model.compile(loss=...)` casts them, and so is
    a trailing axis of length 1, which would otherwise broadcast to `(batch, batch)` unseen.

    Args:
        labels: Class numbers, `(batch,)` or `(batch, 1)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Raises:
        ValueError: If the labels are one-hot, or the two arguments are swapped or differ in length.
    """
    check_shapes(labels, embeddings)
    return _integers(ops.reshape(ops.convert_to_tensor(labels), (-1,)))


def check_shapes(labels, embeddings):
    """Refuses what `class_ids` refuses, of symbolic tensors too."""
    labels_shape, embeddings_shape = tuple(labels.shape), tuple(embeddings.shape)
    received = f"Received: labels of shape {labels_shape}, embeddings of shape {embeddings_shape}."
    if len(embeddings_shape) != 2:
        raise ValueError(
            "Call a loss as `loss(labels, embeddings)`, with labels `(batch,)` first and "
            f"embeddings `(batch, embedding_dim)` second. {received}"
        )
    if len(labels_shape) != 1 and labels_shape[1:] != (1,):
        raise ValueError(
            "Labels must be class numbers of shape `(batch,)`. For one-hot labels pass "
            f"`ops.argmax(labels, axis=-1)`. {received}"
        )
    if None not in (labels_shape[0], embeddings_shape[0]) and labels_shape[0] != embeddings_shape[0]:
        raise ValueError(f"A batch needs one label per embedding. {received}")


def are_class_numbers(labels, num_classes=None):
    """True, or a boolean scalar in a step that is being compiled.

    Args:
        labels: What the loss was called with, before anything has cast it.
        num_classes: Number of classes, if labels have to be below it.

    Raises:
        ValueError: If the labels are known, and one is no class number.
    """
    numbers = ops.convert_to_tensor(labels)
    dtype = keras.backend.standardize_dtype(numbers.dtype)
    if dtype in MERGES_FROM:
        right = ops.logical_and(numbers % 1 == 0, ops.abs(numbers) < MERGES_FROM[dtype])
    else:
        # JAX cuts 64 bits of NumPy down to 32.
        cut = dtype != keras.backend.standardize_dtype(labels.dtype)
        right = ops.convert_to_tensor(labels.astype(dtype) == labels) if cut else numbers == numbers
        numbers = _integers(numbers)
    if num_classes is not None:
        right = ops.logical_and(right, ops.logical_and(numbers >= 0, numbers < num_classes))
    known = _known(ops.all(right))
    if known is False:
        wrong = map(str, ops.convert_to_numpy(labels)[~ops.convert_to_numpy(right)][:5].tolist())
        below = "" if num_classes is None else f" in [0, {num_classes})"
        raise ValueError(
            f"Labels must be whole numbers{below} that {dtype} tells apart. Received: {', '.join(wrong)}. "
            "Number the classes from 0, as `numpy.unique(labels, return_inverse=True)[1]` does."
        )
    return known or ops.all(right)


def own_mask(labels, num_classes):
    """Boolean `(batch, num_classes)`: where the column is the label of the row."""
    return labels[:, None] == ops.arange(num_classes, dtype=labels.dtype)[None, :]


def _integers(labels):
    return ops.cast(labels, "int64" if "64" in keras.backend.standardize_dtype(labels.dtype) else "int32")


def _known(value):
    """A boolean scalar as a `bool`; None in a step that is being compiled."""
    if keras.backend.backend() == "torch" and sys.modules["torch"].compiler.is_compiling():
        return None  # To ask would break its graph.
    try:
        return bool(value)
    except (TypeError, RuntimeError):  # TensorFlow and JAX; PyTorch for tensors without values.
        return None
