"""What is done to training images at random, against loops over pixels."""

import math

import numpy as np
import pytest

from lab.batches.augmentation import AUGMENTATIONS, augmented, erased, flipped, rotated, shifted

SHIFTS = {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def moved(image, down, right):
    """The image moved pixel by pixel, with zeros where nothing came to."""
    height, width, _ = image.shape
    result = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                result[row, column] = image[row - down, column - right]
    return result


def shift_between(image, result):
    """The only shift of up to 2 pixels that makes one image the other."""
    (shift,) = [shift for shift in sorted(SHIFTS) if np.array_equal(moved(image, *shift), result)]
    return shift


@pytest.fixture
def noise():
    return np.random.default_rng(11).integers(1, 256, (60, 7, 9, 2), dtype=np.uint8)


def test_a_shift_pads_and_crops(noise):
    result = shifted(noise, np.random.default_rng(0))
    assert (result.shape, result.dtype) == (noise.shape, noise.dtype)
    shifts = {shift_between(*images) for images in zip(noise, result, strict=True)}
    assert len(shifts) > 15  # Each image has its own.


def test_every_shift_of_up_to_two_pixels_occurs():
    point = np.zeros((1000, 5, 5, 1), np.uint8)
    point[:, 2, 2] = 1
    _, rows, columns, _ = np.nonzero(shifted(point, np.random.default_rng(0)))
    shifts, counts = np.unique(np.stack([rows, columns]) - 2, axis=1, return_counts=True)
    assert set(zip(*shifts.tolist(), strict=True)) == SHIFTS
    assert counts.sum() == 1000
    assert counts.min() > 20  # 40 on average.


def test_a_rotated_bar_points_up_to_twelve_degrees_off():
    bars = np.zeros((200, 31, 31, 1), np.uint8)
    bars[:, 3:28, 14:17] = 255
    angles = []
    for bar in rotated(bars, np.random.default_rng(0))[..., 0].astype(float):
        rows, columns = np.indices(bar.shape) - 15
        slope = (bar * rows * columns).sum() / (bar * rows**2).sum()  # Of the columns on the rows, least squares.
        angles.append(math.degrees(math.atan(slope)))
    assert -12.5 < min(angles) < -11
    assert 11 < max(angles) < 12.5
    assert np.std(angles) == pytest.approx(12 / math.sqrt(3), rel=0.15)  # Of a uniform distribution.


def test_every_channel_of_an_image_turns_alike(noise):
    both = np.repeat(noise[..., :1], 2, axis=-1)
    result = rotated(both, np.random.default_rng(0))
    assert (result.shape, result.dtype) == (both.shape, both.dtype)
    np.testing.assert_array_equal(result[..., 0], result[..., 1])


def test_about_half_of_the_images_are_mirrored_and_the_others_are_not(noise):
    result = flipped(noise, np.random.default_rng(0))
    mirrored = [np.array_equal(after[:, ::-1], before) for before, after in zip(noise, result, strict=True)]
    same = [np.array_equal(after, before) for before, after in zip(noise, result, strict=True)]
    assert [*map(sum, zip(mirrored, same, strict=True))] == [1] * 60
    assert 15 < sum(mirrored) < 45


def test_of_about_half_of_the_images_one_rectangle_becomes_noise():
    result = erased(np.zeros((400, 28, 28, 1), np.uint8), np.random.default_rng(0))
    sides = []
    for image in result[..., 0]:
        rows, columns = np.nonzero(image)
        if len(rows):
            sides.append((rows.max() - rows.min() + 1, columns.max() - columns.min() + 1))
            assert len(rows) > 0.9 * math.prod(sides[-1])  # All but the zeros of noise.
    assert 150 < len(sides) < 250
    assert (np.min(sides), np.max(sides)) == (4, 12)


def test_an_erased_rectangle_may_touch_every_side():
    _, rows, columns, _ = np.nonzero(erased(np.zeros((400, 28, 14, 1), np.uint8), np.random.default_rng(0)))
    assert {*rows} == {*range(28)}
    assert {*columns} == {*range(14)}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_changes_depend_on_the_generator_alone_and_leave_the_images_as_they_are(name, noise):
    before = noise.copy()
    one, again, other = (augmented(noise, (name,), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(noise, before)
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    assert (one.shape, one.dtype) == (noise.shape, noise.dtype)


def test_several_changes_come_one_after_the_other_whatever_the_order_of_their_names(noise):
    expected = flipped(shifted(noise, rng := np.random.default_rng(3)), rng)
    np.testing.assert_array_equal(augmented(noise, ("flip", "shift"), np.random.default_rng(3)), expected)


def test_without_a_name_images_stay_as_they_are(noise):
    assert augmented(noise, (), np.random.default_rng(0)) is noise
