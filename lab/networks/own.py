"""The networks for small images, each from pixels to an embedding."""

import functools

import keras
from keras import layers

from .normalization import FusedBatchNormalization

# As the exponential triplet loss's authors compare them: the last two are far from a scale
# that keeps the variance.
EMBEDDING_INITS = {
    "glorot": keras.initializers.GlorotUniform,
    "normal": functools.partial(keras.initializers.RandomNormal, 0.0, 1.0),
    "uniform": functools.partial(keras.initializers.RandomUniform, 0.0, 1.0),
}


def build_cnn(image_shape, embedding_dim, embedding_init="glorot"):
    """A small CNN for 28 x 28 images: four convolutions in three stages, 139,000 parameters.

    On a CPU the layers at high resolution cost most of the time and add little accuracy, so
    the first convolution has stride 2 and a pooling follows at once.

    Args:
        image_shape: `(height, width, channels)`.
        embedding_dim: Length of the embedding, which is linear: no activation follows it.
        embedding_init: What the weights of the embedding start from: a key of `EMBEDDING_INITS`.

    Returns:
        `keras.Model` from pixels in `[0, 255]` to float32 embeddings `(batch, embedding_dim)`.
    """
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    x = _convolution(x, 32, 5, strides=2)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Dropout(0.1)(x)
    x = _convolution(x, 64, 3)
    x = _convolution(x, 64, 3)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Dropout(0.1)(x)
    x = _convolution(x, 128, 3)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(images, embedding(x, embedding_dim, embedding_init), name="cnn")


def build_lenet_plus_plus(image_shape, embedding_dim, embedding_init="glorot"):
    """The trunk of the center-loss paper's MNIST figures: LeNet++, 3 x 2 convolutions, PReLU, max pooling.

    Args and returns as `build_cnn`.
    """
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    for filters in (32, 64, 128):
        for _ in range(2):
            x = layers.Conv2D(filters, 5, padding="same")(x)
            x = layers.PReLU(shared_axes=(1, 2))(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    return keras.Model(images, embedding(x, embedding_dim, embedding_init), name="lenet_plus_plus")


def build_vgg(image_shape, embedding_dim, embedding_init="glorot"):
    """A large network for 28 x 28 images: three stages of two convolutions, as in VGG, 700,000 parameters.

    Args and returns as `build_cnn`.
    """
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    x = _convolution(x, 32, 3)
    x = _convolution(x, 64, 3)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = _convolution(x, 64, 3)
    x = _convolution(x, 128, 3)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = _convolution(x, 192, 3)
    x = _convolution(x, 192, 3)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(images, embedding(x, embedding_dim, embedding_init), name="vgg")


def build_resnet(image_shape, embedding_dim, embedding_init="glorot"):
    """A small residual network for images of 32 to 96 pixels: three stages of two blocks, 700,000 parameters.

    For a CPU each stage starts by halving the resolution, and so does the first convolution of images from 64 pixels
    on. Args and returns as `build_cnn`.
    """
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    x = _convolution(x, 32, 3, strides=2 if min(image_shape[:2]) >= 64 else 1)
    for filters in (32, 64, 128):
        x = _residual(x, filters, strides=2)
        x = _residual(x, filters)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(images, embedding(x, embedding_dim, embedding_init), name="resnet")


def _residual(x, filters, strides=1):
    """Two convolutions, added to what comes in; the first has the strides."""
    y = _convolution(x, filters, 3, strides)
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    y = FusedBatchNormalization(momentum=0.9, gamma_initializer="zeros")(y)  # Starts as if it were not there.
    if strides > 1:
        x = layers.AveragePooling2D(strides, padding="same")(x)
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
    return layers.ReLU()(layers.Add()([x, y]))


def _convolution(x, filters, size, strides=1):
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    x = FusedBatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x)


def embedding(x, embedding_dim, embedding_init):
    # In float32 under every policy: bfloat16 would leave an embedding eight bits.
    initializer = EMBEDDING_INITS[embedding_init]()
    return layers.Dense(embedding_dim, kernel_initializer=initializer, dtype="float32", name="embedding")(x)
