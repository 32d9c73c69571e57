"""Files that are read without trust in what they say: no pipe is waited for, no memory taken for what cannot come."""

import contextlib
import errno
import io
import math
import pathlib
import stat
import zipfile
import zlib

import numpy as np

HEADER = 1 << 14  # Bytes that an array may take to say its shape and type.
DEFLATED = 1032  # Nothing that is packed by deflate is more than so many times its size.


class UnreadableFile(OSError):
    """What would take too long or too much memory to read."""

    def __init__(self, path, reason):
        super().__init__(errno.EINVAL, reason, str(path))


def require_file(path):
    """Refuses what is no regular file: reading a pipe or a device may never end.

    Raises:
        OSError: If it is none (an `UnreadableFile`), or is not there.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnreadableFile(path, "it is no file")


def read_bytes(path, most, open_file=open):
    """The content of a file, or what `open_file`, such as `gzip.open`, makes of it.

    Raises:
        OSError: If it is no regular file, or its content has more than `most` bytes (an `UnreadableFile`).
    """
    require_file(path)
    with open_file(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UnreadableFile(path, f"it has more than {most:,} bytes")
    return content


@contextlib.contextmanager
def open_archive(file):
    """Opens a `.npz` or `.keras` file, by its path or open already, as `zipfile.ZipFile`.

    Raises:
        OSError: If it is no regular file, or cannot be read.
        ValueError: If it is damaged: in place of all that the library raises then.
    """
    if isinstance(file, pathlib.Path):
        require_file(file)
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    # The last two of what it takes for encrypted, or for a later kind.
    except (zipfile.BadZipFile, zlib.error, EOFError, OverflowError, RuntimeError, NotImplementedError) as error:
        raise ValueError(str(error)) from error


def require_stored(archive):
    """Refuses packed parts, which may be larger than any memory: nothing of ours has some.

    Raises:
        ValueError: If there is one.
    """
    if packed := [member.filename for member in archive.infolist() if member.compress_type != zipfile.ZIP_STORED]:
        raise ValueError(f"{packed[0]} is packed")


def array_header(archive, member):
    """Shape and type of an array in an `.npz` file, which has as many bytes as they take.

    Args:
        archive: `zipfile.ZipFile`.
        member: `zipfile.ZipInfo` of the array.

    Raises:
        ValueError: If it is no array of numbers or text, or not of the size that it says.
    """
    name = member.filename.removesuffix(".npy")
    packed = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: DEFLATED}.get(member.compress_type, 0)
    if not member.file_size <= packed * member.compress_size <= packed * archive.start_dir:
        raise ValueError(f"{name} cannot have the {member.file_size:,} bytes that it says")
    with archive.open(member) as content:
        start = io.BytesIO(content.read(HEADER))
    version = np.lib.format.read_magic(start)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = read(start)
    except Exception as error:  # NumPy reads it as Python, with all errors of that.
        raise ValueError(f"{name} is of no shape and type ({error})") from error
    if dtype.hasobject:
        raise ValueError(
            f"{name} has Python objects, and unpickling them could run a program. "
            "Save it as numbers, or labels as text: labels.astype(str)"
        )
    np.broadcast_to(np.empty((), dtype), shape)  # Refuses sides that no array has.
    expected, length = dtype.itemsize * math.prod(shape), member.file_size - start.tell()
    if length != expected:
        raise ValueError(f"{name} says {shape}, {expected:,} bytes, but has {length:,}")
    return shape, dtype


def read_array(archive, member):
    """An array of an `.npz` file; arguments and errors are those of `array_header`."""
    array_header(archive, member)
    with archive.open(member) as content:
        return np.lib.format.read_array(content, allow_pickle=False)
