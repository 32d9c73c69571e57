"""The networks, their normalisation, and the model that trains them under several terms."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy as to_numpy

from losses import CenterLoss, Softmax
from models import MODELS, FusedBatchNormalization, MetricModel, portable, start_averages

RNG = np.random.default_rng(0)


def both_normalizations():
    layers = FusedBatchNormalization(momentum=0.7), keras.layers.BatchNormalization(momentum=0.7)
    for layer in layers:
        layer.build((None, 5, 5, 3))
        layer.set_weights(np.array([[1.5, 0.5, 1.0], [0.1, -0.2, 0.0], [0.3, 0.0, -0.4], [1.2, 0.8, 2.0]]))
    return layers


@pytest.mark.parametrize("training", [False, True])
def test_fused_normalization_gives_the_results_gradients_and_state_of_keras(training):
    images = RNG.normal(1, 2, (4, 5, 5, 3)).astype("float32")
    upstream = RNG.normal(size=images.shape).astype("float32")
    results = []
    for layer in both_normalizations():
        inputs = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=training)
            value = tf.reduce_sum(outputs * upstream)
        gradients = tape.gradient(value, [inputs, layer.gamma.value, layer.beta.value])
        results.append([to_numpy(outputs), *map(to_numpy, gradients), *layer.get_weights()])
    for fused, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=2e-4, atol=2e-5)


def test_fused_normalization_of_vectors_is_that_of_keras():
    rows = RNG.normal(size=(6, 3)).astype("float32")
    np.testing.assert_allclose(
        to_numpy(FusedBatchNormalization()(rows, training=True)),
        to_numpy(keras.layers.BatchNormalization()(rows, training=True)),
    )


def test_frozen_normalization_keeps_its_statistics():
    layer, _ = both_normalizations()
    layer.trainable = False
    before = layer.get_weights()
    layer(RNG.normal(size=(4, 5, 5, 3)).astype("float32"), training=True)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_averages_of_normalization_start_at_those_of_the_images_and_nothing_else_changes():
    embedder = MODELS["cnn"]((28, 28, 1), 8)
    images = RNG.integers(0, 256, (32, 28, 28, 1)).astype("uint8")
    averages = [w for w in embedder.non_trainable_weights if "moving" in w.path]
    before = {w.path: to_numpy(w) for w in embedder.variables if "moving" not in w.path}
    assert any("seed" in path for path in before)
    start_averages(embedder, images)
    first_convolution = keras.Model(embedder.input, embedder.layers[2].output)(images)
    mean, variance = averages[0], averages[1]
    np.testing.assert_allclose(to_numpy(mean), to_numpy(first_convolution).mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(to_numpy(variance), to_numpy(first_convolution).var((0, 1, 2)), rtol=1e-3)
    for weight in embedder.variables:
        if "moving" not in weight.path:
            np.testing.assert_array_equal(to_numpy(weight), before[weight.path], err_msg=weight.path)
    assert {layer.momentum for layer in embedder.layers if isinstance(layer, FusedBatchNormalization)} == {0.9}


@pytest.mark.parametrize(
    ("init", "mean", "deviation"), [("glorot", 0, (6 / 192 / 3) ** 0.5), ("normal", 0, 1), ("uniform", 0.5, 12**-0.5)]
)
@pytest.mark.parametrize("name", MODELS)
def test_the_embedding_starts_as_asked_and_anew_from_every_seed(name, init, mean, deviation):
    kernels = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        embedder = MODELS[name]((28, 28, 1), 64, init)
        kernels.append(to_numpy(embedder.get_layer("embedding").kernel))
    assert kernels[0].mean() == pytest.approx(mean, abs=0.05)
    if name == "cnn":
        assert kernels[0].std() == pytest.approx(deviation, rel=0.05)
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 0


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_embeddings_are_float32_of_the_wanted_length_and_can_be_negative(name, policy):
    keras.config.set_dtype_policy(policy)
    embedder = MODELS[name]((28, 28, 1), 16)
    embeddings = embedder(RNG.integers(0, 256, (3, 28, 28, 1)).astype("uint8"))
    assert embeddings.shape == (3, 16)
    assert keras.backend.standardize_dtype(embeddings.dtype) == "float32"
    assert to_numpy(embeddings).min() < 0


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (8, 8, 1)])
def test_the_networks_take_other_image_sizes(name, shape):
    assert MODELS[name](shape, 4)(np.zeros((2, *shape), "uint8")).shape == (2, 4)


def test_the_default_network_has_between_100_and_300_thousand_parameters():
    assert 100_000 < MODELS["cnn"]((28, 28, 1), 64).count_params() < 300_000


LOAD = """
import sys
import keras
import numpy as np
embedder = keras.models.load_model(sys.argv[1])
print("SUM", float(np.abs(embedder.predict(np.full((2, 28, 28, 1), 99, "uint8"), verbose=0)).sum()))
"""


@pytest.mark.slow
def test_a_saved_embedder_loads_in_a_fresh_process_without_this_project(tmp_path):
    embedder = MODELS["cnn"]((28, 28, 1), 8)
    embedder(RNG.integers(0, 256, (8, 28, 28, 1)).astype("float32"), training=True)  # Moves the statistics.
    path = tmp_path / "embedder.keras"
    portable(embedder).save(path)
    expected = np.abs(to_numpy(embedder(np.full((2, 28, 28, 1), 99, "uint8")))).sum()
    output = subprocess.run(
        [sys.executable, "-c", LOAD, str(path)], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert float(output.split("SUM")[1]) == pytest.approx(expected, rel=1e-4)


def linear_model(terms):
    return MetricModel(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]), terms)


def test_the_loss_is_the_weighted_sum_of_its_terms():
    terms = {"softmax": (2.0, Softmax(3, 2)), "center": (0.5, CenterLoss(3, 2))}
    model = linear_model(terms)
    model.compile("sgd", jit_compile=False)
    embeddings, labels = RNG.normal(size=(4, 2)).astype("float32"), np.array([0, 1, 2, 0])
    expected = 2 * float(terms["softmax"][1](labels, embeddings)) + 0.5 * float(terms["center"][1](labels, embeddings))
    assert float(model.compute_loss(y=labels, y_pred=embeddings, training=False)) == pytest.approx(expected)


def test_weights_and_centers_of_the_losses_belong_to_the_model():
    model = linear_model({"softmax": (1.0, Softmax(3, 2)), "center": (1.0, CenterLoss(3, 2))})
    trainable = {weight.name for weight in model.trainable_variables}
    assert {"class_weights", "bias"} <= trainable
    assert "centers" in {weight.name for weight in model.non_trainable_variables}


def test_predict_needs_no_labels_and_gives_embeddings():
    model = linear_model({"softmax": (1.0, Softmax(3, 2))})
    assert model.predict(np.zeros((5, 2)), verbose=0).shape == (5, 2)


def test_a_penalty_of_the_network_is_part_of_the_loss():
    embedder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(1))])
    model = MetricModel(embedder, {"softmax": (0.0, Softmax(3, 2))})
    expected = (to_numpy(embedder.layers[0].kernel) ** 2).sum()
    value = model.compute_loss(y=np.array([0]), y_pred=np.zeros((1, 2), "float32"), training=False)
    assert float(value) == pytest.approx(expected, rel=1e-6)


def test_the_head_accuracy_is_logged():
    loss = Softmax(2, 2)
    loss.class_weights.assign([[1.0, 0.0], [-1.0, 0.0]])
    embedder = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    model = MetricModel(embedder, {"softmax": (1.0, loss)})
    model.compile(jit_compile=False)
    logs = model.evaluate(
        np.array([[1.0, 0], [2, 0], [-1, 0], [1, 0]]), np.array([0, 0, 1, 1]), verbose=0, return_dict=True
    )
    assert logs["head_accuracy"] == 0.75


def test_sample_weights_are_refused():
    model = linear_model({"softmax": (1.0, Softmax(3, 2))})
    model.compile("sgd", jit_compile=False)
    with pytest.raises(ValueError, match="sample weights"):
        model.fit(np.zeros((4, 2)), np.zeros(4, int), sample_weight=np.ones(4), verbose=0)


def test_a_head_that_is_not_trained_is_no_classifier():
    terms = {"softmax": (0.0, Softmax(3, 2)), "center": (1.0, CenterLoss(3, 2))}
    assert linear_model(terms).classifier is None
