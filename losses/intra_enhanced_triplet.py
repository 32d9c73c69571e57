"""Intra-enhanced triplet loss: semi-hard triplets, and classes of a limited radius."""

import keras
from keras import ops

from .arguments import number
from .numerics import l2_normalize
from .triplet import TripletLoss


@keras.saving.register_keras_serializable(package="losses")
class IntraEnhancedTripletLoss(TripletLoss):
    """Triplet loss plus a hinge on the distance to the mean of the own class.

        L = L_semi_hard(margin) + intra_weight / B * sum_i max(0, ||x_i - m_{y_i}||^2 - intra_margin)

    with `m_j` the mean of class j in the batch, part of the gradient; triplets as in
    `TripletLoss`, on squared distances. The reference implementation sums the second part
    over its batch of 400, which then dominates: multiply `intra_weight` by the batch size to
    have the same. It also needs batches sorted by class; here any order will do. Holds no
    state: it also works as `model.compile(loss=IntraEnhancedTripletLoss())`. A batch needs
    two samples of a class and one of another, else there are no triplets: shuffled, B samples
    of C classes have about `B (B - 1) / (2 C)` positive pairs.

    Args:
        margin: Of the triplets; non-negative, a squared distance (in `[0, 4]` on the unit sphere).
        intra_margin: Squared distance to the class mean that is not punished; non-negative.
        intra_weight: Weight of the second part; non-negative.
        normalize: Whether embeddings are divided by their length first, for both parts.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in squared units of the distance.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        The LossMNIST repository (2018), after Zhang et al., Deep Dense Multi-level Feature
        for Partial High-Resolution Fingerprint Matching, IJCB 2017, whose own formula could
        not be checked.
    """

    def __init__(self, margin=0.2, intra_margin=0.1, intra_weight=0.5, normalize=True, dtype="float32", **kwargs):
        super().__init__(margin, "semi_hard", "squared", normalize, soft_margin=False, dtype=dtype, **kwargs)
        self.intra_margin = number("intra_margin", intra_margin)
        self.intra_weight = number("intra_weight", intra_weight)

    def call(self, labels, embeddings):
        triplets = super().call(labels, embeddings)
        if self.normalize:
            embeddings = l2_normalize(embeddings)
        offsets = embeddings - _class_means(labels, embeddings)
        radii = ops.sum(ops.square(offsets), axis=-1)  # (batch,)
        return triplets + self.intra_weight * ops.mean(ops.relu(radii - self.intra_margin))


def _class_means(labels, embeddings):
    """Mean of the own class in the batch for each sample, `(batch, embedding_dim)`."""
    same = ops.cast(labels[:, None] == labels[None, :], embeddings.dtype)  # (batch, batch)
    return ops.matmul(same, embeddings) / ops.sum(same, axis=1, keepdims=True)
