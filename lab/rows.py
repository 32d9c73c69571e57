"""Some rows of an array that stays on disk until they are asked for."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Rows:
    """Some rows of an array, read when they are indexed: a data set may be larger than the memory.

    Args:
        array: `np.memmap` or any other array `(n, ...)`.
        numbers: Of the rows `(m,)`, in their order.
    """

    array: np.ndarray
    numbers: np.ndarray

    @property
    def shape(self):
        return len(self.numbers), *self.array.shape[1:]

    @property
    def ndim(self):
        return self.array.ndim

    @property
    def dtype(self):
        return self.array.dtype

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        """Those of the rows that a number, a slice or an array of numbers or booleans names, as an array in memory."""
        return np.asarray(self.array[self.numbers[index]])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def of(self, index):
        """The same for some of the rows, still on disk."""
        return Rows(self.array, self.numbers[index])
