"""Embedders for use without this project."""

import keras
from keras import layers, ops

from .normalization import FusedBatchNormalization


def portable(embedder, both_sides=False):
    """A copy of an embedder for use anywhere: of Keras' own layers, without this project, and in float32.

    Other backends round bfloat16 elsewhere, and converters to other formats do not know it.

    Args:
        embedder: `keras.Model`.
        both_sides: Whether the copy gives the mean of the embeddings of an image and its mirror image.
    """

    def plain(layer):
        if isinstance(layer, keras.Sequential):  # A part of a backbone.
            part = keras.Sequential([plain(inner) for inner in layer.layers], name=layer.name)
            part.dtype_policy = "float32"
            return part
        if not isinstance(layer, keras.Layer):  # An operation: it computes in what it gets.
            return layer
        kind = layers.BatchNormalization if isinstance(layer, FusedBatchNormalization) else type(layer)
        return kind.from_config(layer.get_config() | {"dtype": "float32"})

    copy = keras.models.clone_model(embedder, clone_function=plain)
    copy.set_weights(embedder.get_weights())
    if not both_sides:
        return copy
    images = keras.Input(copy.input_shape[1:])
    sides = [copy(images), copy(ops.flip(images, axis=2))]
    return keras.Model(images, layers.Average(dtype="float32")(sides), name=copy.name)
