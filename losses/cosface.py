"""CosFace, also known as large margin cosine loss or additive margin softmax."""

import keras

from .angular import CosineClassifier
from .arguments import number


@keras.saving.register_keras_serializable(package="losses")
class CosFace(CosineClassifier):
    """Normalised softmax whose target cosine is handicapped by a margin.

        Z_ij = scale * (cos(x_i, w_j) - margin * [j = y_i])
        L = 1 / B * sum_i (log sum_j exp(Z_ij) - Z_{i, y_i})

    The margin acts before the scale. The papers use scale 64 (30) on tens of thousands of
    identities; ten classes saturate there. Sensible for ten classes: scale 10 to 30, margin
    0.2 to 0.5. In two dimensions the ten weights leave a cosine gap of `1 - cos(2 pi / 10)`
    = 0.19 at most: no larger margin can be satisfied. Holds state: use it in a `MetricModel`;
    `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        scale: Above 0; inverse temperature of the softmax.
        margin: Not negative, a difference of cosines.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: If an argument is outside its range.

    References:
        Wang et al., CosFace, CVPR 2018. Wang et al., Additive Margin Softmax for Face
        Verification, 2018.
    """

    def __init__(self, num_classes, embedding_dim, scale=20.0, margin=0.35, dtype="float32", **kwargs):
        super().__init__(num_classes, embedding_dim, scale, dtype=dtype, **kwargs)
        self.margin = number("margin", margin)

    def target_cosines(self, cosines):
        return cosines - self.margin
