"""The networks, and the model that trains one of them with a weighted sum of losses."""

import functools

import keras
import numpy as np
from keras import layers, ops

from losses import LOSSES
from losses.layer import refuse_replicas

IMAGES_AT_A_TIME = 1000  # For `MetricModel.embed`.
# As the exponential triplet loss's authors compare them: the last two are far from a scale
# that keeps the variance.
EMBEDDING_INITS = {
    "glorot": keras.initializers.GlorotUniform,
    "normal": functools.partial(keras.initializers.RandomNormal, 0.0, 1.0),
    "uniform": functools.partial(keras.initializers.RandomUniform, 0.0, 1.0),
}


@keras.saving.register_keras_serializable(package="models")
class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalisation over the last axis, computed by TensorFlow's fused op where there is one.

    Keras' own layer normalises in several passes in float32; the fused op reads bfloat16
    and makes the whole training step of a small CNN up to twice as fast on a CPU. Weights and
    results are those of `keras.layers.BatchNormalization`, and so is all else: on another
    backend, or for inputs that are not images, this is that layer.
    """

    def call(self, inputs, training=None, mask=None):
        if keras.backend.backend() != "tensorflow" or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        from tensorflow.compat.v1.nn import fused_batch_norm

        scale, offset = (ops.cast(w, "float32") for w in (self.gamma, self.beta))
        moving_mean, moving_variance = (ops.cast(w, "float32") for w in (self.moving_mean, self.moving_variance))
        if not (training and self.trainable):
            return fused_batch_norm(
                inputs, scale, offset, moving_mean, moving_variance, self.epsilon, is_training=False
            )[0]
        outputs, mean, variance = fused_batch_norm(inputs, scale, offset, epsilon=self.epsilon, is_training=True)
        count = ops.cast(ops.prod(ops.shape(inputs)[:3]), "float32")
        # The op returns the unbiased variance, Keras averages the biased one.
        variance = variance * (count - 1) / count
        self.moving_mean.assign(moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(moving_variance * self.momentum + variance * (1 - self.momentum))
        return outputs


def build_cnn(image_shape, embedding_dim, embedding_init="glorot"):
    """A small CNN for 28 x 28 images: four convolutions in three stages, 139,000 parameters.

    On a CPU the layers at high resolution cost most of the time and add little accuracy, so
    the first convolution has stride 2 and a pooling follows at once.

    Args:
        image_shape: `(height, width, channels)`.
        embedding_dim: Length of the embedding, which is linear: no activation follows it.
        embedding_init: What the weights of the embedding start from: a key of `EMBEDDING_INITS`.

    Returns:
        `keras.Model` from pixels in `[0, 255]` to float32 embeddings `(batch, embedding_dim)`.
    """
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    x = _convolution(x, 32, 5, strides=2)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Dropout(0.1)(x)
    x = _convolution(x, 64, 3)
    x = _convolution(x, 64, 3)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Dropout(0.1)(x)
    x = _convolution(x, 128, 3)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(images, _embedding(x, embedding_dim, embedding_init), name="cnn")


def build_lenet_plus_plus(image_shape, embedding_dim, embedding_init="glorot"):
    """The trunk of the center-loss paper's MNIST figures: LeNet++, 3 x 2 convolutions, PReLU, max pooling.

    Args and returns as `build_cnn`.
    """
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    for filters in (32, 64, 128):
        for _ in range(2):
            x = layers.Conv2D(filters, 5, padding="same")(x)
            x = layers.PReLU(shared_axes=(1, 2))(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    return keras.Model(images, _embedding(x, embedding_dim, embedding_init), name="lenet_plus_plus")


def backbones():
    return ()


def build_embedder(settings, image_shape):
    return MODELS[settings.model](image_shape, settings.embedding_dim, settings.embedding_init)


MODELS = {"cnn": build_cnn, "lenet++": build_lenet_plus_plus}


def _convolution(x, filters, size, strides=1):
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    x = FusedBatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x)


def _embedding(x, embedding_dim, embedding_init):
    # In float32 under every policy: bfloat16 would leave an embedding eight bits.
    initializer = EMBEDDING_INITS[embedding_init]()
    return layers.Dense(embedding_dim, kernel_initializer=initializer, dtype="float32", name="embedding")(x)


def start_averages(embedder, images):
    """Starts the averages of batch normalisation at what the network makes of some images.

    Keras starts them at 0 and 1. After a short training they would still be far from what they
    average, and everything measured with them off; weights and random states stay as they are.
    """
    normalizations = [layer for layer in embedder.layers if isinstance(layer, layers.BatchNormalization)]
    averages = {id(weight) for layer in normalizations for weight in layer.non_trainable_variables}
    others = [w for w in embedder.non_trainable_variables if id(w) not in averages]  # Dropout's random states.
    before = [ops.copy(weight.value) for weight in others]
    momenta = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0
    embedder(images, training=True)
    for layer, momentum in zip(normalizations, momenta, strict=True):
        layer.momentum = momentum
    for weight, value in zip(others, before, strict=True):
        weight.assign(value)


def portable(embedder):
    """A copy of an embedder for use anywhere: of Keras' own layers, without this project, and in float32.

    Other backends round bfloat16 elsewhere, and converters to other formats do not know it.
    """

    def plain(layer):
        kind = layers.BatchNormalization if isinstance(layer, FusedBatchNormalization) else type(layer)
        return kind.from_config(layer.get_config() | {"dtype": "float32"})

    copy = keras.models.clone_model(embedder, clone_function=plain)
    copy.set_weights(embedder.get_weights())
    return copy


def build_model(settings, image_shape, num_classes):
    """A new `MetricModel`: the network first, then the losses, so that the same seed gives every loss the same network.

    Args:
        settings: `Settings` of the run: its seed and precision become those of Keras.
        image_shape: `(height, width, channels)`.
        num_classes: Number of classes.
    """
    keras.backend.clear_session()
    keras.config.set_dtype_policy(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    embedder = MODELS[settings.model](image_shape, settings.embedding_dim, settings.embedding_init)
    return MetricModel(embedder, LOSSES[settings.loss](num_classes, settings.embedding_dim, **settings.overrides))


@keras.saving.register_keras_serializable(package="models")
class MetricModel(keras.Model):
    """Trains an embedder with a weighted sum of losses that may hold state of their own.

    The losses are layers of the model, so their centers and class weights are trained,
    saved and logged with it. `predict` returns embeddings: only training needs labels. Saved
    as `.keras` it can be loaded, and trained further, where `models` and `losses` are imported.

    Args:
        embedder: `keras.Model` from images to embeddings `(batch, embedding_dim)`.
        terms: Dict from a term's name in the logs to `(weight, loss)`, where
            `loss(labels, embeddings, training=...)` returns a scalar.
    """

    def __init__(self, embedder, terms, **kwargs):
        super().__init__(**kwargs)
        self.embedder = embedder
        self.term_weights = {name: weight for name, (weight, _) in terms.items()}
        self.terms = {name: loss for name, (_, loss) in terms.items()}
        self.trackers = {name: keras.metrics.Mean(name=name) for name in terms}
        self.classifier = next(
            (loss for weight, loss in terms.values() if weight > 0 and hasattr(loss, "logits")), None
        )
        if self.classifier is not None:
            self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="head_accuracy")

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        terms = {name: [self.term_weights[name], serialize(loss)] for name, loss in self.terms.items()}
        return {"name": self.name, "embedder": serialize(self.embedder), "terms": terms}

    @classmethod
    def from_config(cls, config):
        deserialize = keras.saving.deserialize_keras_object
        terms = {name: (weight, deserialize(loss)) for name, (weight, loss) in config["terms"].items()}
        return cls(deserialize(config["embedder"]), terms, name=config["name"])

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
        # Not `predict`: it sets up a tf.data pipeline, whose tuner makes every pass wait.
        parts = range(0, len(images), IMAGES_AT_A_TIME)
        return np.concatenate([self.predict_on_batch(images[start : start + IMAGES_AT_A_TIME]) for start in parts])

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
