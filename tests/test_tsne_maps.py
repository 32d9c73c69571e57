"""The maps of a run: the same images and layouts for every loss, and nothing else of the process changed."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from data import load_dataset, part_of
from evaluation.vectors import l2_normalize
from training import Settings
from tsne_maps import INDICES, draw_maps, select

SETTINGS = Settings("digits", "softmax", 0, 1, perplexity=10.0, tsne_iterations=300)


@pytest.fixture(scope="module")
def digits():
    return part_of(load_dataset("digits"), 300, 100)


@pytest.fixture(scope="module")
def pixels(digits):
    return {part: l2_normalize(split.pixels) for part, split in digits.parts.items()}


@pytest.fixture(scope="module")
def baseline(digits, pixels):
    selection = select(digits, pixels, SETTINGS)
    return selection | draw_maps(digits, pixels, selection, SETTINGS)[1]


def test_two_maps_at_once_are_the_same_as_ever_and_leave_the_threads_of_the_process(digits, pixels, baseline):
    before = [(pool["user_api"], pool["num_threads"]) for pool in threadpool_info()]
    _, arrays = draw_maps(digits, pixels, baseline, SETTINGS)
    assert [(pool["user_api"], pool["num_threads"]) for pool in threadpool_info()] == before
    for name, array in arrays.items():
        np.testing.assert_allclose(array, baseline[name], atol=1e-3, err_msg=name)


def test_every_map_shows_the_selected_images_with_their_classes(digits, pixels, baseline):
    maps, arrays = draw_maps(digits, pixels, baseline, SETTINGS)
    for part, split in (("test", digits.test), ("train", digits.train)):
        indices = baseline[INDICES[part]]
        np.testing.assert_array_equal(arrays[f"tsne_{part}_labels"], split.labels[indices])
        assert arrays[f"tsne_{part}"].shape == (maps[part]["n"], 2) == (len(indices), 2)


def test_an_embedding_with_the_same_distances_lies_as_the_pixels_do(digits, pixels, baseline):
    turned = baseline | {"tsne_test": baseline["tsne_test"] @ np.array([[0, 1], [1, 0]])}
    _, arrays = draw_maps(digits, pixels, turned, SETTINGS)
    np.testing.assert_allclose(arrays["tsne_test"], turned["tsne_test"], atol=1.0)
