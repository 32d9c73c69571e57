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

# In float64: a semi-hard triplet is another one where a rounding changes which of two negatives is nearer.
SHARED = """
from lab.startup import hidden_start_up_noise
with hidden_start_up_noise():
    import sys
    import keras
    import numpy as np
    from keras.src.backend.common import dtypes
    from support.small_network import Epochs, few_digits, small_model, small_settings
    from lab.backends import devices
    from lab.devices import share_among
    from lab.errors import InputError
    from lab.health import Health
    from lab.training import train
    from losses import CenterLoss, CosFace, Softmax, TripletCenterLoss, TripletLoss
    from models import MetricModel

dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # Else Keras' means round to float32.

class InHalves(keras.Layer):
    "A loss of which each of two replicas would see a half of the batch."

    def __init__(self, loss):
        super().__init__()
        self.loss, self.built = loss, True

    def call(self, labels, embeddings, training=None):
        half = labels.shape[0] // 2
        parts = slice(half), slice(half, None)
        return sum(self.loss(labels[part], embeddings[part], training=training) for part in parts) / 2

data = few_digits()
settings = small_settings(epochs=10, sampler="shuffle")  # Of two steps each; a balanced half has whole classes.
keras.config.set_floatx("float64")

def trained():
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(0)
    images = keras.Input(data.image_shape)
    x = keras.layers.Conv2D(8, 5, strides=4, use_bias=False)(keras.layers.Rescaling(1 / 255)(images))
    x = keras.layers.Dropout(0.2)(keras.layers.BatchNormalization(momentum=0.9)(x))
    embedder = keras.Model(images, keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    made = {"dtype": "float64", "num_classes": 10, "embedding_dim": 4}
    terms = {loss.__name__: (1.0, loss(**made)) for loss in (Softmax, CenterLoss, TripletCenterLoss, CosFace)}
    terms["TripletLoss"] = 1.0, TripletLoss(dtype="float64")
    halves = CenterLoss(**made), TripletCenterLoss(**made), TripletLoss(dtype="float64")
    terms |= {f"{type(loss).__name__} in halves": (0.0, InHalves(loss)) for loss in halves}  # Seen, not trained with.
    model, seen = MetricModel(embedder, terms), Epochs()
    train(model, data.train, Health(data.validation, settings), [seen])
    found = {name: [epoch[name] for epoch in seen.logs] for name in ("loss", "val_loss", *terms)}
    found |= {f"{images} rows": model.embed(data.test.images[:images]) for images in (0, 1, 5, 399)}
    return found | {f"weight {number}": np.array(weight) for number, weight in enumerate(model.variables)}

for number in (4, 2, 1):  # The first makes the processor four devices.
    share_among(number)
    np.savez(f"{sys.argv[1]}/{number}.npz", **trained())

share_among("all")
small_model(settings, data)
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


@pytest.mark.slow
@pytest.mark.xdist_group("devices")
@pytest.mark.parametrize("number", [2, 4])
def test_losses_weights_centers_averages_and_embeddings_are_those_of_one_device(found, number):
    assert found[number].keys() == found[1].keys()
    for name, array in found[1].items():
        np.testing.assert_allclose(found[number][name], array, rtol=1e-5, atol=1e-6, err_msg=name)
    assert [len(found[number][f"{images} rows"]) for images in (0, 1, 5, 399)] == [0, 1, 5, 399]


@pytest.mark.slow
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
    from lab import maps
    from lab.backup import Backup
    from lab.figures import style
    from models import MODELS
    from support.small_network import build_small

MODELS["cnn"] = build_small
maps.POINTS = 50
style.DPI = 40
# Muon would amplify a rounding, as it does any change of the first weights.
flags = "--dataset digits --losses center --optimizer adamw --epochs 2 --embedding-dim 2 --tsne-iterations 300".split()
*devices, folder = sys.argv[1:]
keep = Backup.on_epoch_end

def keep_and_die(*arguments):
    keep(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

if not devices:
    devices, Backup.on_epoch_end = ["2"], keep_and_die
for number in devices:
    assert main.main([*flags, "--devices", number, "--runs", f"{folder}/{number}"]) == 0
"""


@pytest.mark.slow
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
