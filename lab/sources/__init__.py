"""Where images come from: data sets by name, and files and folders of one's own."""

import dataclasses
import os
import pathlib
from collections.abc import Callable

from lab.errors import InputError, did_you_mean, nearest

from . import cache, cifar, digits, idx
from .arrays import as_images, found_in, read_npz
from .folder import list_folder
from .found import Found, shown, untracked
from .idx_folder import find_sets, read_idx
from .listing import read_rows
from .scaling import scaled
from .table import list_table

DIGITS = tuple(str(digit) for digit in range(10))
RESERVED = '<>:"/\\|?*'  # In the name of a file, on some system.
LONGEST_NAME = 60  # Characters.
EXPECTED = (
    "Expected: a folder of images in folders named after their classes, a .csv file with columns path and label, "
    "a .npz file with x_train and y_train, a folder of IDX files, or one of"
)


@dataclasses.dataclass(frozen=True)
class Source:
    """Names of the classes, number of training images for validation, and what reads the arrays: see `load_idx`."""

    class_names: tuple
    validation: int
    read: Callable


SOURCES = {
    "mnist": Source(DIGITS, 5000, idx.load_idx),
    "fashion_mnist": Source(
        (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        5000,
        idx.load_idx,
    ),
    "digits": Source(DIGITS, 200, digits.load_enlarged),
    "cifar10": Source(cifar.CLASSES_10, 5000, cifar.load_cifar),
    "cifar100": Source(cifar.CLASSES_100, 5000, cifar.load_cifar),
}


def read(dataset, size=None, report=print, track=untracked):
    """Reads a data set.

    Args:
        dataset: A name of `SOURCES`, or a path: a folder of images in folders named after their classes (see
            `list_folder`), a `.csv` file (see `list_table`), a `.npz` file (see `read_npz`), or a folder of IDX files,
            followed by what their names begin with if it has several sets (see `read_idx`).
        size: Height and width of the images in pixels; None: their own if they all have the same, small ones.
        report: Function called with one line of text for each thing the user should know.
        track: Function of an iterable, its length and what is done in a few words, which gives the iterable back and
            shows its progress.

    Returns:
        A `Found`.

    Raises:
        InputError: If there is no such data set, or it is none.
    """
    if isinstance(dataset, str) and dataset in SOURCES:
        found = _named(dataset, report)
        return scaled(found, size, dataset, track) if size else found
    path = pathlib.Path(dataset)
    name = name_of(path)

    def tell(text):
        report(f"{name}: {text}")

    if list_files := _files_reader(path):
        return read_rows(list_files(path, tell), name, size, tell, track)
    parts, files = _arrays(path)
    return found_in(parts, name, size, [(file.name, cache.facts_of(file)) for file in files], tell, track)


def name_of(path):
    """The name of a path as a data set: one line, and the name of a file on any system."""
    path = pathlib.Path(os.path.realpath(path))  # Of a link that leads to itself, `resolve` raises.
    name = shown(path.stem if path.is_file() else path.name)
    return "".join("_" if sign in RESERVED else sign for sign in name)[:LONGEST_NAME].strip(". ") or "images"


def _named(name, report):
    source = SOURCES[name]
    train_images, train_labels, test_images, test_labels = source.read(name, report)
    parts = {
        "train": (as_images(name, train_images), train_labels),
        "test": (as_images(name, test_images), test_labels),
    }
    return Found(name, source.class_names, parts, validation=source.validation)


def _files_reader(path):
    """What lists the image files of a path; None if it has no image files."""
    if path.is_dir() and not find_sets(path):
        return list_folder
    return list_table if path.is_file() and path.suffix.lower() in (".csv", ".tsv") else None


def _arrays(path):
    """Images and labels by part, and the files that they are from."""
    if path.is_file() and path.suffix.lower() == ".npz":
        return read_npz(path), [path]
    if path.is_dir():
        return read_idx(path)
    if path.parent.is_dir() and path.name in find_sets(path.parent):
        return read_idx(path.parent, path.name)
    if path.exists():
        raise InputError(f"--dataset {path} is of no kind that can be read. {EXPECTED} {', '.join(SOURCES)}")
    hint = did_you_mean(nearest(str(path), tuple(SOURCES)))
    raise InputError(f"--dataset {path} is not there.{hint} {EXPECTED} {', '.join(SOURCES)}")
