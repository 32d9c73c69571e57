"""Images become vectors of their pixels, or of means of blocks where those would be too many."""

import numpy as np
import pytest

from lab import pixels
from lab.pixels import pixel_vectors, reduced


def images_of(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


class Lazy:
    """Images that are read when they are asked for, and never all of them."""

    def __init__(self, images):
        self.images, self.shape = images, images.shape

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        assert len(self.images[rows]) <= pixels.IMAGES
        return self.images[rows]


def test_pixels_are_vectors_of_numbers_from_0_to_1():
    vectors = pixel_vectors(np.array([[[[0], [255]]], [[[51], [102]]]], np.uint8))
    np.testing.assert_array_equal(vectors, np.array([[0, 1], [0.2, 0.4]], np.float32))
    assert vectors.dtype == np.float32


@pytest.mark.parametrize("shape", [(5, 28, 28, 1), (5, 32, 32, 3), (5, 8, 100, 4)])
def test_up_to_32_by_32_they_are_the_pixels_themselves(shape):
    images = images_of(*shape)
    np.testing.assert_array_equal(pixel_vectors(images), images.reshape(5, -1).astype(np.float32) / 255)


@pytest.mark.parametrize(("shape", "side"), [((3, 64, 64, 3), 2), ((3, 33, 50, 1), 2), ((3, 224, 100, 3), 5)])
def test_of_larger_images_they_are_the_means_of_square_blocks(shape, side):
    images = images_of(*shape)
    _, height, width, channels = shape
    expected = [
        [
            image[top : top + side, left : left + side, channel].mean() / 255
            for top in range(0, height, side)
            for left in range(0, width, side)
            for channel in range(channels)
        ]
        for image in images
    ]
    np.testing.assert_allclose(pixel_vectors(images), expected, rtol=1e-5)


def test_the_vectors_of_a_part_stay_below_a_size_and_those_of_a_smaller_part_are_alike(monkeypatch):
    monkeypatch.setattr(pixels, "VECTOR_BYTES", 4 * 100 * 30)
    images = images_of(100, 10, 10, 1)
    vectors = pixel_vectors(images)
    assert vectors.shape == (100, 25)
    np.testing.assert_array_equal(pixel_vectors(images[:7], largest_part=100), vectors[:7])
    assert pixel_vectors(images[:7]).shape == (7, 100)


def test_of_very_many_images_the_vector_is_one_mean(monkeypatch):
    monkeypatch.setattr(pixels, "VECTOR_BYTES", 1)
    images = images_of(4, 9, 12, 1)
    np.testing.assert_allclose(pixel_vectors(images)[:, 0], images.mean(axis=(1, 2, 3)) / 255, rtol=1e-5)


def test_images_are_read_some_at_a_time(monkeypatch):
    monkeypatch.setattr(pixels, "IMAGES", 3)
    images = images_of(10, 40, 40, 3)
    np.testing.assert_array_equal(pixel_vectors(Lazy(images)), pixel_vectors(images))
    assert pixel_vectors(images[:0]).shape == (0, 20 * 20 * 3)


def test_large_images_are_reduced_by_means_and_keep_their_shape():
    images = images_of(2, 3, 40, 20, 3)
    small = reduced(images, 10)
    assert small.shape == (2, 3, 10, 5, 3)
    blocks = images.reshape(2, 3, 10, 4, 5, 4, 3).mean(axis=(3, 5))
    np.testing.assert_allclose(small, blocks, atol=1.01)
    assert reduced(images[..., :1], 10).shape == (2, 3, 10, 5, 1)
    assert reduced(images[:0], 10).shape == (0, 3, 10, 5, 3)


def test_small_images_stay_as_they_are():
    images = images_of(2, 10, 7, 1)
    assert reduced(images, 10) is images
