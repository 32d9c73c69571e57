"""Some rows of an array that stays on disk until they are asked for."""

import contextlib
import dataclasses
import mmap

import numpy as np

AT_ONCE = 1 << 17  # Bytes, a multiple of the page. Of more, the system may leave some out.


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
        numbers = self.numbers[index]
        if isinstance(self.array, np.memmap) and hasattr(mmap, "MADV_WILLNEED"):
            with contextlib.suppress(OSError):  # A system that takes no advice reads them in its own way.
                _announce(self.array, np.unique(numbers))
        return np.asarray(self.array[numbers])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def of(self, index):
        """The same for some of the rows, still on disk."""
        return Rows(self.array, self.numbers[index])


def _announce(array, numbers):
    """Has the system read rows of a mapped file, given in ascending order: all at once, and nothing around them.

    Left to itself it would read one after the other, and for each up to megabytes of others, which are shuffled away.
    """
    pages, step = array._mmap, array.strides[0]
    first = array.ctypes.data - np.frombuffer(pages, np.uint8).ctypes.data
    pages.madvise(mmap.MADV_RANDOM)
    for rows in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if len(numbers) else ():
        start, stop = first + rows[0] * step, first + (rows[-1] + 1) * step
        for at in range(start - start % mmap.PAGESIZE, stop, AT_ONCE):
            pages.madvise(mmap.MADV_WILLNEED, at, min(AT_ONCE, stop - at))
