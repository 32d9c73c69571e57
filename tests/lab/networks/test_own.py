"""The networks for small images: their embedding, their sizes, and what is particular to the residual one."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy

from lab.networks import MODELS
from lab.networks.own import build_resnet

RNG = np.random.default_rng(0)


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


def test_the_residual_network_has_700_thousand_parameters():
    assert 650_000 < build_resnet((32, 32, 3), 64).count_params() < 750_000


@pytest.mark.parametrize(("size", "last"), [(28, 4), (32, 4), (48, 6), (64, 4), (96, 6)])
def test_its_last_stage_sees_4_to_6_pixels_each_way(size, last):
    network = build_resnet((size, size, 1), 8)
    (pooling,) = (layer for layer in network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    assert pooling.input.shape == (None, last, last, 128)


def test_a_block_starts_as_if_its_convolutions_were_not_there():
    """Of two blocks at one resolution, the second gives what it gets; the first a projection of the averages."""
    network = build_resnet((16, 16, 3), 8)
    sums = [layer for layer in network.layers if isinstance(layer, keras.layers.Add)]
    inside = keras.Model(network.input, [tensor for layer in sums for tensor in (*layer.input, layer.output)])
    images = RNG.integers(0, 256, (2, 16, 16, 3)).astype("uint8")
    found = [to_numpy(tensor) for tensor in inside(images)]
    assert len(sums) == 6
    for before, change, after in zip(found[::3], found[1::3], found[2::3], strict=True):
        assert np.abs(before).max() > 0
        np.testing.assert_array_equal(change, np.zeros_like(change))
        np.testing.assert_array_equal(after, before)
