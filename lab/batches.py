"""The batches that every loss is trained on: samplers, augmentation, and the feed of the training loop."""

import keras
import numpy as np
from sklearn.model_selection import train_test_split

IMAGES = 240  # Of a batch, if nothing is said of it.
CLASSES = 10  # Of a batch; of more classes as many as it has room for,
FEWEST_EACH = 4  # with so many images of each.


class Batches(keras.utils.PyDataset):
    """Batches of a split: the same in the same order for the same seed, whatever the loss.

    Args:
        split: The `Split` to draw from.
        seed: Integer; every epoch draws anew from the seed and the number of the epoch, which `go_to` sets.
        sampler: `"balanced"`: `classes_per_batch` classes, `per_class` images of each, so that a batch has pairs of
            every kind; a class with fewer repeats them. `"shuffle"`: every image once per epoch, in batches of
            `classes_per_batch * per_class`. Both drop what does not fill a batch.
        augment: Whether each image is shifted by up to 2 pixels either way.
        classes_per_batch, per_class: What is None follows from the other one, for batches of about 240 images; both,
            from the images: see `batch_shape`.

    Raises:
        ValueError: If there is no such sampler, a batch cannot have so many classes, or a number is below 1.
    """

    def __init__(self, split, seed, sampler="balanced", augment=False, classes_per_batch=None, per_class=None):
        super().__init__()
        if sampler not in SAMPLERS:
            raise ValueError(f"Unknown sampler: {sampler}. Valid: {', '.join(SAMPLERS)}")
        self.split, self.seed, self.sampler, self.augment = split, seed, sampler, augment
        _, counts = np.unique(split.labels, return_counts=True)
        self.classes_per_batch, self.per_class = batch_shape(
            counts, sampler == "balanced", classes_per_batch, per_class
        )
        self.epoch, self._indices = 0, None

    @classmethod
    def of(cls, split, settings, augment=False):
        """The batches of a run, by its `Settings`."""
        shape = settings.classes_per_batch, settings.per_class
        return cls(split, settings.seed, settings.sampler, augment, *shape)

    @classmethod
    def of_validation(cls, split, settings):
        """Batches like those of a run, of images that may be of fewer classes."""
        classes = settings.classes_per_batch and min(settings.classes_per_batch, len(np.unique(split.labels)))
        return cls(split, settings.seed, settings.sampler, False, classes, settings.per_class)

    def __len__(self):
        return max(1, len(self.split) // (self.classes_per_batch * self.per_class))

    def __getitem__(self, step):
        chosen = self.split[self.indices[step]]
        images = np.asarray(chosen.images)  # Of a file, these are read now.
        if self.augment:
            images = shifted(images, np.random.default_rng([self.seed, self.epoch, step + 1]))
        return images, chosen.labels

    @property
    def indices(self):
        """Numbers of the images of each batch of this epoch, `(steps, images)`."""
        if self._indices is None:  # Many only want to know how many batches there are.
            rng = np.random.default_rng([self.seed, self.epoch])
            self._indices = SAMPLERS[self.sampler](self.split.labels, rng, self.classes_per_batch, self.per_class)
        return self._indices

    def go_to(self, epoch):
        """Has the batches of another epoch drawn."""
        self.epoch, self._indices = epoch, None

    def drawing(self):
        """Keras callback that has them drawn anew in every epoch, the first of which is epoch 1."""
        # Not `on_epoch_begin` of a `PyDataset`: Keras calls that once more, to look at a batch.
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: self.go_to(epoch + 1))


def feed(batches):
    """The batches as Keras takes them: as they are, or for TensorFlow as a `tf.data.Dataset` that makes them ahead."""
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in batches[0])
    options = tf.data.Options()
    # The tuner, which Keras would leave on, sleeps in steps that double, and every pass waits at its end for it to
    # wake: an epoch would take up to twice as long as its work.
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(lambda: batches, output_signature=signature).prefetch(4)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches))).with_options(options)


def batch_shape(counts, balanced, classes_per_batch=None, per_class=None):
    """How many classes a batch has, and how many images of each.

    Args:
        counts: Numbers of images of the classes.
        balanced: Whether it has as many of each. Then it has more classes where there are more than ten, and of those
            more still where most have few images: repeats of them teach nothing.
        classes_per_batch, per_class: What is asked for, or None.

    Raises:
        ValueError: If there are fewer classes than asked for, or a number is below 1.
    """
    for name, number in ("classes per batch", classes_per_batch), ("images per class", per_class):
        if number is not None and number < 1:
            raise ValueError(f"A batch needs at least 1 of its {name}. Received: {number}")
    if classes_per_batch is not None:
        if classes_per_batch > len(counts):
            raise ValueError(
                f"A batch of {classes_per_batch:,} classes (--classes-per-batch) needs as many to draw from. There are "
                f"{len(counts):,}"
            )
        return classes_per_batch, per_class or max(1, IMAGES // classes_per_batch)
    if per_class is None:
        per_class = IMAGES // CLASSES
        if balanced and len(counts) > CLASSES:
            # A classifier of 1,000 classes learns nothing from ten at a time.
            per_class = max(FEWEST_EACH, IMAGES // len(counts))
            per_class = min(per_class, max(2, int(np.median(counts))))  # A pair is the least there can be.
    return min(max(1, IMAGES // per_class), len(counts)), per_class


def balanced_indices(labels, rng, classes_per_batch, per_class):
    """Indices `(steps, classes_per_batch * per_class)` of class-balanced batches, one epoch's worth.

    A class comes back only when the others have been drawn, but for those that do not fill a batch; an image only when
    every other image of its class has been.
    """
    classes = np.unique(labels)
    steps = max(1, len(labels) // (classes_per_batch * per_class))
    batches = len(classes) // classes_per_batch  # Of different classes.
    rounds = rng.permuted(np.tile(classes, (-(-steps // batches), 1)), axis=1)[:, : batches * classes_per_batch]
    drawn = rounds.ravel()[: steps * classes_per_batch]
    indices = np.empty((steps * classes_per_batch, per_class), np.int64)
    for members, places in zip(_by_class(labels, classes), _by_class(drawn, classes), strict=True):
        needed = len(places) * per_class
        rounds = [rng.permutation(members) for _ in range(-(-needed // len(members)))]
        if rounds:
            indices[places] = np.concatenate(rounds)[:needed].reshape(-1, per_class)
    return indices.reshape(steps, -1)


def _by_class(labels, classes):
    """The ascending numbers of the labels that are each of some classes, which ascend."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], classes[1:]))


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
    classes, counts = np.unique(labels, return_counts=True)
    if len(labels) - count < len(classes) <= count:
        return np.arange(len(labels))
    if count < len(classes) or counts.min() < 2:  # scikit-learn would refuse: evenly from the items in order of class.
        shuffled = np.random.default_rng(seed).permutation(len(labels))
        by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
        return np.sort(by_class[np.arange(count) * len(labels) // count])
    chosen, _ = train_test_split(np.arange(len(labels)), train_size=count, stratify=labels, random_state=seed)
    return np.sort(chosen)
