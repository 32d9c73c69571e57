"""What every loss promises, for every entry of the registry and for every variant of its losses."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from gradients import finite_differences, value_and_gradient
from keras.ops import convert_to_numpy as to_numpy

from losses import LOSSES, CenterLoss, Softmax, TripletCenterLoss, TripletLoss
from models import MetricModel

CLASSES, DIM = 4, 3
VARIANTS = {
    "softmax": lambda **kw: Softmax(CLASSES, DIM, **kw),
    "center": lambda **kw: CenterLoss(CLASSES, DIM, **kw),
    "triplet_center": lambda **kw: TripletCenterLoss(CLASSES, DIM, margin=3.0, **kw),
    "semi_hard": lambda **kw: TripletLoss(1.0, **kw),
    "semi_hard_soft": lambda **kw: TripletLoss(soft_margin=True, **kw),
    "batch_hard": lambda **kw: TripletLoss(1.0, "batch_hard", **kw),
    "batch_hard_soft": lambda **kw: TripletLoss(1.0, "batch_hard", "euclidean", False, True, **kw),
    "batch_all": lambda **kw: TripletLoss(1.0, "batch_all", **kw),
    "batch_all_euclidean": lambda **kw: TripletLoss(1.0, "batch_all", "euclidean", **kw),
}
every_variant = pytest.mark.parametrize("variant", VARIANTS)
every_name = pytest.mark.parametrize("name", LOSSES)


def batch(seed=0, size=12):
    rng = np.random.default_rng(seed)
    return rng.integers(0, CLASSES, size), rng.normal(size=(size, DIM))


@every_variant
def test_gradient_equals_finite_differences(variant):
    loss = VARIANTS[variant](dtype="float64")
    for seed in range(3):
        labels, embeddings = batch(seed)
        value, gradient = value_and_gradient(loss, labels, embeddings)
        expected = finite_differences(lambda x, labels=labels: loss(labels, x), embeddings)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)
        assert value > 0
        assert np.abs(gradient).max() > 0


@every_variant
def test_order_of_the_batch_does_not_matter(variant):
    loss = VARIANTS[variant](dtype="float64")
    labels, embeddings = batch()
    order = np.random.default_rng(1).permutation(len(labels))
    assert float(loss(labels[order], embeddings[order])) == pytest.approx(float(loss(labels, embeddings)), rel=1e-12)


@every_variant
def test_renaming_the_classes_does_not_matter(variant):
    loss = VARIANTS[variant](dtype="float64")
    labels, embeddings = batch()
    value = float(loss(labels, embeddings))
    renamed = np.array([2, 0, 3, 1])  # Class j becomes renamed[j].
    for weight in loss.weights:
        rows = to_numpy(weight)
        moved = np.empty_like(rows)
        moved[renamed] = rows
        weight.assign(moved)
    assert float(loss(renamed[labels], embeddings)) == pytest.approx(value, rel=1e-12)


@every_variant
def test_rotating_the_space_does_not_matter(variant):
    loss = VARIANTS[variant](dtype="float64")
    labels, embeddings = batch()
    value = float(loss(labels, embeddings))
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(DIM, DIM)))
    for weight in loss.weights:
        if weight.shape[-1] == DIM:
            weight.assign(to_numpy(weight) @ rotation)
    assert float(loss(labels, embeddings @ rotation)) == pytest.approx(value, rel=1e-9)


DEGENERATE = {
    "one sample": ([2], [[0.3, 0.1, -1.0]]),
    "one class": ([1, 1, 1], [[1, 2, 3], [3, 2, 1], [0, 0, 1]]),
    "all classes distinct": ([0, 1, 2, 3], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]),
    "equal embeddings": ([0, 0, 1, 1], [[1, 2, 3]] * 4),
    "zero embeddings": ([0, 0, 1, 1], [[0, 0, 0]] * 4),
    "huge embeddings": ([0, 0, 1, 1], [[1e4, 0, 0], [0, 1e4, 0], [0, 0, 1e4], [1e4, 1e4, 0]]),
}


@every_variant
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_batches_have_finite_values_and_gradients(variant, case):
    labels, embeddings = DEGENERATE[case]
    value, gradient = value_and_gradient(VARIANTS[variant](), labels, np.array(embeddings, "float32"))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@every_variant
def test_an_embedding_on_its_own_weight_is_finite(variant):
    loss = VARIANTS[variant]()
    for weight in loss.weights:
        if len(weight.shape) == 2:
            value, gradient = value_and_gradient(loss, np.arange(CLASSES), to_numpy(weight))
            assert np.isfinite(value)
            assert np.isfinite(gradient).all()


@every_variant
def test_labels_may_be_a_column_or_floats(variant):
    loss = VARIANTS[variant]()
    labels, embeddings = batch()
    value = float(loss(labels, embeddings))
    assert float(loss(labels[:, None], embeddings)) == value
    assert float(loss(labels.astype("float32"), embeddings)) == value
    assert float(loss(labels.astype("int64"), embeddings)) == value


@every_variant
def test_one_hot_labels_are_refused_with_the_remedy(variant):
    labels, embeddings = batch()
    with pytest.raises(ValueError, match="argmax"):
        VARIANTS[variant]()(np.eye(CLASSES)[labels], embeddings)


@every_variant
def test_swapped_arguments_are_refused(variant):
    labels, embeddings = batch()
    with pytest.raises(ValueError, match=r"loss\(labels, embeddings\)"):
        VARIANTS[variant]()(embeddings, labels)


@every_variant
def test_labels_and_embeddings_of_different_length_are_refused(variant):
    labels, embeddings = batch()
    with pytest.raises(ValueError, match="one label per embedding"):
        VARIANTS[variant]()(labels[:-1], embeddings)


@every_variant
def test_config_round_trip_gives_the_same_loss(variant):
    loss = VARIANTS[variant]()
    copy = type(loss).from_config(loss.get_config())
    copy.set_weights(loss.get_weights())
    labels, embeddings = batch()
    assert copy.get_config() == loss.get_config()
    assert float(copy(labels, embeddings)) == float(loss(labels, embeddings))


@every_variant
def test_maths_is_float32_under_mixed_bfloat16(variant):
    labels, embeddings = batch()
    embeddings = keras.ops.cast(embeddings, "bfloat16")
    plain = VARIANTS[variant]()
    keras.config.set_dtype_policy("mixed_bfloat16")
    loss = VARIANTS[variant]()
    loss.set_weights(plain.get_weights())
    value = loss(labels, embeddings)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == pytest.approx(float(plain(labels, keras.ops.cast(embeddings, "float32"))), rel=1e-6)


def small_model(name):
    embedder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(DIM)])
    return MetricModel(embedder, LOSSES[name](CLASSES, DIM))


def images_and_labels():
    rng = np.random.default_rng(7)
    return rng.normal(size=(64, 6)).astype("float32"), np.arange(64) % CLASSES


@every_name
@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_logs_every_term_and_their_weighted_sum_and_trains_every_weight(name, jit_compile):
    model = small_model(name)
    model.compile(keras.optimizers.SGD(0.01), jit_compile=jit_compile)
    images, labels = images_and_labels()
    before = [to_numpy(weight) for weight in model.weights]
    logs = model.fit(images, labels, batch_size=32, epochs=1, verbose=0).history
    weighted = sum(weight * logs[term][0] for term, weight in model.term_weights.items())
    assert logs["loss"][0] == pytest.approx(weighted, rel=1e-5)
    assert np.isfinite(logs["loss"][0])
    for weight, old in zip(model.weights, before, strict=True):
        if "seed" not in weight.path:
            assert np.abs(to_numpy(weight) - old).max() > 0, f"{weight.path} did not move"


@every_name
def test_compiled_by_xla_it_trains_to_the_same_weights(name):
    images, labels = images_and_labels()
    results = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        model = small_model(name)
        model.compile(keras.optimizers.SGD(0.01), jit_compile=jit_compile)
        model.fit(images, labels, batch_size=32, epochs=1, verbose=0, shuffle=False)
        results.append(model.get_weights())
    for eager, compiled in zip(*results, strict=True):
        np.testing.assert_allclose(eager, compiled, rtol=1e-4, atol=1e-6)


@every_name
def test_evaluation_changes_no_weight_of_the_model(name):
    model = small_model(name)
    model.compile(keras.optimizers.SGD(0.01), jit_compile=False)
    before = model.get_weights()
    model.evaluate(*images_and_labels(), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


CONTINUE = """
import sys
sys.path[:0] = {path!r}
import keras
import numpy as np
from test_every_loss import images_and_labels, small_model
keras.utils.set_random_seed(1)
model = small_model({name!r})
model.compile(keras.optimizers.SGD(0.01), jit_compile=False)
images, labels = images_and_labels()
model(images[:1])
model.load_weights({weights!r})
loaded = model.evaluate(images, labels, batch_size=64, verbose=0)[0]
model.fit(images, labels, batch_size=64, epochs=1, verbose=0)
print("RESULT", loaded, model.evaluate(images, labels, batch_size=64, verbose=0)[0])
"""


@pytest.mark.slow
@every_name
def test_weights_loaded_in_a_fresh_process_give_the_same_loss_and_go_on_training(name, tmp_path, pytestconfig):
    model = small_model(name)
    model.compile(keras.optimizers.SGD(0.01), jit_compile=False)
    images, labels = images_and_labels()
    model.fit(images, labels, batch_size=64, epochs=2, verbose=0)
    weights = str(tmp_path / "model.weights.h5")
    model.save_weights(weights)
    here = model.evaluate(images, labels, batch_size=64, verbose=0)[0]
    path = [str(pytestconfig.rootpath / folder) for folder in ("", "tests", "tests/losses")]
    script = CONTINUE.format(path=path, name=name, weights=weights)
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    loaded, trained = map(float, output.split("RESULT")[1].split())
    assert loaded == pytest.approx(here, rel=1e-6)
    assert trained < loaded
