"""Silence of native libraries, and a clean Keras for every test."""

from startup import hidden_start_up_noise

with hidden_start_up_noise():
    import keras

import pytest


@pytest.fixture(autouse=True)
def keras_as_new():
    """Same seed and float32 for every test, whatever ran before it."""
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
