"""What differs between the backends of Keras."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from lab.backends import BACKENDS, RandomNumbers, is_out_of_memory

TOO_MUCH = {
    "tensorflow": lambda: tf.zeros([1 << 50]),
    "jax": lambda: importlib.import_module("jax.numpy").zeros(1 << 50, "int8"),
    "torch": lambda: importlib.import_module("torch").zeros(1 << 60),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_too_little_memory_is_told_by_the_error_of_each_backend(name):
    with pytest.raises((RuntimeError, tf.errors.ResourceExhaustedError)) as told:
        TOO_MUCH[name]()
    assert is_out_of_memory(told.value), repr(told.value)


def test_other_errors_are_not_taken_for_too_little_memory():
    for error in (RuntimeError("shapes do not fit"), ValueError("out of memory"), OSError(28, "No space left")):
        assert not is_out_of_memory(error)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_says_on_what_it_trains(name):
    assert isinstance(BACKENDS[name].accelerators(), list)


@pytest.mark.slow
def test_random_numbers_go_on_where_there_are_fewer_gpus(monkeypatch):
    import torch

    given = []
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", given.extend)
    state = RandomNumbers().state | {"1": np.uint8([1]), "2": np.uint8([2])}
    drawn = torch.rand(3)
    RandomNumbers().state = state
    assert torch.equal(torch.rand(3), drawn)
    assert [gpu.tolist() for gpu in given] == [[1]]
