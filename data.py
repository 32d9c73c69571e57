"""Data sets as arrays, and the batches that every loss is trained on."""

import dataclasses

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sources import load_idx

DIGITS = tuple(str(digit) for digit in range(10))
CLASS_NAMES = {
    "mnist": DIGITS,
    "fashion_mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    "digits": DIGITS,
}
DATASETS = tuple(CLASS_NAMES)
SPLIT_SEED = 0  # The same validation images for every run, whatever its seed.


@dataclasses.dataclass(frozen=True)
class Split:
    """Images, uint8 `(n, height, width, channels)`, and their labels, int32 `(n,)`."""

    images: np.ndarray
    labels: np.ndarray

    @property
    def pixels(self):
        """The images as vectors of numbers in `[0, 1]`, float32 `(n, height * width * channels)`."""
        return self.images.reshape(len(self), -1).astype(np.float32) / 255

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return Split(self.images[index], self.labels[index])


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set in three parts: the test part is scored once, at the end."""

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple

    @property
    def num_classes(self):
        return len(self.class_names)

    @property
    def image_shape(self):
        return self.train.images.shape[1:]

    @property
    def parts(self):
        """The parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def judged(self):
        """Name of the part whose images are told apart by their distances, and the names of its classes."""
        return "test", self.class_names

    @property
    def shown(self):
        """All test images, and the names of their classes: what a map of them shows."""
        return self.test, self.class_names


def load_dataset(name, report=print):
    """Loads a data set and holds out a stratified validation part of its training images.

    Args:
        name: `"mnist"`, `"fashion_mnist"` (60,000 + 10,000 images, 5,000 of them held out) or
            `"digits"` (scikit-learn's 1,797 images, enlarged to 28 x 28; needs no download).
        report: Function called with one line of text for each thing the user should know.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: If the name is unknown, or the arrays are no data set.
        SourceError: If no source has an intact copy.
    """
    if name == "digits":
        arrays, held_out = _digits(), 200
    elif name in DATASETS:
        arrays, held_out = load_idx(name, report), 5000
    else:
        raise ValueError(f"Unknown dataset: {name}. Valid: {', '.join(DATASETS)}")
    return make_dataset(name, *arrays, CLASS_NAMES[name], held_out)


def part_of(data, train, validation):
    """The data set with at most so many training and validation images, stratified; the test part stays whole."""
    smaller = (
        split[stratified_sample(split.labels, count, SPLIT_SEED)]
        for split, count in ((data.train, train), (data.validation, validation))
    )
    return Dataset(data.name, *smaller, data.test, data.class_names)


def make_dataset(name, train_images, train_labels, test_images, test_labels, class_names, held_out):
    """Checks arrays, splits off `held_out` validation images and returns a `Dataset`.

    Args:
        name: Name for titles and folders.
        train_images, test_images: `(n, height, width)` or `(n, height, width, channels)`; uint8,
            or floats that are whole numbers in `[0, 255]`.
        train_labels, test_labels: Class numbers `(n,)`.
        class_names: One name per class.
        held_out: Number of training images that become the validation part.

    Raises:
        ValueError: If images or labels are not of that kind.
    """
    train = _checked_split(f"{name} train", train_images, train_labels, len(class_names))
    test = _checked_split(f"{name} test", test_images, test_labels, len(class_names))
    kept, validation = train_test_split(
        np.arange(len(train)), test_size=held_out, stratify=train.labels, random_state=SPLIT_SEED
    )
    return Dataset(name, train[np.sort(kept)], train[np.sort(validation)], test, tuple(class_names))


def _checked_split(part, images, labels, num_classes):
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim not in (3, 4) or images.size == 0:
        raise ValueError(f"{part}: images must be (n, height, width[, channels]). Received: {images.shape}")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"{part}: needs one label per image. Received: images {images.shape}, labels {labels.shape}")
    if images.dtype != np.uint8 and not _are_pixels(images):
        raise ValueError(
            f"{part}: pixels must be whole numbers in [0, 255]; images in [0, 1] want multiplying by 255. "
            f"Received: {images.dtype} from {images.min()} to {images.max()}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{part}: labels must be integers. Received: {labels.dtype}")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"{part}: labels must be in [0, {num_classes}). Received: {labels.min()} to {labels.max()}")
    if images.ndim == 3:
        images = images[..., None]
    return Split(images.astype(np.uint8), labels.astype(np.int32))


def _are_pixels(images):
    # A comparison with NaN is false.
    return np.issubdtype(images.dtype, np.number) and bool(
        ((images >= 0) & (images <= 255) & (images == np.round(images))).all()
    )


def _digits():
    """scikit-learn's 8 x 8 digits as 28 x 28: every pixel becomes 3 x 3, with a border of 2."""
    digits = load_digits()
    images = np.kron(digits.images, np.ones((3, 3))) * 255 / 16
    images = np.pad(images.round(), ((0, 0), (2, 2), (2, 2)))
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, digits.target, test_size=400, stratify=digits.target, random_state=SPLIT_SEED
    )
    return train_images, train_labels, test_images, test_labels


class Batches:
    """Batches of a split: the same in the same order for the same seed, whatever the loss.

    Args:
        split: The `Split` to draw from.
        seed: Integer; every epoch draws anew from the seed and the number of the epoch.
        sampler: `"balanced"`: `classes_per_batch` classes, `per_class` images of each, so that
            a batch has pairs of every kind. `"shuffle"`: every image once per epoch, in
            batches of `classes_per_batch * per_class`. Both drop what does not fill a batch.
        augment: Whether each image is shifted by up to 2 pixels either way.
        classes_per_batch: At most this many; all classes if there are fewer.
        per_class: Images of each class in a balanced batch.
    """

    def __init__(self, split, seed, sampler="balanced", augment=False, classes_per_batch=10, per_class=24):
        if sampler not in SAMPLERS:
            raise ValueError(f"Unknown sampler: {sampler}. Valid: {', '.join(SAMPLERS)}")
        self.split, self.seed, self.sampler, self.augment = split, seed, sampler, augment
        self.classes_per_batch = min(classes_per_batch, len(np.unique(split.labels)))
        self.per_class = per_class
        self.epoch = -1
        self.next_epoch()

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, step):
        chosen = self.split[self.indices[step]]
        images = chosen.images
        if self.augment:
            images = shifted(images, np.random.default_rng([self.seed, self.epoch, step + 1]))
        return images, chosen.labels

    def next_epoch(self):
        """Draws the batches of the next epoch."""
        self.epoch += 1
        rng = np.random.default_rng([self.seed, self.epoch])
        self.indices = SAMPLERS[self.sampler](self.split.labels, rng, self.classes_per_batch, self.per_class)


def pipeline(batches, redraw=True):
    """The batches as a `tf.data.Dataset` that makes them ahead of their use.

    Args:
        batches: `Batches`.
        redraw: Whether each pass over the data set is the next epoch; if not, all are the same.
    """

    def one_pass():
        if redraw:
            batches.next_epoch()
        for step in range(len(batches)):
            yield batches[step]

    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in batches[0])
    options = tf.data.Options()
    # The tuner sleeps in steps that double, and every pass waits at its end for it to wake:
    # an epoch would take up to twice as long as its work.
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(one_pass, output_signature=signature).prefetch(4)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches))).with_options(options)


def balanced_indices(labels, rng, classes_per_batch, per_class):
    """Indices `(steps, classes_per_batch * per_class)` of class-balanced batches, one epoch's worth.

    An image comes back only when every other image of its class has been drawn.
    """
    classes = np.unique(labels)
    steps = max(1, len(labels) // (classes_per_batch * per_class))
    drawn = rng.permuted(np.tile(classes, (steps, 1)), axis=1)[:, :classes_per_batch]
    indices = np.empty((steps, classes_per_batch, per_class), np.int64)
    for label in classes:
        places = drawn == label
        members = np.flatnonzero(labels == label)
        needed = places.sum() * per_class
        rounds = [rng.permutation(members) for _ in range(-(-needed // len(members)))]
        if rounds:
            indices[places] = np.concatenate(rounds)[:needed].reshape(-1, per_class)
    return indices.reshape(steps, -1)


def shuffled_indices(labels, rng, classes_per_batch, per_class):
    """Indices `(steps, classes_per_batch * per_class)` of plainly shuffled batches."""
    size = min(classes_per_batch * per_class, len(labels))
    steps = len(labels) // size
    return rng.permutation(len(labels))[: steps * size].reshape(steps, size)


SAMPLERS = {"balanced": balanced_indices, "shuffle": shuffled_indices}


def shifted(images, rng, distance=2):
    """Images `(n, height, width, channels)`, each shifted by up to `distance` pixels, zeros moving in."""
    n, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (distance, distance), (distance, distance), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    rows, columns = rng.integers(0, 2 * distance + 1, (2, n))
    return np.moveaxis(windows[np.arange(n), rows, columns], 1, -1)


def stratified_sample(labels, count, seed):
    """Sorted indices of `count` items in the proportions of the classes.

    All items, if fewer than one of each class would be left over.
    """
    if len(labels) - count < len(np.unique(labels)):
        return np.arange(len(labels))
    chosen, _ = train_test_split(np.arange(len(labels)), train_size=count, stratify=labels, random_state=seed)
    return np.sort(chosen)
