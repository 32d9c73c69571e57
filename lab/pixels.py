"""Images as vectors, and as large as a picture shows them."""

import numpy as np
from PIL import Image

PIXELS = 32 * 32  # Of a larger image, means of blocks are the vector,
VECTOR_BYTES = 600_000_000  # and where the vectors of a part would take more.
IMAGES = 500  # Are made vectors at a time.


def pixel_vectors(images, largest_part=0):
    """Images as vectors of numbers in `[0, 1]`, float32 `(n, rows * columns * channels)`.

    Up to 32 x 32 the pixels themselves; of larger images, and where the vectors would take more than 600 MB, the means
    of square blocks, the smallest that do.

    Args:
        images: uint8 `(n, height, width, channels)`; they may be read when they are asked for.
        largest_part: Number of images of the largest part, if others are to have vectors of the same kind.
    """
    side = _block_side(max(len(images), largest_part), *images.shape[1:])
    rows, columns = (np.arange(0, size, side) for size in images.shape[1:3])
    vectors = np.empty((len(images), len(rows) * len(columns) * images.shape[3]), np.float32)
    for start in range(0, len(images), IMAGES):
        some = np.asarray(images[start : start + IMAGES])
        vectors[start : start + IMAGES] = (some if side == 1 else _means(some, rows, columns)).reshape(len(some), -1)
    vectors /= 255
    return vectors


def _block_side(count, height, width, channels):
    """Side of the smallest square blocks whose means are few enough."""
    most = min(PIXELS, VECTOR_BYTES // (4 * channels * max(count, 1)))
    sides = range(1, max(height, width))
    return next((side for side in sides if -(-height // side) * -(-width // side) <= most), max(height, width))


def _means(images, rows, columns):
    """Means of blocks that begin at some rows and columns; the last ones may be smaller."""
    sums = np.add.reduceat(np.add.reduceat(images, rows, axis=1, dtype=np.float32), columns, axis=2)
    heights, widths = np.diff(rows, append=images.shape[1]), np.diff(columns, append=images.shape[2])
    return sums / (heights[:, None] * widths)[..., None]


def reduced(images, side):
    """Images at most so many pixels high and wide; smaller ones as they are.

    Args:
        images: uint8 `(..., height, width, channels)`.
        side: Pixels.
    """
    *many, height, width, channels = images.shape
    if max(height, width) <= side:
        return images
    size = [max(1, round(side * length / max(height, width))) for length in (width, height)]
    found = np.empty((*many, *reversed(size), channels), np.uint8)
    for index in np.ndindex(*many):
        image = Image.fromarray(images[index] if channels > 1 else images[index][..., 0])
        found[index] = np.asarray(image.resize(size, Image.Resampling.BOX)).reshape(found.shape[-3:])
    return found
