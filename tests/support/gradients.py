"""Gradients of a loss on any backend of Keras: by the backend, and by finite differences of its value."""

import keras
import numpy as np
from keras.ops import convert_to_numpy as to_numpy


def value_and_gradient(loss, labels, embeddings):
    """Value of a loss and its gradient with respect to the embeddings, as NumPy."""
    value, (gradient,), _ = _differentiate(lambda x: (loss(np.asarray(labels), x), ()), [embeddings])
    return float(to_numpy(value)), to_numpy(gradient)


def weight_gradient(loss, weight, labels, embeddings):
    """Gradient of a loss with respect to one of its weights, as NumPy."""

    def value(candidate):
        with keras.StatelessScope(state_mapping=[(weight, candidate)]):
            return loss(np.asarray(labels), keras.ops.convert_to_tensor(embeddings)), ()

    _, (gradient,), _ = _differentiate(value, [weight.value])
    return to_numpy(gradient)


def training_step(loss, labels, embeddings, xla=False):
    """Value of a loss in training, gradients and next weights, as a flat list of NumPy; its weights stay as they are.

    Args:
        loss: A loss, whose gradients are those for the embeddings and for each trainable weight.
        labels: Class numbers.
        embeddings: `(batch, embedding_dim)`.
        xla: Whether XLA compiles the step.
    """

    def step(labels, points, others):
        def value_and_next(embeddings, *trained):
            weights = zip(loss.trainable_variables + loss.non_trainable_variables, (*trained, *others), strict=True)
            with keras.StatelessScope(state_mapping=list(weights)):
                value = loss(labels, embeddings, training=True)
                return value, [keras.ops.convert_to_tensor(weight) for weight in loss.weights]

        return _differentiate(value_and_next, points)

    points = [embeddings, *(weight.value for weight in loss.trainable_variables)]
    others = [weight.value for weight in loss.non_trainable_variables]
    arguments = keras.tree.map_structure(keras.ops.convert_to_tensor, (labels, points, others))
    found = traced(step, jit_compile=True)(*arguments) if xla else step(*arguments)
    return [to_numpy(array) for array in keras.tree.flatten(found)]


def traced(function, **options):
    """The function as a graph of TensorFlow, with options of `tf.function`, or compiled by JAX: to be called often."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, **options)
    if backend == "jax":
        import jax

        return jax.jit(function)
    return function


def _differentiate(function, points):
    """Value of a function of tensors, its gradients, 0 for a tensor it does not depend on, and what else it returns."""
    points = [keras.ops.convert_to_tensor(point) for point in points]
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(points)
            value, rest = function(*points)
        gradients = tape.gradient(value, points, unconnected_gradients="zero")
    elif backend == "jax":
        import jax

        differentiated = jax.value_and_grad(function, argnums=tuple(range(len(points))), has_aux=True)
        (value, rest), gradients = differentiated(*points)
    else:
        import torch

        points = [point.detach().requires_grad_() for point in points]
        with torch.enable_grad():
            value, rest = function(*points)
        gradients = torch.autograd.grad(value, points, allow_unused=True, materialize_grads=True)
    return value, gradients, rest


def finite_differences(function, point, step=1e-6):
    """Central differences of a scalar function of a float64 array."""
    slopes = np.empty_like(point)
    for index in np.ndindex(point.shape):
        above, below = point.copy(), point.copy()
        above[index] += step
        below[index] -= step
        slopes[index] = (float(function(above)) - float(function(below))) / (2 * step)
    return slopes
