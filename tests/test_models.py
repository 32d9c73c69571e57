"""The networks, their normalisation, and the model that trains them under several terms."""

import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy as to_numpy
from support.small_network import few_digits, small_model, small_settings

import models
from losses import CenterLoss, ExponentialCenterLoss, ProxyNCALoss, Softmax, SubCenterArcFace, TripletLoss
from models import MODELS, FusedBatchNormalization, MetricModel, build_model, portable, start_averages

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


IMAGES = RNG.integers(0, 256, (5, 28, 28, 1)).astype("uint8")


def trained_cnn(policy):
    """A network whose statistics are not those it starts with, the same under every policy."""
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(0)
    embedder = MODELS["cnn"]((28, 28, 1), 8)
    start_averages(embedder, IMAGES)
    return embedder


@pytest.fixture
def saved(tmp_path):
    """The file of an embedder that was trained in mixed precision, as a run leaves it, and what it was saved from."""
    embedder = trained_cnn("mixed_bfloat16")
    portable(embedder).save(tmp_path / "embedder.keras")
    keras.config.set_dtype_policy("float32")
    return tmp_path / "embedder.keras", embedder


def in_float32(embedder):
    """The embeddings of the images by a network of its weights that was built in float32."""
    exact = trained_cnn("float32")
    exact.set_weights(embedder.get_weights())
    return to_numpy(exact(IMAGES))


def test_a_saved_embedder_is_float32_and_agrees_with_the_one_in_mixed_precision_up_to_its_rounding(saved):
    path, embedder = saved
    with zipfile.ZipFile(path) as parts:
        assert b"bfloat16" not in parts.read("config.json")
    loaded = keras.models.load_model(path)
    assert {layer.dtype_policy.name for layer in loaded.layers} == {"float32"}
    found, own = to_numpy(loaded(IMAGES)), to_numpy(embedder(IMAGES))
    np.testing.assert_allclose(found, in_float32(embedder), atol=1e-6 * abs(own).max())
    np.testing.assert_allclose(found, own, atol=0.02 * abs(own).max())  # bfloat16 has 8 bits, 1 in 256.


def test_a_saved_embedder_takes_images_without_the_axis_of_their_channel(saved):
    loaded = keras.models.load_model(saved[0])
    np.testing.assert_array_equal(to_numpy(loaded(IMAGES[..., 0])), to_numpy(loaded(IMAGES)))
    np.testing.assert_allclose(loaded.predict(IMAGES[..., 0], verbose=0), to_numpy(loaded(IMAGES)), rtol=1e-5)


LOAD = """
import sys
import keras
import numpy as np
embedder = keras.models.load_model(sys.argv[1])
np.save(sys.argv[3], embedder.predict(np.load(sys.argv[2]), verbose=0))
"""
CONVERT = """
import sys
import keras
import numpy as np
import onnx.reference
import tensorflow as tf
embedder, images = keras.models.load_model(sys.argv[1]), np.load(sys.argv[2]).astype("float32")
embedder(images)
embedder.export("saved_model")
embedder.export("embedder.onnx", format="onnx")
served = tf.saved_model.load("saved_model")
found = [served.serve(images).numpy()]
lite = tf.lite.Interpreter(model_content=tf.lite.TFLiteConverter.from_saved_model("saved_model").convert())
(into,), (out,) = lite.get_input_details(), lite.get_output_details()
lite.resize_tensor_input(into["index"], images.shape)
lite.allocate_tensors()
lite.set_tensor(into["index"], images)
lite.invoke()
found.append(lite.get_tensor(out["index"]))
other = onnx.reference.ReferenceEvaluator("embedder.onnx")
found += other.run(None, {other.input_names[0]: images})
np.save(sys.argv[3], found)
"""


def made_elsewhere(script, path, backend="tensorflow"):
    """What a script, in a fresh process without this project, makes of a saved embedder and the images."""
    np.save(path.with_name("images.npy"), IMAGES)
    arguments = [path, path.with_name("images.npy"), path.with_name("found.npy")]
    environment = os.environ | {"KERAS_BACKEND": backend}
    subprocess.run([sys.executable, "-c", script, *arguments], cwd=path.parent, env=environment, check=True)
    return np.load(arguments[2])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_saved_embedder_loads_in_a_fresh_process_without_this_project(saved, backend):
    path, embedder = saved
    expected = in_float32(embedder)
    np.testing.assert_allclose(made_elsewhere(LOAD, path, backend), expected, atol=1e-5 * abs(expected).max())


@pytest.mark.slow
def test_a_saved_embedder_converts_to_saved_model_tflite_and_onnx(saved):
    path, embedder = saved
    expected, found = in_float32(embedder), made_elsewhere(CONVERT, path)
    assert len(found) == 3
    np.testing.assert_allclose(found, [expected] * 3, atol=1e-5 * abs(expected).max())


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


def test_a_loss_in_compile_is_refused():
    """It would be left out without a word."""
    model = linear_model({"softmax": (1.0, Softmax(3, 2))})
    model.compile("sgd", loss=TripletLoss(), jit_compile=False)
    with pytest.raises(ValueError, match="its terms"):
        model.fit(np.zeros((4, 2)), np.zeros(4, int), verbose=0)


def test_a_head_that_is_not_trained_is_no_classifier():
    terms = {"softmax": (0.0, Softmax(3, 2)), "center": (1.0, CenterLoss(3, 2))}
    assert linear_model(terms).classifier is None


def model_of(loss):
    """A model of one term, which no embedder is needed for."""
    return MetricModel(None, {"loss": (1.0, loss)})


@pytest.mark.parametrize(
    ("loss", "shape"),
    [(Softmax(4, 3), (4, 1, 3)), (ProxyNCALoss(4, 3), (4, 1, 3)), (SubCenterArcFace(4, 3, 2), (4, 2, 3))],
)
def test_directions_are_the_class_weights_or_proxies(loss, shape):
    assert model_of(loss).class_directions.shape == shape


def test_a_loss_without_class_weights_or_weight_has_no_directions():
    model = MetricModel(None, {"triplet": (1.0, TripletLoss()), "softmax": (0.0, Softmax(4, 3))})
    assert model.class_directions is None


def test_centers_are_shown_where_they_are_in_the_space_of_the_embeddings():
    assert model_of(CenterLoss(4, 3)).shown_centers.shape == (4, 3)
    assert model_of(ProxyNCALoss(4, 3)).shown_centers is None  # Directions.
    assert model_of(ExponentialCenterLoss(4, 3)).shown_centers is None  # In a ball, where the embeddings are not.
    assert model_of(TripletLoss()).shown_centers is None


def test_what_is_learned_for_a_class_is_its_center_or_its_proxy():
    for loss, own in ((CenterLoss, "centers"), (ProxyNCALoss, "proxies"), (ExponentialCenterLoss, "centers")):
        term = loss(4, 3)
        np.testing.assert_array_equal(model_of(term).learned_centers, to_numpy(getattr(term, own)))
    assert model_of(Softmax(4, 3)).learned_centers is None


def test_embeddings_of_many_images_are_made_part_by_part(monkeypatch):
    model, images = linear_model({"softmax": (1.0, Softmax(3, 2))}), RNG.normal(size=(10, 2)).astype("float32")
    sizes, predict = [], model.predict_on_batch
    monkeypatch.setattr(models, "IMAGES_AT_A_TIME", 4)
    monkeypatch.setattr(model, "predict_on_batch", lambda part: sizes.append(len(part)) or predict(part))
    found = model.embed(images)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, to_numpy(model.embedder(images)), rtol=1e-5)
    assert sizes == [4, 4, 2]


def test_logits_are_those_of_the_classifier_if_there_is_one():
    embeddings, loss = RNG.normal(size=(5, 2)).astype("float32"), Softmax(3, 2)
    found = linear_model({"softmax": (1.0, loss)}).class_logits(embeddings)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, embeddings @ to_numpy(loss.class_weights).T + to_numpy(loss.bias), rtol=1e-5)
    assert linear_model({"center": (1.0, CenterLoss(3, 2))}).class_logits(embeddings) is None


def test_every_loss_starts_from_the_same_network_and_head():
    starts = {}
    for loss in ("softmax", "center", "triplet", "triplet_center"):
        keras.utils.set_random_seed(len(starts))  # The model's own seed counts.
        model = build_model(small_settings(loss, seed=3), (28, 28, 1), 10)
        starts[loss] = [*model.embedder.get_weights(), *model.classifier.get_weights()]
    for loss, weights in starts.items():
        for first, other in zip(starts["softmax"], weights, strict=True):
            np.testing.assert_array_equal(first, other, err_msg=loss)


def test_another_seed_starts_from_another_network():
    one, other = (small_model(small_settings(seed=seed), few_digits()).get_weights() for seed in (0, 1))
    assert any(np.abs(a - b).max() > 0.01 for a, b in zip(one, other, strict=True))


def test_a_model_is_built_as_the_settings_say():
    settings = small_settings("triplet", model="lenet++", embedding_dim=5, overrides={"margin": 0.7})
    model = build_model(settings, (28, 28, 1), 10)
    assert model.embedder.name == "lenet_plus_plus"
    assert model.embedder.output_shape == (None, 5)
    assert model.terms.keys() == {"softmax", "triplet"}
    assert model.terms["triplet"].margin == 0.7


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_policy_asked_for_is_the_one_the_network_computes_in(policy):
    model = small_model(small_settings(precision=policy), few_digits())
    convolution = next(layer for layer in model.embedder.layers if isinstance(layer, keras.layers.Conv2D))
    assert convolution.compute_dtype == policy.removeprefix("mixed_")
    assert model.embedder.layers[-1].compute_dtype == "float32"
    assert model.embed(few_digits().test.images[:3]).dtype == np.float32
