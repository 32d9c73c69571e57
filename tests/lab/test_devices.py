"""Several devices that share each batch give what one device gives."""

import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from support.pseudo_terminal import ROOT
from support.small_network import few_digits, small_settings

from lab import checks
from lab.checks import check
from lab.devices import share_among
from lab.errors import InputError
from lab.files import read_json

# To compile well takes longer than these few steps.
JAX = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0", "PYTHONPATH": str(ROOT / "tests")}

SHARED = """
from lab.startup import hidden_start_up_noise
with hidden_start_up_noise():
    import sys
    import numpy as np
    from support.shared_training import trained
    from support.small_network import few_digits, small_model, small_settings
    from lab.backends import devices
    from lab.devices import share_among
    from lab.errors import InputError

data = few_digits()
for number in (4, 2, 1):  # The first makes the processor four devices.
    share_among(number)
    model, found = trained()
    found |= {f"{images} rows": model.embed(data.test.images[:images]) for images in (0, 1, 5, 399)}
    np.savez(f"{sys.argv[1]}/{number}.npz", **found)

share_among("all")
small_model(small_settings(), data)
assert devices() == 4, "a new model leaves the devices as they are"
try:
    share_among(5)
except InputError as error:
    assert str(error) == "--devices 5: there are 4: cpu:0, cpu:1, cpu:2, cpu:3. Give at most 4, or all", error
else:
    raise AssertionError("there are no five")
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Dict from a number of devices to the arrays that a training on them has come to."""
    path = tmp_path_factory.mktemp("shared")
    environment = os.environ | JAX | {"JAX_ENABLE_X64": "true"}
    subprocess.run([sys.executable, "-W", "error", "-c", SHARED, path], cwd=ROOT, env=environment, check=True)
    return {number: dict(np.load(path / f"{number}.npz")) for number in (1, 2, 4)}


@pytest.mark.long
@pytest.mark.xdist_group("devices")
@pytest.mark.parametrize("number", [2, 4])
def test_losses_weights_centers_averages_and_embeddings_are_those_of_one_device(found, number):
    assert found[number].keys() == found[1].keys()
    for name, array in found[1].items():
        np.testing.assert_allclose(found[number][name], array, rtol=1e-5, atol=1e-6, err_msg=name)
    assert [len(found[number][f"{images} rows"]) for images in (0, 1, 5, 399)] == [0, 1, 5, 399]


@pytest.mark.long
@pytest.mark.xdist_group("devices")
@pytest.mark.parametrize("loss", ["CenterLoss", "TripletCenterLoss", "TripletLoss"])
def test_it_would_show_if_mining_or_centers_saw_a_part_of_the_batch(found, loss):
    assert abs(found[1][loss] - found[1][f"{loss} in halves"]).max() > 1e-3


COMMAND = """
from lab.startup import hidden_start_up_noise
with hidden_start_up_noise():
    import os
    import signal
    import sys
    import main
    from lab.backup import Backup
    from support.small_command import small_command

# Muon would amplify a rounding, as it does any change of the first weights.
flags = "--dataset digits --losses center --optimizer adamw --epochs 2 --embedding-dim 2 --tsne-iterations 300".split()
*devices, folder = sys.argv[1:]
keep = Backup.on_epoch_end

def keep_and_die(*arguments):
    keep(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

if not devices:
    devices, Backup.on_epoch_end = ["2"], keep_and_die
with small_command():
    for number in devices:
        assert main.main([*flags, "--devices", number, "--runs", f"{folder}/{number}"]) == 0
"""


@pytest.mark.long
def test_a_command_on_two_devices_that_is_killed_and_goes_on_has_the_scores_of_one(tmp_path):
    environment = os.environ | JAX | {"JAX_ENABLE_X64": "false"}
    command = [sys.executable, "-c", COMMAND]
    killed = subprocess.run([*command, tmp_path], cwd=ROOT, env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    ended = subprocess.run([*command, "2", "1", tmp_path], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "center seed 0: goes on after epoch 1" in ended.stdout
    assert " as 2 devices; JAX" in " ".join(ended.stdout.split())
    one, two = (tmp_path / devices / "digits" / "center" / "seed-0" for devices in "12")
    machines = [read_json(path / "config.json")["machine"]["devices"] for path in (one, two)]
    assert machines == [1, 2]
    assert read_json(two / "metrics.json")["test"] == pytest.approx(read_json(one / "metrics.json")["test"], rel=1e-5)
    losses = [np.genfromtxt(path / "history.csv", delimiter=",", names=True)["loss"] for path in (one, two)]
    assert len(losses[1]) == 2
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


@pytest.mark.parametrize(("backend", "title"), [("tensorflow", "TensorFlow"), ("torch", "PyTorch")])
@pytest.mark.parametrize("wanted", [2, "all"])
def test_the_backends_that_train_on_one_device_say_which_does_not(backend, title, wanted, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    share_among(1)
    with pytest.raises(InputError) as told:
        share_among(wanted)
    assert str(told.value) == f"--devices {wanted}: {title} trains on one. Set KERAS_BACKEND to jax"


@pytest.mark.parametrize(
    ("devices", "changes", "message"),
    [
        (7, {}, "240 images cannot be shared evenly. Give --devices 6 or --per-class 28"),
        (9, {"sampler": "shuffle"}, "100 and 240 images cannot be shared evenly. Give --devices 5"),
        (4, {"classes_per_batch": 5, "per_class": 3}, "15 images cannot be shared evenly. Give --devices 3 or --per"),
    ],
)
def test_devices_that_cannot_share_a_batch_evenly_are_refused_with_what_can(devices, changes, message, monkeypatch):
    settings, splits = small_settings(**changes), {None: few_digits()}
    check([settings], splits)
    monkeypatch.setattr(checks, "devices", lambda: devices)
    with pytest.raises(InputError) as told:
        check([settings], splits)
    assert message in str(told.value)


def test_what_is_said_to_be_shared_evenly_is(monkeypatch):
    monkeypatch.setattr(checks, "devices", lambda: 7)
    check([small_settings(per_class=28)], {None: few_digits()})
    monkeypatch.setattr(checks, "devices", lambda: 6)
    check([small_settings()], {None: few_digits()})
