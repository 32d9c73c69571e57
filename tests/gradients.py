"""Gradients of a loss: by the backend, and by finite differences of its value."""

import keras
import numpy as np
import tensorflow as tf


def value_and_gradient(loss, labels, embeddings):
    """Value of a loss and its gradient with respect to the embeddings, as NumPy."""
    embeddings = tf.convert_to_tensor(embeddings)
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        value = loss(np.asarray(labels), embeddings)
    gradient = tape.gradient(value, embeddings, unconnected_gradients="zero")
    return float(value), keras.ops.convert_to_numpy(gradient)


def weight_gradient(loss, weight, labels, embeddings):
    """Gradient of a loss with respect to one of its weights, as NumPy."""
    with tf.GradientTape() as tape:
        value = loss(np.asarray(labels), tf.convert_to_tensor(embeddings))
    return keras.ops.convert_to_numpy(tape.gradient(value, weight.value))


def finite_differences(function, point, step=1e-6):
    """Central differences of a scalar function of a float64 array."""
    slopes = np.empty_like(point)
    for index in np.ndindex(point.shape):
        above, below = point.copy(), point.copy()
        above[index] += step
        below[index] -= step
        slopes[index] = (float(function(above)) - float(function(below))) / (2 * step)
    return slopes
