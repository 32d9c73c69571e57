"""Trainings of one process leave nothing behind, and are those of Keras' own optimizer."""

import gc

import keras
import numpy as np
import pytest
from support.small_network import few_digits, small_settings, trained
from tensorflow.python.framework.func_graph import FuncGraph

from lab import training


def graphs():
    """How many traced functions are alive."""
    gc.collect()
    return sum(issubclass(type(found), FuncGraph) for found in gc.get_objects())  # `isinstance` would ask the object.


def test_nothing_that_was_traced_survives_its_model():
    before = graphs()
    model, _ = trained(small_settings(epochs=1), few_digits())
    assert graphs() > before
    del model
    assert graphs() == before


def test_weights_are_those_of_the_optimizer_of_keras_to_the_last_bit():
    model, _ = trained(small_settings(epochs=1), few_digits())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "AdamW", keras.optimizers.AdamW)
        other, _ = trained(small_settings(epochs=1), few_digits())
    for weights, others in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, others)
