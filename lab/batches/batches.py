"""The batches of a training, and the feed of its loop."""

import keras
import numpy as np

from .augmentation import augmented
from .samplers import SAMPLERS, batch_shape


class Batches(keras.utils.PyDataset):
    """Batches of a split: the same in the same order for the same seed, whatever the loss.

    Args:
        split: The `Split` to draw from.
        seed: Integer; every epoch draws anew from the seed and the number of the epoch, which `go_to` sets.
        sampler: `"balanced"`: `classes_per_batch` classes, `per_class` images of each, so that a batch has pairs of
            every kind; a class with fewer repeats them. `"shuffle"`: every image once per epoch, in batches of
            `classes_per_batch * per_class`. Both drop what does not fill a batch.
        augment: Names in `AUGMENTATIONS` of what is done to each image at random.
        classes_per_batch, per_class: What is None follows from the other one, for batches of about 240 images; both,
            from the images: see `batch_shape`.

    Raises:
        ValueError: If there is no such sampler, a batch cannot have so many classes, or a number is below 1.
    """

    def __init__(self, split, seed, sampler="balanced", augment=(), classes_per_batch=None, per_class=None):
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
    def of(cls, split, settings, augment=()):
        """The batches of a run, by its `Settings`."""
        shape = settings.classes_per_batch, settings.per_class
        return cls(split, settings.seed, settings.sampler, augment, *shape)

    @classmethod
    def of_validation(cls, split, settings):
        """Batches like those of a run, of images that may be of fewer classes."""
        classes = settings.classes_per_batch and min(settings.classes_per_batch, len(np.unique(split.labels)))
        return cls(split, settings.seed, settings.sampler, (), classes, settings.per_class)

    def __len__(self):
        return max(1, len(self.split) // (self.classes_per_batch * self.per_class))

    def __getitem__(self, step):
        chosen = self.split[self.indices[step]]
        images = np.asarray(chosen.images)  # Of a file, these are read now.
        if self.augment:
            images = augmented(images, self.augment, np.random.default_rng([self.seed, self.epoch, step + 1]))
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
