"""Several devices: JAX gives what one gives, TensorFlow's replicas are refused."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # They start processes: the number of devices is settled at the start.

TRAIN = """
import sys
sys.path[:0] = {path!r}
import numpy as np
import keras
from losses import AdaCos, CenterLoss, RingLoss, Softmax, TripletLoss
from models import MetricModel
from tests.losses.test_in_a_model import MarginClassifier

def network():
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])

def made(kind):
    keras.utils.set_random_seed(0)
    if kind == "compile":
        model = network()
    elif kind == "readme":
        model = MarginClassifier(network(), AdaCos(4, 3))
    else:
        terms = (Softmax(4, 3), CenterLoss(4, 3), RingLoss(), AdaCos(4, 3), TripletLoss())
        model = MetricModel(network(), {{type(loss).__name__: (0.5, loss) for loss in terms}})
    model.compile(keras.optimizers.SGD(0.1), loss=TripletLoss() if kind == "compile" else None, jit_compile="auto")
    return model

rng = np.random.default_rng(0)
images, labels = rng.normal(size=(64, 6)).astype("float32"), np.arange(64) % 4
"""

REPLICAS = (
    """
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""
    + TRAIN
    + """
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    for kind in ("compile", "readme", "metric"):
        with tf.distribute.MirroredStrategy(devices).scope():
            model = made(kind)
        try:
            model.fit(images, labels, batch_size=32, verbose=0)
            refused = False
        except ValueError as error:
            refused = "needs the whole batch" in str(error) and "DataParallel" in str(error)
            assert refused, error
        assert refused == (len(devices) == 2), (kind, devices)
        if kind == "metric":
            try:
                assert model.embed(images).shape == (64, 3)
                refused = False
            except ValueError as error:
                refused = "MetricModel.embed" in str(error)
            assert refused == (len(devices) == 2)
"""
)

PARALLEL = (
    TRAIN
    + """
import jax
assert len(jax.devices()) == {devices}
if {devices} > 1:
    keras.distribution.set_distribution(keras.distribution.DataParallel())
found = {{}}
for kind in ("compile", "readme", "metric"):
    model = made(kind)
    history = model.fit(images, labels, batch_size=32, epochs=2, shuffle=False, verbose=0).history
    found |= {{f"{{kind}} {{name}}": values for name, values in history.items()}}
    found |= {{f"{{kind}} {{i}}": weight for i, weight in enumerate(model.get_weights())}}
    found[f"{{kind}} embeddings"] = model.predict(images, verbose=0)
np.savez({target!r}, **found)
"""
)


def run(script, request, **environment):
    path = [str(request.config.rootpath / folder) for folder in ("", "tests")]
    script = script.format(path=path, **environment.pop("values", {}))
    subprocess.run([sys.executable, "-c", script], env=os.environ | environment, check=True)


def test_replicas_of_tensorflow_are_refused_and_one_is_not(request):
    run(REPLICAS, request, KERAS_BACKEND="tensorflow")


@pytest.mark.long
def test_two_devices_of_jax_give_the_losses_weights_centers_scales_and_embeddings_of_one(request, tmp_path):
    found = []
    for devices in (1, 2):
        target = str(tmp_path / f"{devices}.npz")
        flags = f"--xla_force_host_platform_device_count={devices}"
        values = {"devices": devices, "target": target}
        run(PARALLEL, request, KERAS_BACKEND="jax", XLA_FLAGS=flags, values=values)
        found.append(dict(np.load(target)))
    one, two = found
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, atol=1e-6, err_msg=name)
