"""The networks of `keras.applications`, with their own preprocessing inside."""

import hashlib
import inspect
import pathlib
import re
import sys
import warnings

import keras
import numpy as np
from keras import layers, ops

MOMENTUM = 0.99  # At most: averages that take a million images to follow lag behind a training of 300,000.


def backbones():
    """Names of the networks of `keras.applications`."""
    return tuple(
        name
        for name, network in inspect.getmembers(keras.applications, inspect.isfunction)
        if {"include_top", "weights"} <= inspect.signature(network).parameters.keys()
    )


def features(name, images, weights=None, freeze=False):
    """What a backbone makes of images, averaged over the positions, `(batch, features)`; its layers lie flat.

    Args:
        name: One of `backbones()`.
        images: `keras.Input` of pixels in `[0, 255]`, grey or colour.
        weights: None to start at random, `"imagenet"`, which Keras downloads, or the path of a file that Keras saved
            of this network without its classifier.
        freeze: Whether its layers stay as they are, normalisation included.

    Raises:
        ValueError: If the images are too small or have another number of channels, or the weights cannot be had.
    """
    height, width, channels = images.shape[1:]
    if channels not in (1, 3):
        raise ValueError(f"{name} takes images of 1 or 3 channels. Received: {channels}")
    if freeze and weights is None:
        raise ValueError(f"{name} would stay frozen at random weights. Give weights, or train it")
    if weights not in (None, "imagenet") and not pathlib.Path(weights).is_file():
        raise ValueError(f"There is no file {weights}. {_WEIGHTS.format(name)}")
    build = getattr(keras.applications, name)
    pixels = _preprocessed(images, sys.modules[build.__module__].preprocess_input)
    shape = (height, width, 3)
    try:
        with warnings.catch_warnings(action="ignore"):  # That ImageNet's images were of another size, as they all were.
            network = build(include_top=False, weights=weights, input_tensor=pixels, input_shape=shape, pooling="avg")
    except Exception as error:  # Of what it cannot download, Keras raises nothing more special.
        if least := re.search(r"at least (\d+)x\d+", str(error)):
            raise ValueError(
                f"{name} takes images of at least {least[1]} x {least[1]} pixels: --image-size {least[1]}x{least[1]} "
                f"enlarges them. Received: {height} x {width}"
            ) from error
        if weights is None:
            raise
        raise ValueError(f"The weights {weights} cannot be had: {error}. {_WEIGHTS.format(name)}") from error
    for layer in network.layers:
        layer.trainable = not freeze
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = min(layer.momentum, MOMENTUM)
    return network.output


def weights_content(file):
    """Hash of what a file of weights holds; None if it is no file, as of `imagenet`."""
    if file is None or not pathlib.Path(file).is_file():
        return None
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


_WEIGHTS = (
    'Weights are "imagenet", which Keras downloads and keeps in the folder models of its cache (~/.keras, or '
    "$KERAS_HOME), or the path of a file, .weights.h5 or .h5, that Keras saved of {} with include_top=False, such as "
    "one downloaded elsewhere"
)


def _preprocessed(images, preprocess_input):
    """The images as a backbone's `preprocess_input` makes them, by layers without weights.

    It takes one channel for another and scales it, which three pixels of one colour each show.
    """
    black, *colors = preprocess_input(np.vstack([np.zeros(3), 255 * np.eye(3)])[:, None, None])
    changes = np.squeeze(np.array(colors) - black) / 255  # (of the channel, to the channel)
    sources = [0, 0, 0] if images.shape[-1] == 1 else np.abs(changes).argmax(axis=0).tolist()
    channels = ops.take(images, sources, axis=-1)
    return layers.Rescaling(changes.sum(axis=0).tolist(), np.ravel(black).tolist(), dtype="float32")(channels)
