"""A network that is set up in a third of the time of the smallest real one, and what trains it in a second or two."""

import dataclasses
import functools

import keras
import pytest
from keras import layers

from data import load_dataset, part_of
from lab.health import Health
from lab.settings import Settings
from lab.training import train
from models import MODELS, FusedBatchNormalization, build_model


def build_small(image_shape, embedding_dim, embedding_init="glorot"):
    """One convolution and batch normalisation, to float32 embeddings."""
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    x = layers.Conv2D(16, 5, strides=4, use_bias=False)(x)
    x = FusedBatchNormalization(momentum=0.9)(x)
    x = layers.Flatten()(layers.ReLU()(x))
    return keras.Model(images, layers.Dense(embedding_dim, dtype="float32", name="embedding")(x))


@functools.cache
def few_digits():
    """The digits, of which 500 images are for training, 100 for validation."""
    return part_of(load_dataset("digits"), 500, 100)


def settings_of(options):
    """The `Settings` of every run that `Options` ask for, on few images with the name of their data set."""
    return options.settings(dataclasses.replace(few_digits(), name=options.dataset))


def small_settings(loss="softmax", **changes):
    """`Settings` of two epochs on the digits."""
    return Settings(**{"dataset": "digits", "loss": loss, "seed": 0, "epochs": 2, "embedding_dim": 8} | changes)


def small_model(settings, data):
    """As `build_model` makes it, with the small network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "cnn", build_small)
        return build_model(settings, data.image_shape, data.num_classes)


def trained(settings, data, *callbacks, split=None):
    """A small model trained on a `Dataset`, or on another `Split` than its own, and its `Training`."""
    model = small_model(settings, data)
    return model, train(model, split or data.train, Health(data.validation, settings), callbacks)


class Epochs(keras.callbacks.Callback):
    """Remembers the logs of every epoch."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))
