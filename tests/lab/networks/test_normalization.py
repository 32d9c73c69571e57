"""Batch normalisation: fused as Keras has it, and its averages from the start of training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy as to_numpy

from lab.networks import MODELS, FusedBatchNormalization, start_averages

RNG = np.random.default_rng(0)


def both_normalizations():
    layers = FusedBatchNormalization(momentum=0.7), keras.layers.BatchNormalization(momentum=0.7)
    for layer in layers:
        layer.build((None, 5, 5, 3))
        layer.set_weights(np.array([[1.5, 0.5, 1.0], [0.1, -0.2, 0.0], [0.3, 0.0, -0.4], [1.2, 0.8, 2.0]]))
    return layers


@pytest.mark.parametrize("training", [False, True])
def test_fused_normalization_gives_the_results_gradients_and_state_of_keras(training):
    images = RNG.normal(1, 2, (4, 5, 5, 3)).astype("float32")
    upstream = RNG.normal(size=images.shape).astype("float32")
    results = []
    for layer in both_normalizations():
        inputs = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=training)
            value = tf.reduce_sum(outputs * upstream)
        gradients = tape.gradient(value, [inputs, layer.gamma.value, layer.beta.value])
        results.append([to_numpy(outputs), *map(to_numpy, gradients), *layer.get_weights()])
    for fused, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=2e-4, atol=2e-5)


def test_fused_normalization_of_vectors_is_that_of_keras():
    rows = RNG.normal(size=(6, 3)).astype("float32")
    np.testing.assert_allclose(
        to_numpy(FusedBatchNormalization()(rows, training=True)),
        to_numpy(keras.layers.BatchNormalization()(rows, training=True)),
    )


def test_frozen_normalization_keeps_its_statistics():
    layer, _ = both_normalizations()
    layer.trainable = False
    before = layer.get_weights()
    layer(RNG.normal(size=(4, 5, 5, 3)).astype("float32"), training=True)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_averages_of_normalization_start_at_those_of_the_images_and_nothing_else_changes():
    embedder = MODELS["cnn"]((28, 28, 1), 8)
    images = RNG.integers(0, 256, (32, 28, 28, 1)).astype("uint8")
    averages = [w for w in embedder.non_trainable_weights if "moving" in w.path]
    before = {w.path: to_numpy(w) for w in embedder.variables if "moving" not in w.path}
    assert any("seed" in path for path in before)
    start_averages(embedder, images)
    first_convolution = keras.Model(embedder.input, embedder.layers[2].output)(images)
    mean, variance = averages[0], averages[1]
    np.testing.assert_allclose(to_numpy(mean), to_numpy(first_convolution).mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(to_numpy(variance), to_numpy(first_convolution).var((0, 1, 2)), rtol=1e-3)
    for weight in embedder.variables:
        if "moving" not in weight.path:
            np.testing.assert_array_equal(to_numpy(weight), before[weight.path], err_msg=weight.path)
    assert {layer.momentum for layer in embedder.layers if isinstance(layer, FusedBatchNormalization)} == {0.9}
