"""The IDX format: two zeros, the type, the number of dimensions, the size of each, then the values."""

import gzip
import math
import struct
import zlib

import numpy as np

from lab.errors import InputError

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4"}
MOST_DIMENSIONS = 4
BLOCK = 1 << 24  # Bytes that are unpacked at a time.
DEFLATED = 1032  # No gzip file unpacks to more than so many times its size.


def format_idx(array):
    """The bytes of an array as uint8."""
    array = np.ascontiguousarray(array, dtype=np.uint8)
    return struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def parse_idx(content):
    """The uint8 array in the bytes of a file that is known to be whole."""
    (magic,) = struct.unpack_from(">I", content)
    shape = struct.unpack_from(f">{magic & 0xFF}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def open_idx(path):
    """The array of integers in a file, or in one compressed by gzip if it ends in `.gz`; the former stays on the disk.

    Raises:
        InputError: If it is no IDX file, or its length is not what its first bytes say.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            dtype, shape = _read_header(path, file)
            size, offset = dtype.itemsize * math.prod(shape), 4 + 4 * len(shape)
            length = path.stat().st_size
            if path.suffix != ".gz":
                _require_length(path, shape, length - offset, size)
                return np.memmap(path, dtype, "r", offset, shape)
            if size > DEFLATED * length:  # Before memory is taken for what cannot come.
                _require_length(path, shape, DEFLATED * length, size)
            array, read = np.empty(size, np.uint8), 0
            while count := file.readinto(memoryview(array)[read : read + BLOCK]):
                read += count
            _require_length(path, shape, read + len(file.read(1)), size)
            return array.view(dtype).reshape(shape)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged ({error})") from None
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})") from None


def _read_header(path, file):
    """Type and shape of the array that follows."""
    zeros, kind, dimensions = struct.unpack(">HBB", file.read(4).ljust(4, b"\xff"))
    if zeros or kind not in TYPES or not 1 <= dimensions <= MOST_DIMENSIONS:
        raise InputError(f"{path} is no IDX file of whole numbers")
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise InputError(f"{path} is cut short in its first bytes")
    shape = struct.unpack(f">{dimensions}I", sizes)
    if 0 in shape:
        raise InputError(f"{path} is empty: its first bytes say {shape}")
    return np.dtype(TYPES[kind]), shape


def _require_length(path, shape, length, expected):
    if length != expected:
        fault = "is cut short" if length < expected else "goes on behind its end"
        raise InputError(f"{path} {fault}: its first bytes say {shape}, {expected:,} bytes. Get the file again")
