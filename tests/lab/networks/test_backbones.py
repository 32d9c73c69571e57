"""The networks of `keras.applications`: their pixels, weights and normalisation, and what they refuse."""

import inspect
import urllib.error

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.small_network import small_settings

from lab.networks import backbones, build_embedder, start_averages
from lab.networks.backbones import _preprocessed

RNG = np.random.default_rng(0)
COLOR, GREY = (RNG.integers(0, 256, (4, 32, 32, channels)).astype("uint8") for channels in (3, 1))
SMALL = "MobileNetV3Small"


def families():
    """Dict from a module of `keras.applications` to the function that prepares pixels for its networks."""
    modules = {inspect.getmodule(getattr(keras.applications, name)) for name in backbones()}
    return {module.__name__.split(".")[-1]: module.preprocess_input for module in modules}


def test_every_network_that_has_weights_is_a_backbone():
    assert {"ConvNeXtTiny", "EfficientNetV2B0", "MobileNetV3Small", "ResNet50", "VGG16"} <= {*backbones()}
    assert len(backbones()) == len({*backbones()}) >= 40


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("family", sorted(families()))
def test_pixels_are_prepared_as_each_family_prepares_them(family, channels):
    images = RNG.integers(0, 256, (2, 4, 5, channels)).astype("float32")
    pixels = keras.Input((4, 5, channels))
    model = keras.Model(pixels, _preprocessed(pixels, families()[family]))
    expected = families()[family](np.broadcast_to(images, (2, 4, 5, 3)).copy())
    np.testing.assert_allclose(to_numpy(model(images)), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("images", [COLOR, GREY], ids=["colour", "grey"])
def test_the_embedding_follows_what_the_backbone_makes_of_the_prepared_images(images):
    """ResNet50 wants blue before green before red, and their means subtracted."""
    embedder = build_embedder(small_settings(model="ResNet50"), images.shape[1:])
    bare = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")
    bare.set_weights(embedder.get_weights()[:-2])
    means = np.array([103.939, 116.779, 123.68], "float32")
    found = to_numpy(bare(np.broadcast_to(images, (4, 32, 32, 3))[..., ::-1] - means))
    kernel, bias = embedder.get_layer("embedding").get_weights()
    np.testing.assert_allclose(to_numpy(embedder(images)), found @ kernel + bias, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module", params=[".weights.h5", ".h5"])
def weights(request, tmp_path_factory):
    """A file of weights as Keras saves them, new or old, and the network they are of."""
    path = tmp_path_factory.mktemp("weights") / f"small{request.param}"
    network = keras.applications.MobileNetV3Small(
        include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg"
    )
    start_averages(network, COLOR)
    network.save_weights(path) if request.param == ".weights.h5" else network.save(path)
    return str(path), network


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_weights_are_those_of_the_file(weights):
    path, network = weights
    embedder = build_embedder(small_settings(model=SMALL, weights=path), (32, 32, 1))
    for found, expected in zip(embedder.get_weights(), network.get_weights(), strict=False):
        np.testing.assert_array_equal(found, expected)
    assert len(embedder.get_weights()) == len(network.get_weights()) + 2


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_frozen_backbone_trains_the_embedding_alone_and_keeps_its_averages(weights):
    settings = small_settings(model=SMALL, weights=weights[0], freeze=True)
    embedder = build_embedder(settings, (32, 32, 3))
    before = embedder.get_weights()
    embedder(COLOR, training=True)
    assert [weight.path for weight in embedder.trainable_weights] == ["embedding/kernel", "embedding/bias"]
    for old, new in zip(before, embedder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_random_weights_start_with_averages_of_the_images():
    embedder = build_embedder(small_settings(model=SMALL), (32, 32, 3))
    start_averages(embedder, COLOR)
    first = embedder.get_layer("conv_bn")
    before = to_numpy(keras.Model(embedder.input, first.input)(COLOR))
    np.testing.assert_allclose(to_numpy(first.moving_mean), before.mean((0, 1, 2)), atol=1e-5)


def test_averages_follow_within_the_steps_of_a_training():
    """Those of Keras' MobileNets have, after 500 steps, 0.999^500 = 61 % of where they began."""
    embedder = build_embedder(small_settings(model=SMALL), (32, 32, 3))
    left = [layer.momentum**500 for layer in embedder.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(left) == 34
    assert max(left) < 0.01


@pytest.mark.parametrize(
    ("changes", "shape", "message"),
    [
        ({"model": "Xception"}, (64, 80, 3), r"at least 71 x 71 pixels: --image-size 71x71.*Received: 64 x 80"),
        ({"model": SMALL}, (28, 28, 1), r"at least 32 x 32 pixels"),
        ({"model": SMALL}, (32, 32, 4), r"1 or 3 channels\. Received: 4"),
        ({"model": SMALL, "freeze": True}, (32, 32, 3), "frozen at random weights"),
        ({"model": SMALL, "weights": "none.h5"}, (32, 32, 3), r"There is no file none\.h5\. .*include_top=False"),
        ({"model": "resnet", "weights": "imagenet"}, (32, 32, 3), "only a backbone"),
        ({"model": "cnn", "freeze": True}, (32, 32, 3), "only a backbone"),
        ({"model": "ResNet"}, (32, 32, 3), r"Unknown network: ResNet\. Valid: cnn, .*ResNet50"),
    ],
)
def test_what_cannot_be_built_is_refused(changes, shape, message):
    with pytest.raises(ValueError, match=message):
        build_embedder(small_settings(**changes), shape)


def test_a_file_of_another_network_is_refused(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match=r"other\.weights\.h5 cannot be had(?s:.*)saved of MobileNetV3Small with"):
        build_embedder(small_settings(model=SMALL, weights=str(tmp_path / "other.weights.h5")), (32, 32, 3))


def test_a_download_that_fails_says_from_where_it_was_and_that_a_file_will_do(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", refuse)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    with pytest.raises(ValueError, match=r"https://storage\.googleapis\.com.*no network.*path of a file"):
        build_embedder(small_settings(model=SMALL, weights="imagenet"), (64, 64, 3))
