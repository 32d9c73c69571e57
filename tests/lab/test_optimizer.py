"""Trainings of one process leave nothing behind; Muon moves a kernel in all its directions alike."""

import gc

import keras
import numpy as np
import pytest
from support.small_network import few_digits, small_settings, trained
from tensorflow.python.framework.func_graph import FuncGraph

from lab import optimizer
from lab.optimizer import OPTIMIZERS, Muon


def graphs():
    """How many traced functions are alive."""
    gc.collect()
    return sum(issubclass(type(found), FuncGraph) for found in gc.get_objects())  # `isinstance` would ask the object.


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_nothing_that_was_traced_survives_its_model(name):
    before = graphs()
    model, _ = trained(small_settings(epochs=1, optimizer=name), few_digits())
    assert graphs() > before
    del model
    assert graphs() == before


def test_weights_are_those_of_the_optimizer_of_keras_to_the_last_bit(monkeypatch):
    model, _ = trained(small_settings(epochs=1), few_digits())
    monkeypatch.setitem(optimizer.OPTIMIZERS, "adamw", keras.optimizers.AdamW)
    other, _ = trained(small_settings(epochs=1), few_digits())
    for weights, others in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, others)


def step_of(gradient):
    """The first step of Muon, with a rate of 0.01."""
    variable = keras.Variable(np.zeros_like(gradient))
    Muon(0.01, weight_decay=0.0).apply([gradient], [variable])
    return keras.ops.convert_to_numpy(variable)


@pytest.mark.parametrize("shape", [(3, 3, 16, 32), (5, 5, 1, 32), (1, 1, 8, 64)])
def test_a_step_goes_along_every_direction_of_a_kernel_about_equally_far(shape):
    gradient = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    gradient *= np.geomspace(1, 9, shape[-1], dtype=np.float32)  # Filters whose gradients differ.
    matrix = gradient.reshape(-1, shape[-1])
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    step = -step_of(gradient).reshape(matrix.shape)
    along = np.einsum("ni,nk,ik->i", left, step, right)
    np.testing.assert_allclose(left @ np.diag(along) @ right, step, atol=1e-4)  # The same directions, and no others.
    # All of a length, which the iteration comes near to: 0.7 to 1.2 times. The root mean square is 0.4 rates.
    length = 0.01 * 0.4 * max(matrix.shape) ** 0.5
    assert singular.max() / singular.min() > 2
    assert 0.6 * length < along.min() <= along.max() < 1.3 * length


def test_vectors_and_matrices_take_the_first_step_of_adamw():
    for shape in ((5,), (4, 3), (3, 3, 8, 1)):
        gradient = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        np.testing.assert_allclose(step_of(gradient), -0.01 * np.sign(gradient), rtol=1e-3)


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (4, 3)])
def test_weights_decay_by_their_share_of_the_rate(shape):
    weights = np.ones(shape, np.float32)
    muon, variable = Muon(0.01, weight_decay=0.5), keras.Variable(weights)
    muon.apply([np.zeros_like(weights)], [variable])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), 1 - 0.01 * 0.5, rtol=1e-5)
