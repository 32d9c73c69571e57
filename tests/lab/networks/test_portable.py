"""Embedders as a run saves them: float32, of Keras' own layers, for use without this project."""

import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.small_network import small_settings

from lab.networks import MODELS, build_embedder, portable, start_averages

RNG = np.random.default_rng(0)
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


def test_the_embedding_of_both_sides_of_an_image_is_the_mean_of_their_embeddings(saved, tmp_path):
    path, embedder = saved
    portable(embedder, both_sides=True).save(tmp_path / "both.keras")
    both, one = keras.models.load_model(tmp_path / "both.keras"), keras.models.load_model(path)
    expected = (to_numpy(one(IMAGES)) + to_numpy(one(IMAGES[:, :, ::-1]))) / 2
    np.testing.assert_allclose(to_numpy(both(IMAGES)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(both.predict(IMAGES[:, :, ::-1], verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_a_saved_embedder_takes_images_without_the_axis_of_their_channel(saved):
    loaded = keras.models.load_model(saved[0])
    np.testing.assert_array_equal(to_numpy(loaded(IMAGES[..., 0])), to_numpy(loaded(IMAGES)))
    np.testing.assert_allclose(loaded.predict(IMAGES[..., 0], verbose=0), to_numpy(loaded(IMAGES)), rtol=1e-5)


LOAD = """
import pathlib
import keras
import numpy as np
images = np.load("images.npy")
embedders = {path.stem: keras.models.load_model(path) for path in pathlib.Path().glob("*.keras")}
np.savez("found.npz", **{name: embedder.predict(images, verbose=0) for name, embedder in embedders.items()})
"""
CONVERT = """
import keras
import numpy as np
import onnx.reference
import tensorflow as tf
embedder, images = keras.models.load_model("embedder.keras"), np.load("images.npy").astype("float32")
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
np.savez("found.npz", *found)
"""


def made_elsewhere(script, folder, images, backend="tensorflow"):
    """Dict of what a script, in a fresh process without this project, makes of embedders in a folder and images."""
    np.save(folder / "images.npy", images)
    environment = os.environ | {"KERAS_BACKEND": backend}
    subprocess.run([sys.executable, "-c", script], cwd=folder, env=environment, check=True)
    return dict(np.load(folder / "found.npz"))


@pytest.mark.long
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_saved_embedder_loads_in_a_fresh_process_without_this_project(saved, backend):
    path, embedder = saved
    expected = in_float32(embedder)
    (found,) = made_elsewhere(LOAD, path.parent, IMAGES, backend).values()
    np.testing.assert_allclose(found, expected, atol=1e-5 * abs(expected).max())


@pytest.mark.slow
def test_a_saved_embedder_converts_to_saved_model_tflite_and_onnx(saved):
    path, embedder = saved
    expected, found = in_float32(embedder), made_elsewhere(CONVERT, path.parent, IMAGES)
    assert len(found) == 3
    np.testing.assert_allclose([*found.values()], [expected] * 3, atol=1e-5 * abs(expected).max())


COLOR = RNG.integers(0, 256, (4, 32, 32, 3)).astype("uint8")


@pytest.mark.parametrize("name", ["MobileNetV3Small", "ConvNeXtTiny"])  # The second has networks in the network.
def test_a_backbone_that_was_trained_in_mixed_precision_is_saved_in_float32(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    embedder = build_embedder(small_settings(model=name), COLOR.shape[1:])
    copy = portable(embedder)
    keras.config.set_dtype_policy("float32")
    exact = build_embedder(small_settings(model=name), COLOR.shape[1:])
    exact.set_weights(embedder.get_weights())
    np.testing.assert_array_equal(to_numpy(copy(COLOR)), to_numpy(exact(COLOR)))


@pytest.mark.slow
def test_every_kind_of_network_loads_in_a_fresh_process_without_this_project(tmp_path):
    expected = {}
    for name in ("cnn", "resnet", "MobileNetV3Small", "ConvNeXtTiny", "EfficientNetV2B0", "ResNet50"):
        embedder = build_embedder(small_settings(model=name), COLOR.shape[1:])
        start_averages(embedder, COLOR)
        portable(embedder).save(tmp_path / f"{name}.keras")
        expected[name] = embedder.predict(COLOR, verbose=0)
    found = made_elsewhere(LOAD, tmp_path, COLOR)
    assert found.keys() == expected.keys()
    for name, embeddings in expected.items():
        np.testing.assert_allclose(found[name], embeddings, atol=1e-5 * abs(embeddings).max(), err_msg=name)
