"""Several processes that train together give what one gives, and a lost one ends them all with a line."""

import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from support.pseudo_terminal import ROOT

from lab import hosts
from lab.devices import share_among
from lab.errors import InputError
from lab.files import read_json

# To compile well takes longer than these few steps.
JAX = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0", "PYTHONPATH": str(ROOT / "tests")}

TRAINING = """
from lab.startup import hidden_start_up_noise
with hidden_start_up_noise():
    import os
    import pathlib
    import sys
    import threading
    import keras
    import numpy as np
    from support.shared_training import trained
    from lab.backup import Backup
    from lab.devices import share_among
    from lab.hosts import company

path, epochs = pathlib.Path(sys.argv[1]), int(sys.argv[2])
share_among("all")
backup = None if company().number else Backup(path)

class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == epochs:
            os._exit(0)

model, found = trained(Stop(), backup=backup)
if company().number:
    threading.Event().wait()  # Process 0 ends this one.
np.savez(path / "found.npz", **found)
company().dismiss(0)
"""

COMMAND = """
from lab.startup import hidden_start_up_noise
with hidden_start_up_noise():
    import os
    import signal
    import sys
    import main
    from lab.batches import Batches
    from lab.hosts import company
    from support.small_command import small_command

killed, send, *arguments = sys.argv[1:]
go_to = Batches.go_to

def die(batches, epoch):
    if epoch == 2 and company().number == int(killed):
        os.kill(os.getpid(), getattr(signal, send))
    go_to(batches, epoch)

Batches.go_to = die
# Muon would amplify a rounding, as it does any change of the first weights.
flags = "--dataset digits --losses center --optimizer adamw --epochs 2 --embedding-dim 2 --tsne-iterations 300".split()
with small_command():
    sys.exit(main.main([*flags, "--no-tensorboard", *arguments]))
"""


def together(count, *command, **environment):
    """The statuses, outputs and errors of some processes that train together, process 0 first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {hosts.COUNT: str(count), hosts.ADDRESSES: f"127.0.0.1:{port}"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", *map(str, command)],
            cwd=ROOT,
            env=os.environ | JAX | told | environment | {hosts.NUMBER: str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    try:
        said = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(processes, said, strict=True)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The arrays that a training of one process has come to."""
    path = tmp_path_factory.mktemp("alone")
    assert together(1, TRAINING.replace('"all"', "1"), path, 10, JAX_ENABLE_X64="true") == [(0, "", "")]
    return dict(np.load(path / "found.npz"))


@pytest.mark.long
@pytest.mark.xdist_group("hosts")
@pytest.mark.parametrize("count", [2, 4])
def test_losses_weights_centers_and_averages_are_those_of_one_process_though_it_went_on(alone, count, tmp_path):
    together(count, TRAINING, tmp_path, 5, JAX_ENABLE_X64="true")  # It ends in the midst of it.
    said = together(count, TRAINING, tmp_path, 10, JAX_ENABLE_X64="true")
    assert [(status, errors) for status, _, errors in said] == [(0, "")] * count
    # Where a part of more than two come together, Gloo says so on standard output, and cannot be asked not to.
    assert count > 2 or not any(output for _, output, _ in said)
    found = dict(np.load(tmp_path / "found.npz"))
    for name, array in alone.items():
        last = array[5:] if array.shape == (10,) and not name.startswith("weight") else array
        np.testing.assert_allclose(found[name], last, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.long
@pytest.mark.xdist_group("hosts")
@pytest.mark.parametrize("loss", ["CenterLoss", "TripletCenterLoss", "TripletLoss"])
def test_it_would_show_if_mining_or_centers_saw_a_part_of_the_batch(alone, loss):
    assert abs(alone[loss] - alone[f"{loss} in halves"]).max() > 1e-3


GOES_ON = "The same command, on every host and without --overwrite, goes on"
LINE = f"main.py: process {{}} of 2 was lost: what it said is on its host. {GOES_ON}"
ORPHANED = f"main.py: process 0 ended or was lost: this one ends too. {GOES_ON}.\n"


@pytest.mark.long
def test_a_command_that_loses_a_process_says_which_and_goes_on_to_the_scores_of_one_process(tmp_path):
    command = [COMMAND, 1, "SIGKILL", "--devices", "all", "--runs", tmp_path / "2"]
    first, lost = together(2, *command)
    assert lost == (-signal.SIGKILL, "", "")
    assert (first[0], first[2]) == (3, f"{LINE.format(1)}, after epoch 1 of this run\n")
    assert not [*tmp_path.rglob(".*")]
    first, other = together(2, COMMAND, -1, *command[2:])
    assert (first[0], first[2]) == (0, "")
    assert other == (0, "", "")
    assert "center seed 0: goes on after epoch 1" in first[1]
    ((status, _, errors),) = together(1, COMMAND, -1, "SIGKILL", "--devices", 1, "--runs", tmp_path / "1")
    assert (status, errors) == (0, "")
    one, two = (tmp_path / count / "digits" / "center" / "seed-0" for count in "12")
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}
    assert read_json(two / "config.json")["machine"]["devices"] == 2
    assert read_json(two / "metrics.json")["test"] == pytest.approx(read_json(one / "metrics.json")["test"], rel=1e-5)
    losses = [np.genfromtxt(path / "history.csv", delimiter=",", names=True)["loss"] for path in (one, two)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize(("send", "status"), [("SIGKILL", -signal.SIGKILL), ("SIGINT", 130)])
def test_the_others_end_with_process_0(send, status, tmp_path):
    first, other = together(2, COMMAND, 0, send, "--devices", "all", "--runs", tmp_path)
    assert first[0] == status
    assert other == ((3, "", ORPHANED) if send == "SIGKILL" else (status, "", ""))


@pytest.mark.parametrize(
    ("backend", "devices", "environment", "message"),
    [
        ("torch", "all", {}, "only JAX trains in several processes. Unset it, or set KERAS_BACKEND to jax"),
        ("tensorflow", "all", {}, "only JAX trains in several processes. Unset it, or set KERAS_BACKEND to jax"),
        ("jax", 1, {}, "every process trains on all of its devices. Unset it, or give --devices all"),
        ("jax", "all", {hosts.NUMBER: "2"}, "how many there are, the number of this one, from 0, and HOST:PORT of"),
        ("jax", "all", {hosts.COUNT: "two"}, "how many there are, the number of this one, from 0, and HOST:PORT of"),
        ("jax", "all", {hosts.ADDRESSES: "here"}, "how many there are, the number of this one, from 0, and HOST:PORT"),
    ],
)
def test_what_cannot_train_in_several_processes_is_refused_with_what_can(
    backend, devices, environment, message, monkeypatch
):
    monkeypatch.setattr("keras.backend.backend", lambda: backend)
    given = {hosts.COUNT: "2", hosts.NUMBER: "1", hosts.ADDRESSES: "127.0.0.1:1234"} | environment
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as told:
        share_among(devices)
    assert message in str(told.value)
