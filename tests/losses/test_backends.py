"""Every variant of every loss gives the same values, gradients and next state on every backend that is installed."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from gradients import value_and_gradient, weight_gradient
from keras.ops import convert_to_numpy as to_numpy

from losses import LOSSES
from tests.losses.test_every_loss import CLASSES, VARIANTS, batch, make, small_model

pytestmark = pytest.mark.xdist_group("backends")  # They share what takes long to make.
OTHERS = [backend for backend in ("tensorflow", "jax", "torch") if backend != keras.backend.backend()]


def outcome(variant, weights=None):
    """Dict of arrays: the weights, the value, the gradients, the weights after one more training call.

    Args:
        variant: Name of the loss.
        weights: Weights of the loss. If None, those of a new one after a training call.
    """
    labels, embeddings = batch()
    embeddings = embeddings.astype("float32")
    loss = make(variant)
    if weights is None:
        loss(labels, -embeddings, training=True)
    else:
        loss.set_weights(weights)
    found = {f"before {i}": weight for i, weight in enumerate(loss.get_weights())}
    found["value"], found["gradient"] = value_and_gradient(loss, labels, embeddings)
    for weight in loss.trainable_weights:
        found[f"gradient of {weight.name}"] = weight_gradient(loss, weight, labels, embeddings)
    loss(labels, embeddings, training=True)
    return found | {f"{weight.name} after": to_numpy(weight) for weight in loss.weights}


def history(name):
    """Loss of a small model in each of twenty steps, from the same weights on every backend."""
    rng = np.random.default_rng(0)
    labels = np.arange(64) % CLASSES
    images = np.eye(CLASSES, 6, dtype="float32")[labels] + rng.normal(0, 0.3, (64, 6)).astype("float32")
    model = small_model(name)
    for weight in model.weights:
        if len(weight.shape) > 0:
            weight.assign(rng.normal(0, 0.5, weight.shape))
    compiled = keras.backend.backend() == "jax"  # The others are faster without, for so few steps.
    model.compile(keras.optimizers.Adam(0.05), jit_compile=compiled, run_eagerly=not compiled)
    return np.array(model.fit(images, labels, batch_size=64, epochs=20, verbose=0).history["loss"])


def outcomes(given=None):
    """The outcome of every variant, from the weights in another backend's outcomes, and every history."""
    found = {f"history of {name}": history(name) for name in LOSSES}
    for variant in VARIANTS:
        weights = given and [array for name, array in given.items() if name.startswith(f"{variant}/before")]
        found |= {f"{variant}/{name}": array for name, array in outcome(variant, weights).items()}
    return found


RUN = """
import sys
sys.path[:0] = {path!r}
import numpy as np
from tests.losses.test_backends import outcomes
np.savez({target!r}, **outcomes(dict(np.load({source!r}))))
"""


@pytest.fixture(scope="module")
def here():
    """Outcomes on the backend of this process."""
    keras.utils.set_random_seed(0)
    return outcomes()


@pytest.fixture(scope="module", params=OTHERS)
def there(request, here, tmp_path_factory):
    """Outcomes on another backend, from the same weights."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    source, target = (str(tmp_path_factory.mktemp(request.param) / f"{name}.npz") for name in ("here", "there"))
    np.savez(source, **here)
    path = [str(request.config.rootpath / folder) for folder in ("", "tests")]
    script = RUN.format(path=path, source=source, target=target)
    environment = os.environ | {"KERAS_BACKEND": request.param}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    return dict(np.load(target))


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_values_gradients_and_state_agree_across_backends(variant, here, there):
    names = [name for name in here if name.startswith(f"{variant}/")]
    assert names == [name for name in there if name.startswith(f"{variant}/")]
    for name in names:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_training_lowers_the_loss(name, here):
    losses = here[f"history of {name}"]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_training_takes_the_same_course_on_every_backend(name, here, there):
    np.testing.assert_allclose(there[f"history of {name}"], here[f"history of {name}"], rtol=1e-3)
