"""Gradients of a loss on any backend of Keras: by the backend, and by finite differences of its value."""

import keras
import numpy as np


def value_and_gradient(loss, labels, embeddings):
    """Value of a loss and its gradient with respect to the embeddings, as NumPy."""
    return _differentiate(lambda x: loss(np.asarray(labels), x), embeddings)


def weight_gradient(loss, weight, labels, embeddings):
    """Gradient of a loss with respect to one of its weights, as NumPy."""

    def value(candidate):
        with keras.StatelessScope(state_mapping=[(weight, candidate)]):
            return loss(np.asarray(labels), keras.ops.convert_to_tensor(embeddings))

    return _differentiate(value, keras.ops.convert_to_numpy(weight))[1]


def _differentiate(function, point):
    """Value and gradient of a scalar function of one tensor; the gradient is 0 where nothing depends on it."""
    point = keras.ops.convert_to_tensor(point)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(point)
            value = function(point)
        gradient = tape.gradient(value, point, unconnected_gradients="zero")
    elif backend == "jax":
        import jax

        value, gradient = jax.value_and_grad(function)(point)
    else:
        import torch

        point = point.detach().requires_grad_()
        with torch.enable_grad():
            value = function(point)
        (gradient,) = torch.autograd.grad(value, point, allow_unused=True, materialize_grads=True)
    return float(keras.ops.convert_to_numpy(value)), keras.ops.convert_to_numpy(gradient)


def finite_differences(function, point, step=1e-6):
    """Central differences of a scalar function of a float64 array."""
    slopes = np.empty_like(point)
    for index in np.ndindex(point.shape):
        above, below = point.copy(), point.copy()
        above[index] += step
        below[index] -= step
        slopes[index] = (float(function(above)) - float(function(below))) / (2 * step)
    return slopes
