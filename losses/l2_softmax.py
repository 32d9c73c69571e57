"""L2-constrained softmax: a linear classifier on embeddings of one fixed length."""

import keras
from keras import ops

from .arguments import positive
from .numerics import l2_normalize
from .softmax import Softmax


@keras.saving.register_keras_serializable(package="losses")
class L2Softmax(Softmax):
    """Cross-entropy of a linear classifier on embeddings of one fixed length.

        Z = scale * x / |x| W^T + b
        L = 1 / B * sum_i (log sum_j exp(Z_ij) - sum_j T_ij Z_ij), with the targets T of `Softmax`

    The scale (alpha in the paper) is fixed; the paper also learns it. To reach a probability
    p it must be at least `log(p (C - 2) / (1 - p))`: 4.3 for 0.9 and ten classes, 6.7 for 0.99.
    Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        scale: Above 0; length of the embeddings.
        label_smoothing: In `[0, 1]`; share of the target that all classes get alike.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Ranjan et al., L2-constrained Softmax Loss for Discriminative Face Verification, 2017. Its
        scale of 16 could not be checked against the text.
    """

    def __init__(self, num_classes, embedding_dim, scale=16.0, label_smoothing=0.0, dtype="float32", **kwargs):
        super().__init__(num_classes, embedding_dim, label_smoothing, dtype=dtype, **kwargs)
        self.scale = positive("scale", scale)

    def logits(self, embeddings):
        embeddings = ops.convert_to_tensor(embeddings, self.compute_dtype)
        return super().logits(self.scale * l2_normalize(embeddings))
