"""A folder of images in folders that are named after their classes."""

import re

from lab.errors import InputError

from .images import EXTENSIONS
from .listing import Row, in_short
from .tree import look_into

PART_NAMES = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}


def list_folder(folder, report):
    """Lists the images of a folder.

    Args:
        folder: Path of a folder whose folders are the classes, or `train`, `test` and perhaps `validation` (`val`,
            `valid`), in which they are. A class is named by its path: `cars/audi`.
        report: Function called with one line of text for each thing the user should know.

    Returns:
        List of `Row`s, sorted by the names of their files, then by their paths; those of one level are all of the part
        `"train"`.

    Raises:
        InputError: If no image lies in a class folder, or there is a test part without a training part.
    """
    tree = look_into(folder)
    if not tree.images:
        raise InputError(
            f"{folder} has no images: no files that end in {', '.join(sorted(EXTENSIONS))}. {_others(tree.others)}"
            "Expected: a folder of images for each class, named after it"
        )
    start = _start(tree.images)
    has_parts = _has_parts(folder, [path.parts[start:] for path in tree.images])
    rows, outside = [], []
    for path in tree.images:
        part, *inner = path.parts[start:] if has_parts else ("train", *path.parts[start:])
        part = PART_NAMES.get(part.lower())
        if part and len(inner) > 1:
            rows.append(Row(folder / path, path.as_posix(), part, "/".join(inner[:-1])))
        else:
            outside.append(path)
    if not rows:
        raise InputError(
            f"the images of {folder} lie in no class folder: {in_short(outside)}. "
            "Expected: a folder of images for each class, named after it, or a CSV file with columns path and label"
        )
    if outside:
        report(f"{len(outside):,} images lie in no class folder and are left out: {in_short(outside)}")
    if tree.others:
        report(_others(tree.others).rstrip(". "))
    if empty := _empty(tree):
        report(f"folders without images are no classes: {in_short(empty)}")
    return sorted(rows, key=lambda row: _counted(row.path.name))


def _counted(name):
    """A name, the numbers in it by value: files that count on keep the order in which they were written."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else part) for part in re.split(r"(\d+)", name)]


def _others(others):
    return f"{len(others):,} files are no images and are passed over: {in_short(others)}. " if others else ""


def _start(images):
    """Number of folders around everything, as a packed folder has when it is unpacked into one of its name."""
    start = 0
    while (
        all(len(path.parts) > start + 2 for path in images)
        and len({path.parts[start] for path in images}) == 1
        and images[0].parts[start].lower() not in PART_NAMES
    ):
        start += 1
    return start


def _has_parts(folder, paths):
    """Whether the folders are parts, in which the classes are; `train` alone may be a class, beside others."""
    tops = {path[0] for path in paths if len(path) > 2}
    parts = {PART_NAMES[top.lower()] for top in tops if top.lower() in PART_NAMES}
    if parts and "train" not in parts and all(top.lower() in PART_NAMES for top in tops):
        raise InputError(
            f"{folder} has {', '.join(sorted(tops))} but no train. Expected: train, test and maybe validation"
        )
    return "train" in parts and (len(parts) > 1 or len(tops) == 1)


def _empty(tree):
    """Folders that have no image at any depth, the outermost of each."""
    full = {parent for path in tree.images for parent in path.parents}
    return [path for path in tree.folders if path not in full and path.parent in full]
