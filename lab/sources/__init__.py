"""The named data sets, as arrays and the names of their classes."""

import dataclasses
from collections.abc import Callable

from . import digits, idx

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
