"""Where decoded images are kept, so that they are read once: a folder of `.npy` files for each data set."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import tempfile

import numpy as np

from lab.errors import InputError
from lab.files import is_leftover, keep_last_used, partial, read_json, save_json

from .found import Found

SECOND = 10**9  # Nanoseconds.
VERSION = 2  # Of how images are read and kept: what another version kept is not used.


def datasets_folder():
    """The folder where Keras keeps data sets."""
    return pathlib.Path(os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras") / "datasets"


def cache_folder():
    return datasets_folder() / "own-images"


def key_of(facts):
    """16 digits that stand for what a data set is made of, anything that JSON has."""
    return hashlib.sha256(json.dumps([VERSION, facts]).encode()).hexdigest()[:16]


def facts_of(file):
    """Size and time of change of a file, by which it is known again; nothing if it cannot be read.

    Times of whole seconds, as archives have them, are those of many files, of another data set too: then the path is
    among them.
    """
    facts = _size_and_time(file)
    return (*facts, os.path.abspath(file)) if facts and facts[1] % SECOND == 0 else facts  # noqa: PTH100 (as below)


def _size_and_time(file):
    try:
        status = os.stat(file)  # noqa: PTH116 (a `Path` takes ten times as long)
    except (OSError, ValueError):  # The latter of a path with a NUL.
        return ()
    return status.st_size, status.st_mtime_ns


def kept(key, make):
    """The data set that is kept under a key; if there is none, or it is damaged, it is made.

    Args:
        key: See `key_of`.
        make: Function of a folder that writes the images there, as `writing` does, and returns a `Found` of them and a
            list of notes, lines of text.

    Returns:
        The `Found`, its arrays mapped from files; its notes; and whether it was there.

    Raises:
        InputError: If the cache cannot be written.
    """
    place = cache_folder() / key
    if (there := _read(place)) is not None:
        keep_last_used(place)
        return *there, True
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(place.parent)
        with _put_in_place(place) as folder:
            _write(folder, *make(folder))
        keep_last_used(place)
        return *_read(place), False
    except OSError as error:
        raise InputError(
            f"cannot keep the images in {place.parent} ({error.strerror or error}). "
            "Set KERAS_HOME to a folder of yours that has room"
        ) from None


def kept_size(key):
    """Height and width of the images that are kept under a key; None if there are none."""
    there = _read(cache_folder() / key)
    return there and there[0].parts["train"][0].shape[1:3]


def remembered(key, compute):
    """The text that is remembered under a key; computed, if there is none."""
    file = cache_folder() / f"{key}.json"
    text = read_json(file).get("text")
    if not isinstance(text, str):
        text = compute()
        with contextlib.suppress(OSError):  # Then it is computed again next time.
            file.parent.mkdir(parents=True, exist_ok=True)
            save_json(file, {"text": text})
    return text


def require_room(folder, needed):
    """Refuses to write so many bytes to a disk that has too little room."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"the images need {in_bytes(needed)} in {cache_folder()}, which has {in_bytes(free)} left. "
            "Make room, set KERAS_HOME to a folder with more, or make the images smaller with --image-size"
        )


@contextlib.contextmanager
def writing(folder, part, count, shape):
    """Gives a function that appends one image to those of a part, of which there are `count` at most."""
    written = 0
    with open(_images_file(folder, part), "wb") as file:

        def append(image):
            nonlocal written
            file.write(np.ascontiguousarray(image))
            written += 1

        _write_header(file, (count, *shape))
        yield append
        file.seek(0)
        _write_header(file, (written, *shape))  # As long as the first one: NumPy leaves room for a longer number.


def written_images(folder, part):
    """The images of a part, mapped."""
    return np.load(_images_file(folder, part), mmap_mode="r")


def in_bytes(count):
    """A number of bytes as a text, in the unit that suits it."""
    unit = next((unit for unit, size in (("GB", 1e9), ("MB", 1e6)) if count >= size), "kB")
    return f"{count / {'GB': 1e9, 'MB': 1e6, 'kB': 1e3}[unit]:,.1f} {unit}"


def _images_file(folder, part):
    return folder / f"{part}-images.npy"


def _write_header(file, shape):
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


@contextlib.contextmanager
def _put_in_place(place):
    """Gives a temporary folder, which becomes `place` only if all went well."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=partial(), dir=place.parent))
    try:
        yield folder
        with contextlib.suppress(OSError):  # Somebody else was faster, or what is there is damaged.
            folder.rename(place)
        if _read(place) is None:
            shutil.rmtree(place, ignore_errors=True)
            folder.rename(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(folder):
    """Removes what processes that are no more have begun."""
    for path in filter(is_leftover, folder.glob(".partial-*")):
        shutil.rmtree(path, ignore_errors=True)


def _write(folder, found, notes):
    """Writes all of a `Found` but its images, which are there; the index last."""
    for part, (_, labels) in found.parts.items():
        np.save(folder / f"{part}-labels.npy", labels)
    for name in ("queries", "cameras"):
        if getattr(found, name) is not None:
            np.save(folder / f"{name}.npy", getattr(found, name))
    facts = {"name": found.name, "class_names": found.class_names, "content": found.content}
    save_json(
        folder / "index.json", {"found": facts, "parts": list(found.parts), "notes": notes, "files": _files(folder)}
    )


def _read(folder):
    """The `Found` in a folder and its notes; None if it is not whole."""
    index = read_json(folder / "index.json")
    if not index or index.get("files") != _files(folder):
        return None
    try:
        parts = {
            part: (written_images(folder, part), np.load(folder / f"{part}-labels.npy")) for part in index["parts"]
        }
        more = {name: np.load(file) for name in ("queries", "cameras") if (file := folder / f"{name}.npy").exists()}
        found = Found(parts=parts, **more, **index["found"])
        return dataclasses.replace(found, class_names=tuple(found.class_names)), index["notes"]
    except (KeyError, OSError, TypeError, ValueError):  # It was damaged.
        return None


def _files(folder):
    """What each array is known by: one that is damaged later differs in it."""
    return {path.name: list(_size_and_time(path)) for path in sorted(folder.glob("*.npy"))}
