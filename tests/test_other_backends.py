"""The whole command on the other backends of Keras, without TensorFlow."""

import csv
import json
import os
import shlex
import subprocess
import sys

import pytest
from support.pseudo_terminal import ROOT

pytestmark = pytest.mark.slow
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
