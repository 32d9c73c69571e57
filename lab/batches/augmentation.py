"""What is done to training images at random, so that a network does not learn them by heart."""

import numpy as np
from PIL import Image

SHIFT = 2  # Pixels either way.
ROTATION = 12  # Degrees either way.
ERASED = 1 / 7, 3 / 7  # Sides of what is erased of an image, in sides of the image; of every second one.


def augmented(images, names, rng):
    """Images, changed at random in the order of `AUGMENTATIONS`.

    Args:
        images: uint8 `(n, height, width, channels)`; they stay as they are.
        names: Keys of `AUGMENTATIONS`.
        rng: `numpy.random.Generator`.

    Returns:
        Images of the same shape.
    """
    for name, change in AUGMENTATIONS.items():
        if name in names:
            images = change(images, rng)
    return images


def shifted(images, rng):
    """Each by up to `SHIFT` pixels, zeros moving in."""
    n, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    rows, columns = rng.integers(0, 2 * SHIFT + 1, (2, n))
    return np.moveaxis(windows[np.arange(n), rows, columns], 1, -1)


def rotated(images, rng):
    """Each about its middle by up to `ROTATION` degrees, zeros moving in."""
    angles = rng.uniform(-ROTATION, ROTATION, len(images))
    return np.stack([_rotated(image, angle) for image, angle in zip(images, angles, strict=True)])


def _rotated(image, angle):
    channels = map(Image.fromarray, np.moveaxis(image, -1, 0))
    return np.stack([channel.rotate(angle, Image.Resampling.BILINEAR) for channel in channels], axis=-1)


def flipped(images, rng):
    """Every second one, left to right."""
    return np.where(rng.random((len(images), 1, 1, 1)) < 0.5, images[:, :, ::-1], images)


def erased(images, rng):
    """Of every second one a rectangle, which becomes noise."""
    n, *sides, _ = images.shape
    chosen = rng.random(n) < 0.5
    rows, columns = (_stretches(n, side, rng) for side in sides)
    inside = (chosen[:, None, None] & rows[:, :, None] & columns[:, None, :])[..., None]
    return np.where(inside, rng.integers(0, 256, images.shape, dtype=np.uint8), images)


def _stretches(n, side, rng):
    """Booleans `(n, side)`: in each row some in a row are true, as many as `ERASED` says."""
    lengths = rng.integers(*(max(1, round(share * side)) for share in ERASED), n, endpoint=True)
    starts = rng.integers(0, side - lengths + 1)
    places = np.arange(side)
    return (places >= starts[:, None]) & (places < (starts + lengths)[:, None])


AUGMENTATIONS = {"shift": shifted, "rotate": rotated, "flip": flipped, "erase": erased}
