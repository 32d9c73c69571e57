"""Image files with their labels, read once and kept."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from lab.errors import InputError

from . import cache
from .found import PARTS, Found, content_of, number, require_classes, shown
from .images import BrokenImage, look_at_images, read_images
from .scaling import by, own_size

BROKEN_SHARE = 0.05  # Of the images may be unreadable.
NAMED = 5  # Files in a message, before it gives their number.


class Row(NamedTuple):
    """An image file: its path, its path as the user knows it, part, label, whether it is a query, and camera."""

    path: str
    name: str
    part: str
    label: str
    query: bool | None = None
    camera: int | None = None


def read_rows(rows, name, size, report, track):
    """Reads image files, or has them from the cache if none has changed.

    Args:
        rows: List of `Row`s, in the order of the images.
        name, size, report, track: As those of `read`.

    Returns:
        A `Found`.

    Raises:
        InputError: If there are fewer than two classes, too many images are broken, or the cache cannot be written.
    """
    _numbered(rows, name)  # Before what takes long.
    facts = [(*row[1:], cache.facts_of(row.path)) for row in rows]
    if size and size == cache.kept_size(cache.key_of([None, facts])):
        size = None  # It is their own.
    key = cache.key_of([size, facts])
    found, notes, was_there = cache.kept(key, lambda folder: _read_into(folder, rows, name, size, report, track))
    for note in notes if was_there else ():
        report(note)
    return dataclasses.replace(found, name=name)


def in_short(names):
    """The first few of some names, and how many there are more."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(shown(name) for name in names[:NAMED]) + more


def _numbered(rows, name):
    """Names of the classes and dict from each part to integer labels; refuses fewer than two classes."""
    labels = {part: np.array([row.label for row in rows if row.part == part], object) for part in PARTS}
    class_names, numbers = number(labels)
    require_classes(name, class_names, numbers["train"])
    return class_names, numbers


def _read_into(folder, rows, name, size, report, track):
    """Reads the images into a folder of the cache; returns a `Found` of them and notes, which stay true of it."""
    broken, notes = [], []

    def note(text):
        notes.append(text)
        report(text)

    looks = track(look_at_images([row.path for row in rows]), len(rows), "looking at images")
    sound = list(_sound(rows, looks, broken))
    _refuse_many(broken, len(rows), name)
    sizes = {of_image for _, (of_image, _) in sound}
    shape = *(size or own_size(sizes, note)), 1 if all(is_grey for _, (_, is_grey) in sound) else 3
    needed = len(sound) * math.prod(shape)
    cache.require_room(folder, needed)
    what = f"{len(sound):,} images as {by(shape)} pixels, {cache.in_bytes(needed)}"
    report(f"reads {what}, and keeps them in {cache.cache_folder()}")
    kept = [row for part in PARTS for row in _write_part(folder, part, sound, shape, broken, track)]
    _refuse_many(broken, len(rows), name)
    if broken:
        note(f"left out, as they cannot be read ({len(broken):,} of {len(rows):,}): {in_short(broken)}")
    return _found(folder, kept, name), notes


def _write_part(folder, part, sound, shape, broken, track):
    """Writes the images of a part; returns its rows but for those that turn out to be broken."""
    rows = [row for row, _ in sound if row.part == part]
    if not rows:
        return []
    images = track(read_images([row.path for row in rows], shape), len(rows), f"reading the {part} images")
    with cache.writing(folder, part, len(rows), shape) as append:
        return [append(image) or row for row, image in _sound(rows, images, broken)]


def _sound(rows, results, broken):
    """Pairs of a row and its result, but for those that are broken, which go to `broken`."""
    for row, result in zip(rows, results, strict=True):
        if isinstance(result, BrokenImage):
            broken.append(f"{row.name} ({result})")
        else:
            yield row, result


def _refuse_many(broken, total, name):
    if len(broken) > BROKEN_SHARE * total:
        raise InputError(
            f"{name}: {len(broken):,} of {total:,} images cannot be read, more than {BROKEN_SHARE:.0%}: "
            f"{in_short(broken)}. Repair them or take them out"
        )


def _found(folder, rows, name):
    """The `Found` of rows whose images are written."""
    class_names, labels = _numbered(rows, name)
    parts = {part: (cache.written_images(folder, part), of_part) for part, of_part in labels.items() if len(of_part)}
    test = [row for row in rows if row.part == "test"]
    queries, cameras = (_column([getattr(row, field) for row in test]) for field in ("query", "camera"))
    found = Found(name, class_names, parts, queries, cameras)
    return dataclasses.replace(found, content=content_of(found))


def _column(values):
    return None if not values or values[0] is None else np.array(values)
