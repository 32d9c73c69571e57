"""Softmax cross-entropy: the classifier every other loss is compared with."""

import keras
from keras import ops

from .arguments import number, sizes
from .layer import LossLayer
from .numerics import cross_entropy


@keras.saving.register_keras_serializable(package="losses")
class Softmax(LossLayer):
    """Cross-entropy of a linear classifier on the embeddings.

        Z = X W^T + b
        T_ij = (1 - s) [j = y_i] + s / C
        L = 1 / B * sum_i (log sum_j exp(Z_ij) - sum_j T_ij Z_ij)

    with `s` the label smoothing and `C` the number of classes: at 0 the target is the class alone.
    The class weights `W` (glorot uniform) and the bias `b` (zeros) are trained with the network.
    Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        label_smoothing: In `[0, 1]`; share of the target that all classes get alike.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats: `log(num_classes)` for equal logits, at least the entropy of the targets, which
        is 0 without smoothing.

    Raises:
        ValueError: If there are fewer than two classes, or the smoothing is outside its range.

    Reference, of the smoothing:
        Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
    """

    def __init__(self, num_classes, embedding_dim, label_smoothing=0.0, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        num_classes, embedding_dim = sizes(num_classes, embedding_dim)
        self.num_classes = num_classes
        self.label_smoothing = number("label_smoothing", label_smoothing, 0, 1)
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
        return cross_entropy(self.logits(embeddings), labels, self.label_smoothing)
