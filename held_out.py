"""Classes that training never sees: the splits of `--protocol open`, and a data set without some classes."""

import dataclasses
import json
import pathlib

import numpy as np

from data import Dataset, Split

SPLITS_FILE = pathlib.Path(__file__).parent / "held_out.json"
HELD_OUT = 4  # Classes of each split.
SPLITS = 5  # Each of ten classes is held out in two of them.


@dataclasses.dataclass(frozen=True)
class OpenDataset(Dataset):
    """A data set of the known classes, renumbered from 0, and the test images of the unknown ones.

    `unknown` is labelled `0 ...` in the order of `unknown_names`.
    """

    unknown: Split
    unknown_names: tuple

    @property
    def parts(self):
        return super().parts | {"unknown": self.unknown}

    @property
    def judged(self):
        return "unknown", self.unknown_names

    @property
    def shown(self):
        images = np.concatenate([self.test.images, self.unknown.images])
        labels = np.concatenate([self.test.labels, self.unknown.labels + self.num_classes])
        return Split(images, labels), (*self.class_names, *(f"{name}*" for name in self.unknown_names))


def held_out_classes(name, num_classes):
    """The committed splits of a data set: lists of the class numbers that each holds out.

    Raises:
        ValueError: If the data set has no splits, or other classes than they were drawn for.
    """
    splits = json.loads(SPLITS_FILE.read_text())
    if name not in splits:
        raise ValueError(f"--protocol open has splits for {', '.join(splits)}. Received: {name}")
    largest = max(map(max, splits[name]))
    if largest >= num_classes:
        raise ValueError(f"--protocol open holds out class {largest} of {name}, which has {num_classes} classes")
    return splits[name]


def draw_splits(num_classes, seed):
    """Draws `SPLITS` sets of `HELD_OUT` classes so that every class is held out equally often.

    Raises:
        ValueError: If the classes cannot be dealt out evenly, or too few are left to train on.
    """
    times, rest = divmod(SPLITS * HELD_OUT, num_classes)
    if rest or num_classes < HELD_OUT + 2:
        raise ValueError(
            f"{SPLITS} splits of {HELD_OUT} classes need a number of classes that divides {SPLITS * HELD_OUT} and is "
            f"at least {HELD_OUT + 2}. Received: {num_classes}"
        )
    rng = np.random.default_rng(seed)
    while True:
        dealt = np.concatenate([rng.permutation(num_classes) for _ in range(times)]).reshape(SPLITS, HELD_OUT)
        splits = sorted(sorted(split) for split in dealt.tolist())
        if all(len(set(split)) == HELD_OUT for split in splits) and len(set(map(tuple, splits))) == SPLITS:
            return splits


def hold_out(data, classes):
    """A data set whose training, validation and test parts lack some classes.

    Args:
        data: `Dataset`.
        classes: Numbers of the classes to hold out; at least two others are left.

    Returns:
        `OpenDataset`.

    Raises:
        ValueError: If a class is not one of the data set's, or fewer than two are left.
    """
    unknown = sorted(set(classes))
    known = [number for number in range(data.num_classes) if number not in unknown]
    if not unknown or not 0 <= unknown[0] <= unknown[-1] < data.num_classes or len(known) < 2:
        raise ValueError(
            f"Held-out classes must be some of 0 ... {data.num_classes - 1} and leave two. Received: {list(classes)}"
        )
    return OpenDataset(
        name=data.name,
        train=_of_classes(data.train, known),
        validation=_of_classes(data.validation, known),
        test=_of_classes(data.test, known),
        class_names=tuple(data.class_names[number] for number in known),
        unknown=_of_classes(data.test, unknown),
        unknown_names=tuple(data.class_names[number] for number in unknown),
    )


def _of_classes(split, classes):
    """The images of some classes, given in ascending order, which become 0, 1, ..."""
    kept = split[np.flatnonzero(np.isin(split.labels, classes))]
    return Split(kept.images, np.searchsorted(classes, kept.labels).astype(np.int32))
