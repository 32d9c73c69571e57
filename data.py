"""Data sets as arrays: what is trained on, what chooses, what is judged."""

import dataclasses
import pathlib

import numpy as np

from lab.batches import stratified_sample
from lab.errors import InputError
from lab.figures.fonts import undrawable
from lab.parts import SPLIT_SEED, checked_part, for_test, for_validation, require_images, say_lone, some_pairs
from lab.rows import Rows
from lab.sources import SOURCES, read
from lab.sources.found import require_answers, untracked
from lab.sources.listing import in_short

LETTERS = 10  # Named in a message.
QUICK_IMAGES = 10_000, 1_000  # Of the training and the validation part, for a first look.


@dataclasses.dataclass(frozen=True)
class Split:
    """Images, uint8 `(n, height, width, channels)`, and their labels, int32 `(n,)`.

    `images` may be `Rows` of a file, of which what is indexed is read.
    """

    images: np.ndarray | Rows
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    @property
    def image_shape(self):
        return self.images.shape[1:]

    def __getitem__(self, index):
        images = self.images.of(index) if isinstance(self.images, Rows) else self.images[index]
        return Split(images, self.labels[index])


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set in three parts: the test part is scored once, at the end.

    Where classes are held out (see `hold_out`), these are the parts of the others, and `unseen` has the test images of
    the classes held out, labelled `0 ...` in the order of `unseen_names`. So it has where none of the test images is of
    a class that is trained on: then `test` is empty.

    Args:
        name: For titles and the folder of results.
        train, validation, test: `Split`.
        class_names: Names of the classes trained on.
        unseen: `Split`, or None.
        unseen_names: Names of its classes.
        queries: Booleans `(n,)` of `unseen`: which images ask for the others, the gallery; None: each for all others.
        cameras: Integers `(n,)` of `unseen`, or None.
        source: Name or absolute path that it was read from.
        content: Hash of all of it, of a data set that has no name of its own.
        is_drawn: Whether the test images were drawn from those to train on.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple
    unseen: Split | None = None
    unseen_names: tuple = ()
    queries: np.ndarray | None = None
    cameras: np.ndarray | None = None
    source: str | None = None
    content: str | None = None
    is_drawn: bool = False

    @property
    def num_classes(self):
        return len(self.class_names)

    @property
    def image_shape(self):
        return self.train.image_shape

    @property
    def parts(self):
        """The parts by name, those that have images."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test, "unseen": self.unseen}
        return {name: part for name, part in parts.items() if part}

    @property
    def judged_part(self):
        """Name of the part whose images are told apart by their distances."""
        return "test" if self.unseen is None else "unseen"

    @property
    def judged_names(self):
        """Names of its classes."""
        return self.class_names if self.unseen is None else self.unseen_names

    @property
    def shown_names(self):
        """Names of the classes of all test images, which a map shows; those never seen are starred and come last."""
        return *self.class_names, *(f"{name}*" for name in self.unseen_names)

    @property
    def shown_labels(self):
        """Labels of all test images, by `shown_names`; those of classes never seen come last."""
        if self.unseen is None:
            return self.test.labels
        return np.concatenate([self.test.labels, self.unseen.labels + self.num_classes])

    def shown_images(self, indices):
        """Some of all test images, by their ascending numbers."""
        known = indices[indices < len(self.test)]
        images = self.test.images[known]
        if self.unseen is None:
            return images
        return np.concatenate([images, self.unseen.images[indices[len(known) :] - len(self.test)]])

    def hold_out(self, classes):
        """The data set whose training, validation and test parts lack some classes; what is judged is theirs.

        These are their test images, or where the test part was drawn, all of theirs.

        Args:
            classes: Numbers of the classes to hold out; at least two others are left. If there are none, the data set
                stays as it is.

        Returns:
            A `Dataset`: the known classes, renumbered from 0.

        Raises:
            InputError: If a class is not one of the data set's, or too little is left to train on or to judge.
        """
        if not len(classes):
            return self
        unseen = np.unique(classes)
        known = np.setdiff1d(np.arange(self.num_classes), unseen)
        if not 0 <= unseen[0] <= unseen[-1] < self.num_classes or len(known) < 2:
            raise InputError(
                f"Held-out classes must be some of 0 ... {self.num_classes - 1} and leave two. "
                f"Received: {list(classes)}"
            )
        names = np.array(self.class_names, object)
        judged = (self.train, self.validation, self.test) if self.is_drawn else (self.test,)
        parted = dataclasses.replace(
            self,
            train=_of_classes(self.train, known),
            validation=_of_classes(self.validation, known),
            test=_of_classes(self.test, known),
            class_names=tuple(names[known]),
            unseen=_joined([_of_classes(split, unseen) for split in judged]),
            unseen_names=tuple(names[unseen]),
        )
        if not (parted.test and _has_pairs(parted.unseen) and _has_pairs(parted.validation)):
            raise InputError(
                f"{self.name}: with {len(unseen):,} of {self.num_classes:,} classes held out there are "
                f"{len(parted.test):,} test and {len(parted.validation):,} validation images of the others, and "
                f"{len(parted.unseen):,} images of theirs: it takes one test image, and of the other two parts two "
                "images of one class and one of another. Hold out other classes with --unseen, or give it more images"
            )
        return parted


def load_dataset(dataset, report=print, quick=False, size=None, track=untracked):
    """Reads a data set; what its source does not tell apart is drawn: a test part, a validation part.

    Args:
        dataset: `"mnist"`, `"fashion_mnist"` (60,000 + 10,000 images, 5,000 of them held out), `"digits"`
            (scikit-learn's 1,797 images, enlarged to 28 x 28; needs no download), `"cifar10"`, `"cifar100"`; or the
            path of a folder of class-named folders of images, of a `.csv` or `.npz`, or of a folder of IDX files.
        report: Function called with one line of text for each thing the user should know.
        quick: Whether a part of the training and validation images will do, for a first look.
        size: `(height, width)` that images are scaled to; None for their own, or 64 x 64 where those of a path differ.
        track: Function from an iterable, its length and what it is of, to the same iterable, that shows progress.

    Returns:
        A `Dataset`.

    Raises:
        InputError: If the name is unknown, the arrays are no data set, or no source has an intact copy.
    """
    found = read(dataset, size, report, track)
    source = dataset if dataset in SOURCES else str(pathlib.Path(dataset).absolute())  # It is read again elsewhere.
    data = dataclasses.replace(_of_parts(found, report), source=source, content=found.content)
    if letters := undrawable("".join((*data.class_names, *data.unseen_names))):
        some = letters if len(letters) <= LETTERS else f"{letters[:LETTERS]} and {len(letters) - LETTERS:,} others"
        report(
            f"{data.name}: the pictures show {some} of the class names as boxes: no font of this machine has them. "
            "Install one that does, such as Noto Sans CJK."
        )
    return part_of(data, *QUICK_IMAGES) if quick else data


def part_of(data, train, validation):
    """The data set with about so many training and validation images, stratified; the test part stays whole.

    Every class keeps a training image. Of many classes all validation images of some are kept: it takes pairs.
    """
    chosen = stratified_sample(data.train.labels, train, SPLIT_SEED)
    classes, firsts = np.unique(data.train.labels, return_index=True)
    lacking = ~np.isin(classes, data.train.labels[chosen])
    validation = data.validation[some_pairs(data.validation.labels, validation)]
    return dataclasses.replace(data, train=data.train[np.union1d(chosen, firsts[lacking])], validation=validation)


def _of_parts(found, report):
    """The `Dataset` of what was `Found`: every class it is trained on has an image, every part the same shape.

    Raises:
        InputError: If images or labels are of another kind, or training and validation cannot both have their part.
    """
    name, parts = found.name, {}
    for part, arrays in found.parts.items():
        parts[part] = Split(*checked_part(f"{name} {part}", *arrays, len(found.class_names)))
    shapes = dict.fromkeys(split.image_shape for split in parts.values())
    if len(shapes) > 1:
        raise InputError(f"{name}: the parts differ in the shape of an image: {', '.join(map(str, shapes))}")
    train, test, validation = parts["train"], parts.get("test"), parts.get("validation")
    if is_drawn := test is None:
        test, train = _parted(train, for_test(train.labels))
    known, judged = np.unique(train.labels), np.unique(test.labels)
    if len(known) < 2:
        raise InputError(f"{name} train: needs images of two classes, to tell them apart. Received: {len(known)}")
    names, in_all = np.array(found.class_names, object), len(known) == len(found.class_names)
    unseen = {}
    if not np.isin(judged, known).any():
        unseen = {"unseen": _of_classes(test, judged), "unseen_names": tuple(names[judged])}
        unseen |= {"queries": found.queries, "cameras": found.cameras}
        require_answers(found)
        test = test[:0]
    elif not in_all:
        test = _known_only(f"{name} test", test, known, names, report)
    if found.queries is not None and not unseen:
        report(f"{name}: queries and gallery are judged as one test part: classes of theirs are trained on")
    if not _has_pairs(unseen.get("unseen", test)):
        drawn = " It was drawn from classes of three images or more: give them five" if is_drawn else ""
        raise InputError(
            f"{name} test: needs two images of one class and one of another, or there is nothing to judge.{drawn}"
        )
    if len(empty := np.setdiff1d(np.arange(len(names)), np.union1d(known, judged))):
        report(f"{name}: no images of {in_short(names[empty])}")
    if validation and not in_all:
        validation = _known_only(f"{name} validation", validation, known, names, report)
    if validation and not _has_pairs(validation):
        report(f"{name} validation: has no two images of one class and one of another; it is drawn from the others")
        validation = None
    if not validation:
        validation, train = _parted(train, for_validation(name, train.labels, found.validation))
    if not in_all:
        train, validation, test = (_of_classes(split, known) for split in (train, validation, test))
    class_names = tuple(names[known])
    require_images(
        f"{name} train", train.labels, class_names, f"an image beside the {len(validation):,} for validation"
    )
    say_lone(f"{name} train", train.labels, class_names, report)
    return Dataset(name, train, validation, test, class_names, **unseen, is_drawn=is_drawn)


def _known_only(part, split, known, names, report):
    """The images of classes that are trained on; what is left out is reported."""
    strangers = np.setdiff1d(split.labels, known)
    if not len(strangers):
        return split
    left_out = np.isin(split.labels, strangers)
    shown = in_short(names[strangers])
    report(f"{part}: left out {left_out.sum():,} images of classes that have none to train on: {shown}")
    return split[np.flatnonzero(~left_out)]


def _has_pairs(split):
    """Whether there are two images of one class, and one of another."""
    return len(np.unique(split.labels)) not in (0, 1, len(split))


def _parted(split, numbers):
    """The images of some numbers, and the others."""
    return split[numbers], split[np.setdiff1d(np.arange(len(split)), numbers)]


def _joined(splits):
    images = [split.images for split in splits]
    if all(isinstance(part, Rows) and part.array is images[0].array for part in images):
        joined = Rows(images[0].array, np.concatenate([part.numbers for part in images]))
    else:
        joined = np.concatenate(images)
    return Split(joined, np.concatenate([split.labels for split in splits]))


def _of_classes(split, classes):
    """The images of some classes, given in ascending order, which become 0, 1, ..."""
    kept = split[np.flatnonzero(np.isin(split.labels, classes))]
    return Split(kept.images, np.searchsorted(classes, kept.labels).astype(np.int32))
