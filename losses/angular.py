"""What the softmax losses with a margin share: cosines to class weights, and the target's place among the logits."""

import math

import keras
from keras import ops

from .arguments import positive, sizes
from .labels import own_mask
from .layer import LossLayer
from .numerics import cosines, cross_entropy

GRADIENTS = ("exact", "detached")


class CosineClassifier(LossLayer):
    """Cross-entropy of `scale` times the cosines between embeddings and class weights.

    Base of the losses with a margin: most override `target_cosines` alone. The class weights
    start glorot uniform and are trained with the network.
    """

    def __init__(self, num_classes, embedding_dim, scale, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        num_classes, embedding_dim = sizes(num_classes, embedding_dim)
        self.num_classes = num_classes
        self.scale = positive("scale", scale)
        self.class_weights = self.add_class_weights(num_classes, embedding_dim)
        self.built = True

    def add_class_weights(self, num_classes, *shape):
        # Keras' own glorot initializer would take sub-centers for a convolution's channels.
        limit = math.sqrt(6 / (num_classes + shape[-1]))
        initializer = keras.initializers.RandomUniform(-limit, limit)
        return self.add_weight(shape=(num_classes, *shape), initializer=initializer, name="class_weights")

    def cosines(self, embeddings):
        """Cosine of each embedding with each class weight, `(batch, num_classes)`."""
        return cosines(embeddings, self.class_weights)

    def logits(self, embeddings):
        """Class scores `(batch, num_classes)`, without margin; the prediction is their argmax."""
        return self.scale * self.cosines(ops.convert_to_tensor(embeddings, self.compute_dtype))

    def target_cosines(self, cosines):
        """What takes the place of the cosine with the own class, `(batch,)` from `(batch,)`."""
        return cosines

    def call(self, labels, embeddings):
        scores = self.cosines(embeddings)
        own = self.target_cosines(own_class(scores, labels))
        return cross_entropy(self.scale * with_own_class(scores, labels, own), labels)


def own_class(scores, labels):
    """The entry of each row in the column of its label, `(batch,)`."""
    return ops.squeeze(ops.take_along_axis(scores, labels[:, None], axis=1), axis=1)


def with_own_class(scores, labels, values):
    """`scores` with `values`, `(batch,)`, in the column of each row's label."""
    return ops.where(own_mask(labels, scores.shape[1]), values[:, None], scores)


def detached(values, cosines):
    """`values` in the forward pass, the gradient of `cosines` in the backward pass.

    A margin bends the gradient near 0 and pi, where it vanishes or loses its direction; the
    gradient of the plain cosine always points to the class weight.
    """
    return cosines + ops.stop_gradient(values - cosines)
