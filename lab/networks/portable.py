"""Embedders for use without this project."""

import keras
from keras import layers

from .normalization import FusedBatchNormalization


def portable(embedder):
    """A copy of an embedder for use anywhere: of Keras' own layers, without this project, and in float32.

    Other backends round bfloat16 elsewhere, and converters to other formats do not know it.
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
    return copy
