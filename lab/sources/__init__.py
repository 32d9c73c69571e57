"""Where images come from: data sets by name, and files and folders of one's own."""

import dataclasses
from collections.abc import Callable

import numpy as np

from . import digits, idx
from .found import Found, untracked

DIGITS = tuple(str(digit) for digit in range(10))


@dataclasses.dataclass(frozen=True)
class Source:
    """Names of the classes, number of training images for validation, and what reads the arrays: see `load_idx`."""

    class_names: tuple
    validation: int
    read: Callable


SOURCES = {
    "mnist": Source(DIGITS, 5000, idx.load_idx),
    "fashion_mnist": Source(
        (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        5000,
        idx.load_idx,
    ),
    "digits": Source(DIGITS, 200, digits.load_enlarged),
}


def read(dataset, size=None, report=print, track=untracked):
    """Reads a data set.

    Args:
        dataset: A name of `SOURCES` or a path.
        size: Height and width of the images in pixels; None: the source's own.
        report: Function called with one line of text for each thing the user should know.
        track: Function of an iterable, its length and one word for what is done, which gives the iterable back and
            shows its progress.

    Returns:
        A `Found`.

    Raises:
        InputError: If there is no such data set, or it is none.
    """
    source = SOURCES[dataset]
    train_images, train_labels, test_images, test_labels = source.read(dataset, report)
    parts = {"train": (_as_images(train_images), train_labels), "test": (_as_images(test_images), test_labels)}
    return Found(dataset, source.class_names, parts, validation=source.validation)


def _as_images(array):
    """uint8 `(n, height, width, channels)`."""
    return array.reshape(*array.shape[:3], -1).astype(np.uint8)
