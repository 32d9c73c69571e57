"""What differs between the backends of Keras."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from support.pseudo_terminal import ROOT

from lab.backends import BACKENDS, RandomNumbers, is_out_of_memory

TOO_MUCH = {
    "tensorflow": "import tensorflow; tensorflow.zeros([1 << 50])",
    "jax": "import jax; jax.numpy.zeros(1 << 50, 'int8')",
    "torch": "import torch; torch.zeros(1 << 60)",
}
PROGRAM = """
from lab.backends import is_out_of_memory
try:
    {}
except Exception as error:
    assert is_out_of_memory(error), (type(error), error)
else:
    raise AssertionError("there is enough memory")
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_too_little_memory_is_told_by_the_error_of_each_backend(name):
    process = subprocess.run([sys.executable, "-c", PROGRAM.format(TOO_MUCH[name])], cwd=ROOT, capture_output=True)
    assert process.returncode == 0, process.stderr.decode()


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
