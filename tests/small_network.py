"""A network that is set up in a third of the time of the smallest real one."""

import keras
from keras import layers

from models import FusedBatchNormalization


def build_small(image_shape, embedding_dim, embedding_init="glorot"):
    """One convolution and batch normalisation, to float32 embeddings."""
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    x = layers.Conv2D(16, 5, strides=4, use_bias=False)(x)
    x = FusedBatchNormalization(momentum=0.9)(x)
    x = layers.Flatten()(layers.ReLU()(x))
    return keras.Model(images, layers.Dense(embedding_dim, dtype="float32")(x))
