"""A folder of images in folders that are named after their classes."""

import re

from lab.errors import InputError

from .images import EXTENSIONS
from .listing import Row, in_short
from .tree import look_into, report_others

PART_NAMES = {
    **{"train": "train", "training": "train", "test": "test", "testing": "test"},
    **{"validation": "validation", "val": "validation", "valid": "validation"},
}


def list_folder(folder, report, is_data_set=True):
    """Lists the images of a folder.

    Args:
        folder: Path of a folder whose folders are the classes, or `train`, `test` and perhaps `validation` (or another
            of `PART_NAMES`), in which they are. A class is named by its path: `cars/audi`.
        report: Function called with one line of text for each thing the user should know.
        is_data_set: Whether there has to be a training part.

    Returns:
        List of `Row`s, sorted by the names of their files, then by their paths; those of one level are all of the part
        `"train"`.

    Raises:
        InputError: If no image lies in a class folder, or there is a test part without a training part.
    """
    tree = look_into(folder)
    if not tree.images:
        there = f". Received: {in_short(tree.others)}" if tree.others else ""
        raise InputError(
            f"{folder} has no images: no files that end in {', '.join(sorted(EXTENSIONS))}. "
            f"Expected: a folder of images for each class, named after it{there}"
        )
    paths = _inner([name.split("/") for name in tree.images])
    has_parts = _has_parts(folder, paths, is_data_set)
    rows, outside = [], []
    for name, path in zip(tree.images, paths, strict=True):
        part, *classes, _ = path if has_parts else ("train", *path)
        part = PART_NAMES.get(part.lower())
        if part and classes:
            rows.append(Row(f"{folder}/{name}", name, part, "/".join(classes)))
        else:
            outside.append(name)
    if not rows:
        table = ", or a CSV file with columns path and label" if is_data_set else ""
        raise InputError(
            f"the images of {folder} lie in no class folder: {in_short(outside)}. "
            f"Expected: a folder of images for each class, named after it{table}"
        )
    if outside:
        report(f"left out, as they lie in no class folder: {in_short(outside)}")
    report_others(tree, report)
    if empty := _empty(tree):
        report(f"no classes, as they have no images: {in_short(empty)}")
    return sorted(rows, key=lambda row: _counted(row.name.rpartition("/")[2]))


def _counted(name):
    """A name, the numbers in it by value: files that count on keep the order in which they were written."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else part) for part in re.split(r"(\d+)", name)]


def _inner(paths):
    """Paths without a folder around everything, such as one that was packed and unpacked into another one."""
    tops = {path[0] for path in paths}
    if len(tops) > 1 or {top.lower() for top in tops} & PART_NAMES.keys() or min(map(len, paths)) < 3:
        return paths
    return _inner([path[1:] for path in paths])


def _has_parts(folder, paths, needs_train):
    """Whether the folders are parts, in which the classes are; beside a class, `train` is one if nothing else is."""
    tops = {path[0] for path in paths if len(path) > 1}
    if tops and all(top.lower() in PART_NAMES for top in tops):
        if needs_train and "train" not in {PART_NAMES[top.lower()] for top in tops}:
            there = ", ".join(sorted(tops))
            raise InputError(f"{folder} has {there} but no train. Expected: train and test, perhaps validation")
        return True
    parts = {PART_NAMES.get(path[0].lower()) for path in paths if len(path) > 2} - {None}
    return "train" in parts and len(parts) > 1


def _empty(tree):
    """Folders that have no image at any depth, the outermost of each."""
    full = {""}
    for name in tree.images:
        while (name := name.rpartition("/")[0]) not in full:
            full.add(name)
    return [name for name in tree.folders if name not in full and name.rpartition("/")[0] in full]
