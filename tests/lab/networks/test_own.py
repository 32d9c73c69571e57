"""What is particular to the networks for small images; what they share is tested in test_models.py."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy

from lab.networks.own import build_resnet

RNG = np.random.default_rng(0)


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
