"""Files that would take gigabytes, or for ever, to read; each is small on the disk, and made in an instant."""

import contextlib
import gzip
import io
import os
import threading
import tracemalloc
import zipfile

import numpy as np

GIGABYTES = 1 << 31
# Bytes of memory: reading takes some 50 million, other threads of the tests have taken 70 million meanwhile.
MOST = 400_000_000
PARTS = 600  # Of a megabyte each, that little unpacks to.


def pipe(path):
    os.mkfifo(path)


def folder(path):
    path.mkdir()


def device(path):
    path.symlink_to("/dev/zero")


def loop(path):
    path.symlink_to(path)


def zeros(path):
    """Gigabytes that take no room on the disk."""
    with open(path, "wb") as file:
        file.truncate(GIGABYTES)


def nested(path):
    path.write_bytes(b"[" * 100_000)


KINDS = (pipe, folder, device, loop, zeros, nested)  # Of what may lie in place of any file.


def gzip_of_zeros(path, begin=b""):
    """A `.gz` file that unpacks to gigabytes of zeros, after what it begins with."""
    block = gzip.compress(bytes(1 << 24))
    path.write_bytes(gzip.compress(begin) + block * (GIGABYTES >> 24))


def npy(shape, version=1):
    """The beginning of an array of bytes."""
    header = io.BytesIO()
    write = np.lib.format.write_array_header_1_0 if version == 1 else np.lib.format.write_array_header_2_0
    write(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


def put(path, name, *parts, packed=True):
    """Replaces an array of an `.npz` file by some bytes, given in parts."""
    with zipfile.ZipFile(path) as archive:
        others = {other: archive.read(other) for other in archive.namelist() if other != f"{name}.npy"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED, compresslevel=1) as archive:
        for other, content in others.items():
            archive.writestr(other, content, zipfile.ZIP_STORED)
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            for part in parts:
                member.write(part)


def lying_npz(path, name):
    """An array that says to be of terabytes."""
    put(path, name, npy((1 << 40, 64)), packed=False)


def sides_npz(path, name):
    """An array of no elements with sides that no array has."""
    put(path, name, npy((0, 1 << 70)), packed=False)


def packed_npz(path, name):
    """An array that unpacks to more than its file has."""
    put(path, name, npy((PARTS, 1 << 20)), *[bytes(1 << 20)] * PARTS)


def header_npz(path, name):
    """An array that takes gigabytes to say its shape."""
    put(path, name, b"\x93NUMPY\2\0" + (GIGABYTES - 1).to_bytes(4, "little"), *[b" " * (1 << 20)] * PARTS)


NPZ = (lying_npz, sides_npz, packed_npz, header_npz)


@contextlib.contextmanager
def little_memory(size=0):
    """Whoever takes `MOST` more memory in the block than the bytes of a file, fails."""
    tracemalloc.start()
    try:
        yield
        _, taken = tracemalloc.get_traced_memory()
        assert taken < size + MOST, f"{taken - size:,} bytes, with the threads {threading.enumerate()}"
    finally:
        tracemalloc.stop()
