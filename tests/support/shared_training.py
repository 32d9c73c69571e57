"""A training that several devices, or several processes, share: in float64, with losses that need the whole batch.

A semi-hard triplet is another one where a rounding changes which of two negatives is nearer.
"""

import keras
import numpy as np
from keras.src.backend.common import dtypes
from support.small_network import Epochs, few_digits, small_settings

from lab.health import Health
from lab.training import train
from losses import CenterLoss, CosFace, Softmax, TripletCenterLoss, TripletLoss
from models import MetricModel


class InHalves(keras.Layer):
    """A loss of which each of two replicas would see a half of the batch."""

    def __init__(self, loss):
        super().__init__()
        self.loss, self.built = loss, True

    def call(self, labels, embeddings, training=None):
        half = labels.shape[0] // 2
        parts = slice(half), slice(half, None)
        return sum(self.loss(labels[part], embeddings[part], training=training) for part in parts) / 2


def trained(*callbacks, backup=None):
    """Trains for 20 steps; gives the model, and a dict of what it came to: losses of every epoch, and weights."""
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # Else Keras' means round to float32.
    data = few_digits()
    settings = small_settings(epochs=10, sampler="shuffle")  # Of two steps each; a balanced half has whole classes.
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(0)
    images = keras.Input(data.image_shape)
    x = keras.layers.Conv2D(8, 5, strides=4, use_bias=False)(keras.layers.Rescaling(1 / 255)(images))
    x = keras.layers.Dropout(0.2)(keras.layers.BatchNormalization(momentum=0.9)(x))
    embedder = keras.Model(images, keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    made = {"dtype": "float64", "num_classes": 10, "embedding_dim": 4}
    terms = {loss.__name__: (1.0, loss(**made)) for loss in (Softmax, CenterLoss, TripletCenterLoss, CosFace)}
    terms["TripletLoss"] = 1.0, TripletLoss(dtype="float64")
    halves = CenterLoss(**made), TripletCenterLoss(**made), TripletLoss(dtype="float64")
    terms |= {f"{type(loss).__name__} in halves": (0.0, InHalves(loss)) for loss in halves}  # Seen, not trained with.
    model, seen = MetricModel(embedder, terms), Epochs()
    train(model, data.train, Health(data.validation, settings), [seen, *callbacks], backup)
    found = {name: [epoch[name] for epoch in seen.logs] for name in ("loss", "val_loss", *terms)}
    return model, found | {f"weight {number}": np.array(weight) for number, weight in enumerate(model.variables)}
