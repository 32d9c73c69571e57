"""Softmax cross-entropy: the classifier every other loss is compared with."""

import keras
from keras import ops

from .arguments import sizes
from .layer import LossLayer
from .numerics import cross_entropy


@keras.saving.register_keras_serializable(package="losses")
class Softmax(LossLayer):
    """Cross-entropy of a linear classifier on the embeddings.

        Z = X W^T + b
        L = 1 / B * sum_i (log sum_j exp(Z_ij) - Z_{i, y_i})

    The class weights `W` (glorot uniform) and the bias `b` (zeros) are trained with the network.
    Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats: `log(num_classes)` for equal logits, 0 for a perfect prediction.

    Raises:
        ValueError: If there are fewer than two classes.
    """

    def __init__(self, num_classes, embedding_dim, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        num_classes, embedding_dim = sizes(num_classes, embedding_dim)
        self.num_classes = num_classes
        self.class_weights = self.add_weight(
            shape=(num_classes, embedding_dim), initializer="glorot_uniform", name="class_weights"
        )
        self.bias = self.add_weight(shape=(num_classes,), initializer="zeros", name="bias")
        self.built = True

    def logits(self, embeddings):
        """Class scores `(batch, num_classes)`; the prediction is their argmax."""
        embeddings = ops.convert_to_tensor(embeddings, self.compute_dtype)
        return ops.matmul(embeddings, ops.transpose(self.class_weights)) + self.bias

    def call(self, labels, embeddings):
        return cross_entropy(self.logits(embeddings), labels)
