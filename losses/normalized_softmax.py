"""Normalised softmax: classification by angle alone, the common ground of the margin losses."""

import keras

from .angular import CosineClassifier


@keras.saving.register_keras_serializable(package="losses")
class NormalizedSoftmax(CosineClassifier):
    """Cross-entropy of the scaled cosines between embeddings and class weights.

        Z_ij = scale * cos(x_i, w_j)
        L = 1 / B * sum_i (log sum_j exp(Z_ij) - Z_{i, y_i})

    CosFace and ArcFace without their margin: compare with it to tell what the margin does
    from what the normalisation does. The paper learns the scale; here it is fixed, as the
    later comparisons have it. Even perfect embeddings leave a loss of
    `log(1 + (C - 1) exp(-scale C / (C - 1)))`: for ten classes a scale of 1 leaves 1.38, 5
    leaves 0.03. The smaller the scale, the longer it pulls on what is already classified
    well: on validation images of MNIST and Fashion-MNIST 5 was better than 10, 20, 40 and
    80. Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        scale: Above 0; inverse temperature of the softmax.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: If an argument is outside its range.

    References:
        Wang et al., NormFace, ACM MM 2017. Zhai and Wu, Classification is a Strong Baseline
        for Deep Metric Learning, BMVC 2019.
    """

    def __init__(self, num_classes, embedding_dim, scale=5.0, dtype="float32", **kwargs):
        super().__init__(num_classes, embedding_dim, scale, dtype=dtype, **kwargs)
