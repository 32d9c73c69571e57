"""Every variant of every loss gives the same values, gradients and next state on every backend."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import value_and_gradient, weight_gradient

from losses import LOSSES
from tests.losses.test_every_loss import CLASSES, VARIANTS, batch, make, small_model
from tests.losses.test_in_a_model import refused

pytestmark = [pytest.mark.xdist_group("backends"), pytest.mark.slow]  # They share what takes long to make.
OTHERS = [backend for backend in ("tensorflow", "jax", "torch") if backend != keras.backend.backend()]
# To compile an operation well takes JAX far longer than to run it; more threads would wait for those of the others.
FRUGAL = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1",
    "OMP_NUM_THREADS": "1",
}


def same_weights(layer):
    """The layer, with weights that are the same on every backend; a scalar stays what it starts at."""
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        if len(weight.shape) > 0:
            weight.assign(rng.normal(0, 0.5, weight.shape))
    return layer


def outcome(variant):
    """Dict of arrays: the weights after a training call, the value, the gradients, the weights after one more call."""
    labels, embeddings = batch()
    embeddings = embeddings.astype("float32")
    loss = same_weights(make(variant))
    loss(labels, -embeddings, training=True)
    found = {f"{weight.name} before": to_numpy(weight) for weight in loss.weights}
    found["value"], found["gradient"] = value_and_gradient(loss, labels, embeddings)
    for weight in loss.trainable_weights:
        found[f"gradient of {weight.name}"] = weight_gradient(loss, weight, labels, embeddings)
    loss(labels, embeddings, training=True)
    found["refused by compile"] = np.array(refused(loss))
    return found | {f"{weight.name} after": to_numpy(weight) for weight in loss.weights}


def history(name):
    """Loss of a small model in each of twenty steps, from the same weights on every backend."""
    rng = np.random.default_rng(0)
    labels = np.arange(64) % CLASSES
    images = np.eye(CLASSES, 6, dtype="float32")[labels] + rng.normal(0, 0.3, (64, 6)).astype("float32")
    model = same_weights(small_model(name))
    compiled = keras.backend.backend() == "jax"  # The others are faster without, for so few steps.
    model.compile(keras.optimizers.Adam(0.05), jit_compile=compiled, run_eagerly=not compiled)
    losses = []
    for _ in range(20):
        model.reset_metrics()  # Else the loss would be the mean over all steps so far.
        losses.append(model.train_on_batch(images, labels, return_dict=True)["loss"])
    return np.array(losses)


def outcomes(variants, names):
    """Arrays by name: the outcome of variants of losses, and the history of entries of the registry."""
    found = {f"history of {name}": history(name) for name in names}
    for variant in variants:
        found |= {f"{variant}/{name}": array for name, array in outcome(variant).items()}
    return found


RUN = """
import sys
sys.path[:0] = {path!r}
import numpy as np
from tests.losses.test_backends import outcomes
np.savez({target!r}, **outcomes(*{chosen!r}))
"""


@pytest.fixture(scope="session")
def chosen(request):
    """The variants and the names that the chosen tests are about."""
    items = [item for item in request.session.items if item.path == Path(__file__)]
    parameters = [item.callspec.params for item in items if hasattr(item, "callspec")]
    return [sorted({p[kind] for p in parameters if kind in p}) for kind in ("variant", "name")]


@pytest.fixture(scope="session")
def processes(request, chosen, tmp_path_factory):
    """Dict from each other backend that chosen tests ask to its process and the file it writes its outcomes to."""
    path = [str(request.config.rootpath / folder) for folder in ("", "tests")]
    started = {}
    for backend in OTHERS if any("there" in item.fixturenames for item in request.session.items) else []:
        target = str(tmp_path_factory.mktemp(backend) / "outcomes.npz")
        script = RUN.format(path=path, target=target, chosen=chosen)
        environment = os.environ | FRUGAL | {"KERAS_BACKEND": backend}
        started[backend] = subprocess.Popen([sys.executable, "-c", script], env=environment), target
    yield started
    for process, _ in started.values():
        process.kill()


@pytest.fixture(scope="session")
def here(processes, chosen):
    """Outcomes on the backend of this process, found while the others are at work."""
    return outcomes(*chosen)


@pytest.fixture(scope="session", params=OTHERS)
def there(request, here, processes):
    """Outcomes on another backend."""
    process, target = processes[request.param]
    assert process.wait() == 0, f"{request.param} failed: see what it wrote to standard error"
    return dict(np.load(target))


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_values_gradients_and_state_agree_across_backends(variant, here, there):
    names = [name for name in here if name.startswith(f"{variant}/")]
    assert names == [name for name in there if name.startswith(f"{variant}/")]
    for name in names:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", LOSSES)
def test_training_lowers_the_loss(name, here):
    losses = here[f"history of {name}"]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.long
@pytest.mark.parametrize("name", LOSSES)
def test_training_takes_the_same_course_on_every_backend(name, here, there):
    np.testing.assert_allclose(there[f"history of {name}"], here[f"history of {name}"], rtol=1e-3)


ONE_GRAPH = """
import sys
sys.path[:0] = {path!r}
import torch
from losses import ArcFace
from tests.losses.test_every_loss import STATE, batch
labels, embeddings = map(torch.as_tensor, batch())
loss = ArcFace(*STATE)
whole = torch.compile(loss, fullgraph=True, backend="eager")
torch.testing.assert_close(whole(labels, embeddings), loss(labels, embeddings))
"""


@pytest.mark.long
def test_pytorch_compiles_a_loss_with_state_as_one_graph(request):
    script = ONE_GRAPH.format(path=[str(request.config.rootpath / folder) for folder in ("", "tests")])
    subprocess.run([sys.executable, "-c", script], env=os.environ | FRUGAL | {"KERAS_BACKEND": "torch"}, check=True)
