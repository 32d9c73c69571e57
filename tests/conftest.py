"""Silence of native libraries, float64 on every backend, and a clean Keras for every test."""

import os
import pathlib
import random
import signal

os.environ.setdefault("JAX_ENABLE_X64", "true")  # Without it, JAX knows no float64.

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    import keras
    from keras.src.backend.common import dtypes

import numpy as np
import pytest
from support.command import FAST

dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # On JAX and PyTorch, Keras' means and products round to float32.


def pytest_configure(config):
    # PyTorch's note on `float(loss(labels, embeddings))`.
    config.addinivalue_line("filterwarnings", "ignore:Converting a tensor with requires_grad=True to a scalar")


def pytest_xdist_auto_num_workers(config):
    """Tests chosen by `-k` are few: they have run before workers would have started."""
    return 0 if config.option.keyword else None  # None: as many as xdist would start.


@pytest.fixture(scope="session", autouse=True)
def heeded_ctrl_c():
    """As in a terminal: whoever runs the tests, as in the background, may ignore it, and so would their processes."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def keras_as_new():
    """Same seed and float32 for every test, whatever ran before it."""
    keras.config.set_dtype_policy("float32")
    # Not `keras.utils.set_random_seed`: with a new seed TensorFlow drops what it has compiled.
    random.seed(0)  # Keras draws the seeds of initial weights from it.
    np.random.seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session", autouse=True)
def no_kept_pixels():
    """Every test measures its own raw pixels: they cannot be kept, but in tests of that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.baseline.datasets_folder", lambda: pathlib.Path(os.devnull))
        yield


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """The results of one command over the four default losses; tests of one group share them."""
    from support.small_command import main, small_command

    path = tmp_path_factory.mktemp("runs")
    with small_command():
        assert main([*FAST, "--runs", str(path)]) == 0
    return path


@pytest.fixture
def small_network(monkeypatch):
    """`--model cnn` builds a network that is set up in a third of the time of the smallest real one."""
    from support import small_command

    small_command.small_network(monkeypatch)


@pytest.fixture
def few_points(monkeypatch):
    """t-SNE of 100 images instead of 2,000, on coarse pictures."""
    from support import small_command

    small_command.few_points(monkeypatch)


@pytest.fixture
def undrawn(monkeypatch):
    """No picture is drawn: for tests of all else that a command does."""
    import main as story

    for name in ("run_pictures", "training_pictures", "comparison_pictures"):
        monkeypatch.setattr(story, name, lambda *_: [])
