"""The whole command on the other backends of Keras, without TensorFlow; and a training on each, step by step."""

import csv
import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from support.pseudo_terminal import ROOT

pytestmark = pytest.mark.slow
LOSSES = "softmax", "center", "triplet", "triplet_center"
SMALLEST = shlex.split("--dataset digits --losses center --epochs 1 --embedding-dim 2 --tsne-iterations 300")


@pytest.fixture(scope="module", params=["jax", "torch"])
def runs(request, tmp_path_factory):
    """The folder of the results of a command on a backend, whose name it has."""
    path = tmp_path_factory.mktemp("runs") / request.param
    hidden = tmp_path_factory.mktemp("hidden")  # As in an environment without TensorFlow.
    (hidden / "tensorflow.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'tensorflow'\")", encoding="utf-8"
    )
    environment = os.environ | {"KERAS_BACKEND": request.param, "PYTHONPATH": str(hidden)}
    environment.pop("JAX_ENABLE_X64", None)
    command = [sys.executable, "main.py", *SMALLEST, "--runs", str(path)]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")
    return path


def test_the_whole_command_runs_without_tensorflow(runs):
    folder = runs / "digits" / "center" / "seed-0"
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))["settings"]
    assert (settings["backend"], settings["precision"]) == (runs.name, "float32")
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        (epoch,) = csv.DictReader(file)
    assert 1.5 < float(epoch["loss"]) < 2.6  # Softmax of ten classes starts at 2.3.
    assert (
        json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["test"]["map_at_r"] > 0.12
    )  # By chance 0.1.
    assert len(list(folder.glob("*tfevents*"))) == 2


# In float64, the losses too, and with numbers that float32 has, as Keras on TensorFlow rounds those to it that are no
# tensors yet: the steps amplify a rounding.
STEPS = """
from lab.startup import hidden_start_up_noise
with hidden_start_up_noise():
    import pathlib
    import sys
    import keras
    import numpy as np
    from keras.src.backend.common import dtypes
    from support.small_network import few_digits, small_settings
    from lab.batches import Batches
    from lab.training import _optimizer
    from losses import LOSSES
    from models import MetricModel

dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # Else Keras' means round to float32.
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
keras.utils.set_random_seed(0)

def in_float64(loss):
    return loss.from_config(loss.get_config() | {"dtype": "float64"})

folder, *names = sys.argv[1:]
data, found = few_digits(), {}
for name in names:
    settings = small_settings(name, epochs=10, learning_rate=2**-8)
    batches = Batches.of(data.train, settings)
    images = keras.Input(data.image_shape)
    x = keras.layers.Conv2D(8, 5, strides=4, use_bias=False)(keras.layers.Rescaling(1 / 256)(images))
    x = keras.layers.Flatten()(keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x)))
    embedder = keras.Model(images, keras.layers.Dense(8)(x))
    terms = LOSSES[name](data.num_classes, 8)
    model = MetricModel(embedder, {term: (weight, in_float64(loss)) for term, (weight, loss) in terms.items()})
    model.build((None, *data.image_shape))
    begun = pathlib.Path(folder, f"{name}.weights.h5")
    if begun.exists():
        model.load_weights(begun)
    else:
        model.save_weights(begun)
    optimizer = _optimizer(settings, 2)
    optimizer.beta_1, optimizer.beta_2, optimizer.epsilon = 7 / 8, 1 - 2**-10, 2**-23
    model.compile(optimizer, jit_compile=keras.backend.backend() == "jax")
    found[name] = [model.train_on_batch(*batches[step % 2], return_dict=True)["loss"] for step in range(20)]
    found[f"{name}, labels"] = [batches[step % 2][1] for step in range(2)]
np.savez(f"{folder}/{keras.backend.backend()}.npz", **found)
"""


@pytest.mark.long
def test_from_the_same_weights_every_backend_takes_the_same_twenty_steps(tmp_path):
    for backend in ("tensorflow", "jax", "torch"):
        environment = {"KERAS_BACKEND": backend, "JAX_ENABLE_X64": "true", "PYTHONPATH": str(ROOT / "tests")}
        subprocess.run(
            [sys.executable, "-c", STEPS, str(tmp_path), *LOSSES], cwd=ROOT, env=os.environ | environment, check=True
        )
    expected, *others = (np.load(tmp_path / f"{backend}.npz") for backend in ("tensorflow", "jax", "torch"))
    assert all(expected[name][-1] < 0.9 * expected[name][0] for name in LOSSES)
    for found in others:
        for name in expected.files:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, err_msg=name)
