"""A folder of IDX files, such as those of EMNIST, KMNIST and QMNIST."""

import collections
import re

import numpy as np

from lab.errors import InputError
from lab.reading import read_bytes

from .found import PARTS
from .idx_file import open_idx

FILE = re.compile(
    r"(?P<prefix>.*?)(?P<part>train|test|t10k|validation|valid|val)[-_](?P<what>images|labels)[-.]idx\d-\w+(\.gz)?",
    re.I,
)
PART_NAMES = {"t10k": "test", "val": "validation", "valid": "validation"}
LONGEST_MAPPING = 1 << 20  # Bytes.
EXPECTED = "Expected: train-images-idx3-ubyte and train-labels-idx1-ubyte, maybe t10k-... or test-..., maybe with .gz"


def find_sets(folder):
    """The sets in a folder: dict from what the names of their files begin with to a dict from part and kind to path."""
    sets = collections.defaultdict(dict)
    try:
        paths = sorted(folder.iterdir(), reverse=True)  # So that of two a plain file is taken, not the compressed one.
    except OSError as error:
        raise InputError(f"cannot read the folder {folder} ({error.strerror})") from None
    for path in paths:
        if (match := FILE.fullmatch(path.name)) and not path.name.startswith(".") and path.is_file():
            part = match["part"].lower()
            sets[match["prefix"].rstrip("-_")][PART_NAMES.get(part, part), match["what"].lower()] = path
    return dict(sets)


def read_idx(folder, prefix=None):
    """Reads a set of IDX files.

    Args:
        folder: Path of the folder.
        prefix: What the names of the files begin with, as in `find_sets`; None: the only one.

    Returns:
        Dict from each part to images and labels; those of files that are not compressed stay on the disk. Images of
        EMNIST are turned upright, and its classes named by its `mapping.txt`. Then the list of the files that say so.

    Raises:
        InputError: If there are several sets, or one that lacks a file, or a damaged one.
    """
    sets = find_sets(folder)
    if prefix is None and len(sets) > 1:
        ways = ", ".join(str(folder / name) for name in sorted(sets) if name)
        raise InputError(f"{folder} has several data sets. Choose one: --dataset with one of {ways}")
    prefix = next(iter(sets)) if prefix is None else prefix
    files = sets[prefix]
    wanted = {(part, what) for part, _ in files for what in ("images", "labels")} | {("train", "images")}
    mapping = folder / f"{prefix}-mapping.txt"
    names = _names(mapping)
    if missing := sorted(wanted - files.keys()):
        raise InputError(f"{folder} lacks {', '.join(f'the {what} of {part}' for part, what in missing)}. {EXPECTED}")
    parts = {}
    for part in (part for part in PARTS if (part, "images") in files):
        images, labels = (open_idx(files[part, what]) for what in ("images", "labels"))
        if prefix.lower().startswith("emnist") and images.ndim > 2:
            images = images.swapaxes(1, 2)  # They lie on their side.
        parts[part] = images, _named(labels, names)
    return parts, [*files.values(), mapping]


def _named(labels, names):
    """Labels `(n,)`, by name where they have one; those of QMNIST have the class in the first of eight columns."""
    labels = labels[:, 0] if labels.ndim == 2 else labels
    if not names:
        return labels
    values, numbers = np.unique(labels, return_inverse=True)
    return np.array([names.get(value, str(value)) for value in values.tolist()])[numbers]


def _names(file):
    """Dict from labels to names, from a file whose lines are a label and ASCII codes; empty if there is none.

    Letters whose cases are one class have two codes.
    """
    try:
        lines = [line.split() for line in read_bytes(file, LONGEST_MAPPING).decode("ascii").splitlines()]
        return {int(label): "".join(chr(int(code)) for code in codes) for label, *codes in filter(None, lines)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"{file} is no mapping from labels to ASCII codes ({error})") from None
