"""Rows of an array on disk: what is asked for is what the array in memory would give."""

import ctypes
import mmap
import os
import sys

import numpy as np
import pytest

from lab.rows import Rows


@pytest.fixture
def rows(tmp_path):
    """Some rows, out of order, and the same in memory."""
    array, numbers = np.random.default_rng(0).integers(0, 255, (20, 3, 2), "uint8"), np.array([7, 3, 19, 3, 0])
    np.save(tmp_path / "array.npy", array)
    return Rows(np.load(tmp_path / "array.npy", mmap_mode="r"), numbers), array[numbers]


INDICES = {
    "a number": 2,
    "a slice": slice(1, 4),
    "numbers": np.array([4, 0, 0]),
    "a table of numbers": np.array([[1, 2], [3, 0]]),
    "booleans": np.array([True, False, False, True, True]),
    "none": np.array([], int),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_what_is_indexed_is_an_array_in_memory(rows, index):
    on_disk, array = rows
    found = on_disk[index]
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, array[index])


def test_they_describe_themselves_as_the_array(rows):
    on_disk, array = rows
    assert (len(on_disk), on_disk.shape, on_disk.ndim, on_disk.dtype) == (5, (5, 3, 2), 3, np.uint8)
    np.testing.assert_array_equal(np.asarray(on_disk), array)
    np.testing.assert_array_equal(np.asarray(on_disk, "float32"), array.astype("float32"))


def test_some_of_them_stay_on_disk(rows):
    on_disk, array = rows
    some = on_disk.of(np.array([4, 2]))
    assert some.array is on_disk.array
    np.testing.assert_array_equal(some[:], array[[4, 2]])


@pytest.mark.skipif(not hasattr(mmap, "MADV_RANDOM"), reason="takes no advice at all")
def test_a_system_that_refuses_advice_gives_the_same(rows, monkeypatch):
    on_disk, array = rows
    monkeypatch.setattr(mmap, "MADV_RANDOM", 9999)
    with pytest.raises(OSError, match="Invalid argument"):
        on_disk.array._mmap.madvise(mmap.MADV_RANDOM)
    np.testing.assert_array_equal(on_disk[:], array)


def pages_in_memory(array):
    """How many pages of a mapped array the system holds."""
    found = np.empty(-(-array.nbytes // mmap.PAGESIZE), np.uint8)
    assert ctypes.CDLL(None).mincore(*map(ctypes.c_void_p, (array.ctypes.data, array.nbytes, found.ctypes.data))) == 0
    return int((found & 1).sum())


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what it holds of a file")
def test_a_file_of_rows_out_of_order_is_read_no_further_than_it_is_asked_for(tmp_path):
    side = 4 * mmap.PAGESIZE
    with open(tmp_path / "array.bin", "wb") as file:
        for row in range(200):
            file.write(bytes([row]) * side)
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # As if it had never been read.
    array = np.memmap(tmp_path / "array.bin", np.uint8, "r", shape=(200, side))
    before, numbers = pages_in_memory(array), np.array([150, 20, 90])
    np.testing.assert_array_equal(Rows(array, np.arange(200))[numbers], np.repeat(numbers, side).reshape(3, side))
    assert pages_in_memory(array) - before <= 3 * (4 + 1)
