"""The networks, which are in `lab.networks`, and the model that trains one of them with a weighted sum of losses."""

import collections
import math

import keras
import numpy as np
from keras import ops

from lab.networks import (
    EMBEDDING_INITS,
    MODELS,
    FusedBatchNormalization,
    backbones,
    build_cnn,
    build_embedder,
    portable,
    start_averages,
)
from losses import LOSSES
from losses.layer import refuse_replicas, warn_of_the_old

__all__ = [
    "EMBEDDING_INITS",
    "MODELS",
    "FusedBatchNormalization",
    "MetricModel",
    "backbones",
    "build_cnn",
    "build_embedder",
    "build_model",
    "portable",
    "start_averages",
]

MOST_IMAGES, MOST_VALUES = 1000, 4_000_000  # At a time, for `MetricModel.embed`: of large images a network makes much.


def build_model(settings, image_shape, num_classes):
    """A new `MetricModel`: the network first, then the losses, so that the same seed gives every loss the same network.

    Args:
        settings: `Settings` of the run: its seed and precision become those of Keras.
        image_shape: `(height, width, channels)`.
        num_classes: Number of classes.

    Raises:
        ValueError: If the network refuses the images or the weights, or the loss an argument.
    """
    distribution = keras.distribution.distribution()  # The session has it too.
    keras.backend.clear_session()
    keras.distribution.set_distribution(distribution)
    keras.config.set_dtype_policy(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    embedder = build_embedder(settings, image_shape)
    recipe = LOSSES[settings.loss]
    smoothing = {"label_smoothing": settings.label_smoothing} if "label_smoothing" in recipe.options() else {}
    terms = recipe(num_classes, settings.embedding_dim, **smoothing | settings.overrides)
    return MetricModel(embedder, terms, both_sides=settings.both_sides)


@keras.saving.register_keras_serializable(package="models")
class MetricModel(keras.Model):
    """Trains an embedder with a weighted sum of losses that may hold state of their own.

    The losses are layers of the model, so their centers and class weights are trained, saved and logged with it.
    `predict` returns embeddings, of one side: only training needs labels. Saved as `.keras` it can be loaded, and
    trained further by any optimizer of Keras, where `models` and `losses` are imported.

    Args:
        embedder: `keras.Model` from images to embeddings `(batch, embedding_dim)`.
        terms: Dict from a term's name in the logs to `(weight, loss)`, where
            `loss(labels, embeddings, training=...)` returns a scalar.
        both_sides: Whether the embedding that `embed` gives of an image is the mean of its own and its mirror image's.
    """

    def __init__(self, embedder, terms, both_sides=False, **kwargs):
        super().__init__(**kwargs)
        self.embedder = embedder
        self.both_sides = both_sides
        self.terms = {name: loss for name, (_, loss) in terms.items()}
        self.term_weights = _TermWeights({name: weight for name, (weight, _) in terms.items()}, self.terms)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in terms}
        self.classifier = next(
            (loss for weight, loss in terms.values() if weight > 0 and hasattr(loss, "logits")), None
        )
        if self.classifier is not None:
            self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="head_accuracy")

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        terms = {name: [self.term_weights[name], serialize(loss)] for name, loss in self.terms.items()}
        return {
            "name": self.name,
            "embedder": serialize(self.embedder),
            "terms": terms,
            "both_sides": self.both_sides,
        }

    @classmethod
    def from_config(cls, config):
        deserialize = keras.saving.deserialize_keras_object
        terms = {name: (weight, deserialize(loss)) for name, (weight, loss) in config["terms"].items()}
        return cls(deserialize(config["embedder"]), terms, config.get("both_sides", False), name=config["name"])

    def call(self, images, training=None):
        return self.embedder(images, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted sum of the terms on a batch of labels `y` and embeddings `y_pred`."""
        if sample_weight is not None:
            raise ValueError(
                "MetricModel takes no sample weights and no class weights: a pair has two samples. Draw the samples "
                "that are to count more more often; the weights of the terms weigh whole losses."
            )
        if self.loss is not None:
            raise ValueError("MetricModel takes no loss in `compile`: its terms are its losses.")
        total = sum(ops.sum(penalty) for penalty in self.losses)  # Regularizers of the embedder, if any.
        for name, loss in self.terms.items():
            value = loss(y, y_pred, training=training)
            self.trackers[name].update_state(value, sample_weight=ops.shape(y)[0])
            total = total + self.term_weights[name] * value
        if self.classifier is not None:
            self.accuracy.update_state(y, self.classifier.logits(y_pred))
        return total

    def embed(self, images):
        """Embeddings of images, `(n, embedding_dim)`, as NumPy."""
        if keras.backend.backend() == "tensorflow":
            with self.distribute_strategy.scope():
                refuse_replicas("MetricModel.embed")  # Each replica would return the rows of the whole batch.
        if keras.backend.backend() == "jax":
            self.jax_state_sync()  # In the middle of an epoch the training loop has the weights.
        # Not `predict`: it sets up a tf.data pipeline, whose tuner makes every pass wait.
        size = max(1, min(MOST_IMAGES, MOST_VALUES // math.prod(images.shape[1:])))
        parts = range(0, max(1, len(images)), size)  # Of no images, embeddings of length 0.
        return np.concatenate([self._embed(images[start : start + size]) for start in parts])

    def _embed(self, images):
        embeddings = self.predict_on_batch(images)
        return (embeddings + self.predict_on_batch(images[:, :, ::-1])) / 2 if self.both_sides else embeddings

    def class_logits(self, embeddings):
        """The scores `(n, num_classes)` of the loss's own classifier, as NumPy; None if it has none."""
        return None if self.classifier is None else ops.convert_to_numpy(self.classifier.logits(embeddings))

    @property
    def class_directions(self):
        """What the embeddings of each class are to point at, `(num_classes, k, embedding_dim)`, or None.

        The class weights or the proxies of the first term that has them and counts: one a class, or several
        sub-centers.
        """
        weights = self._weights("class_weights", "proxies")
        return None if weights is None else weights.reshape(len(weights), -1, weights.shape[-1])

    @property
    def learned_centers(self):
        """The centers or proxies of the first term that has them, `(num_classes, embedding_dim)`, or None."""
        return self._weights("centers", "proxies")

    @property
    def shown_centers(self):
        """Centers `(num_classes, embedding_dim)` in the space of the embeddings, or None.

        Proxies are directions, and a loss that bounds its embeddings has its centers among the bounded ones.
        """
        bounding = any(hasattr(loss, "centers") and hasattr(loss, "embedding_norm") for loss in self.terms.values())
        return None if bounding else self._weights("centers")

    def _weights(self, *names):
        for term, loss in self.terms.items():
            for name in names:
                if self.term_weights[term] and hasattr(loss, name):
                    return ops.convert_to_numpy(getattr(loss, name))
        return None


class _TermWeights(collections.UserDict):
    """The weights of the terms by name; warns of a change that a compiled step does not follow, as a loss does."""

    def __init__(self, weights, losses):
        self.losses = losses
        super().__init__(weights)

    def __setitem__(self, name, weight):
        if weight != self.get(name, weight) and self.losses[name].compiled:
            warn_of_the_old(name, "term_weights")
        super().__setitem__(name, weight)
