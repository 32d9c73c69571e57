"""Data sets as arrays: what is trained on, what chooses, what is judged."""

import dataclasses

import numpy as np
from sklearn.model_selection import train_test_split

from lab.batches import stratified_sample
from lab.errors import InputError
from lab.figures.style import undrawable
from lab.sources import SOURCES

SPLIT_SEED = 0  # The same validation images for every run, whatever its seed.
QUICK_IMAGES = 10_000, 1_000  # Of the training and the validation part, for a first look.
CHANNELS = 1, 3, 4  # What can be drawn.


@dataclasses.dataclass(frozen=True)
class Split:
    """Images, uint8 `(n, height, width, channels)`, and their labels, int32 `(n,)`."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    @property
    def image_shape(self):
        return self.images.shape[1:]

    def __getitem__(self, index):
        return Split(self.images[index], self.labels[index])


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set in three parts: the test part is scored once, at the end.

    Where classes are held out (see `hold_out`), these are the parts of the others, and `unseen` has the test images of
    the classes held out, labelled `0 ...` in the order of `unseen_names`.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple
    unseen: Split | None = None
    unseen_names: tuple = ()

    @property
    def num_classes(self):
        return len(self.class_names)

    @property
    def image_shape(self):
        return self.train.image_shape

    @property
    def parts(self):
        """The parts by name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return parts if self.unseen is None else parts | {"unseen": self.unseen}

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


def load_dataset(name, report=print, quick=False):
    """Loads a data set and holds out a stratified validation part of its training images.

    Args:
        name: `"mnist"`, `"fashion_mnist"` (60,000 + 10,000 images, 5,000 of them held out) or
            `"digits"` (scikit-learn's 1,797 images, enlarged to 28 x 28; needs no download).
        report: Function called with one line of text for each thing the user should know.
        quick: Whether a part of the training and validation images will do, for a first look.

    Returns:
        A `Dataset`.

    Raises:
        InputError: If the name is unknown, the arrays are no data set, or no source has an intact copy.
    """
    if name not in SOURCES:
        raise InputError(f"Unknown dataset: {name}. Valid: {', '.join(SOURCES)}")
    source = SOURCES[name]
    train_images, train_labels, test_images, test_labels = source.read(name, report)
    train, test = (train_images, train_labels), (test_images, test_labels)
    data = make_dataset(name, train, test, source.class_names, source.validation)
    if letters := undrawable("".join(source.class_names)):
        report(
            f"{name}: the pictures show {letters} of the class names as boxes, which matplotlib's font lacks. Name one "
            'that has them in a file matplotlibrc, such as "font.family: sans-serif, Noto Sans CJK JP".'
        )
    return part_of(data, *QUICK_IMAGES) if quick else data


def part_of(data, train, validation):
    """The data set with at most so many training and validation images, stratified; the test part stays whole."""
    smaller = (
        split[stratified_sample(split.labels, count, SPLIT_SEED)]
        for split, count in ((data.train, train), (data.validation, validation))
    )
    train, validation = smaller
    return dataclasses.replace(data, train=train, validation=validation)


def make_dataset(name, train, test, class_names, validation):
    """Checks arrays, splits off the validation images and returns a `Dataset`.

    Args:
        name: Name for titles and folders.
        train, test: Images and labels: `(n, height, width)` or `(n, height, width, channels)`, uint8 or floats that
            are whole numbers in `[0, 255]`; class numbers `(n,)`. Every class has two training images at least, and
            some class two test images.
        class_names: One name per class.
        validation: Number of training images that become the validation part.

    Raises:
        InputError: If images or labels are not of that kind, or training and validation cannot both have their part.
    """
    train = _checked_split(f"{name} train", *train, len(class_names))
    test = _checked_split(f"{name} test", *test, len(class_names))
    if train.image_shape != test.image_shape:
        raise InputError(f"{name}: the parts differ in the shape of an image: {train.image_shape}, {test.image_shape}")
    _require_images(f"{name} train", train.labels, class_names, 2, "two images, one to learn and one to validate with")
    if len(np.unique(test.labels)) in (1, len(test)):
        raise InputError(f"{name} test: needs two images of one class and one of another, or there is nothing to judge")
    chosen = _for_validation(name, train.labels, validation)
    kept = np.setdiff1d(np.arange(len(train)), chosen)
    _require_images(
        f"{name} train", train.labels[kept], class_names, 1, f"an image beside the {validation:,} for validation"
    )
    return Dataset(name, train[kept], train[chosen], test, tuple(class_names))


def _for_validation(name, labels, count):
    """Sorted numbers of the images that become the validation part, in the proportions of the classes.

    Many classes with less than two images each, on average, would have no pairs, by which an epoch is chosen: then it
    is two images each of some classes.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if 2 * len(classes) <= count <= len(labels) - len(classes):
        _, chosen = train_test_split(np.arange(len(labels)), test_size=count, stratify=labels, random_state=SPLIT_SEED)
        return np.sort(chosen)
    large = classes[counts > 2]
    if not 4 <= count <= 2 * len(large):
        raise InputError(
            f"{name}: the validation part must have at least 4 and leave every class a training image: it takes two "
            f"images each of classes with three, of which there are {len(large):,}, or {2 * len(classes):,} to "
            f"{len(labels) - len(classes):,} images of all. Received: {count:,} of {len(labels):,} images"
        )
    rng = np.random.default_rng(SPLIT_SEED)
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    firsts = np.searchsorted(labels[by_class], rng.choice(large, count // 2, replace=False))
    return np.sort(np.concatenate([by_class[firsts], by_class[firsts + 1]]))


def _require_images(part, labels, class_names, fewest, why):
    """Refuses classes with fewer images, naming them."""
    counts = np.bincount(labels, minlength=len(class_names))
    lacking = np.flatnonzero(counts < fewest)
    if len(lacking):
        shown = ", ".join(f"{counts[number]} of {class_names[number]}" for number in lacking[:5])
        more = f" and {len(lacking) - 5:,} classes more" if len(lacking) > 5 else ""
        raise InputError(
            f"{part}: every class needs {why}. Give it more, or leave the class out. Received: {shown}{more}"
        )


def _checked_split(part, images, labels, num_classes):
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim not in (3, 4) or images.size == 0:
        raise InputError(f"{part}: images must be (n, height, width[, channels]). Received: {images.shape}")
    if images.ndim == 4 and images.shape[3] not in CHANNELS:
        raise InputError(f"{part}: an image has {CHANNELS} channels, the last axis. Received: {images.shape}")
    if labels.shape != images.shape[:1]:
        raise InputError(f"{part}: needs one label per image. Received: images {images.shape}, labels {labels.shape}")
    if images.dtype != np.uint8 and not _are_pixels(images):
        raise InputError(
            f"{part}: pixels must be whole numbers in [0, 255]; images in [0, 1] want multiplying by 255. "
            f"Received: {images.dtype} from {images.min()} to {images.max()}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{part}: labels must be integers. Received: {labels.dtype}")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise InputError(f"{part}: labels must be in [0, {num_classes}). Received: {labels.min()} to {labels.max()}")
    if images.ndim == 3:
        images = images[..., None]
    return Split(images.astype(np.uint8), labels.astype(np.int32))


def _are_pixels(images):
    # A comparison with NaN is false.
    return np.issubdtype(images.dtype, np.number) and bool(
        ((images >= 0) & (images <= 255) & (images == np.round(images))).all()
    )


def hold_out(data, classes):
    """A data set whose training, validation and test parts lack some classes: their test images are its unseen ones.

    Args:
        data: `Dataset`.
        classes: Numbers of the classes to hold out; at least two others are left. If there are none, the data set
            stays as it is.

    Returns:
        A `Dataset`: the known classes, renumbered from 0.

    Raises:
        InputError: If a class is not one of the data set's, or fewer than two are left.
    """
    if not classes:
        return data
    unseen = sorted(set(classes))
    known = [number for number in range(data.num_classes) if number not in unseen]
    if not 0 <= unseen[0] <= unseen[-1] < data.num_classes or len(known) < 2:
        raise InputError(
            f"Held-out classes must be some of 0 ... {data.num_classes - 1} and leave two. Received: {list(classes)}"
        )
    return Dataset(
        name=data.name,
        train=_of_classes(data.train, known),
        validation=_of_classes(data.validation, known),
        test=_of_classes(data.test, known),
        class_names=tuple(data.class_names[number] for number in known),
        unseen=_of_classes(data.test, unseen),
        unseen_names=tuple(data.class_names[number] for number in unseen),
    )


def _of_classes(split, classes):
    """The images of some classes, given in ascending order, which become 0, 1, ..."""
    kept = split[np.flatnonzero(np.isin(split.labels, classes))]
    return Split(kept.images, np.searchsorted(classes, kept.labels).astype(np.int32))
