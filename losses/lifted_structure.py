"""Lifted structured loss: each positive pair against all negatives of both its ends."""

import keras
from keras import ops

from .arguments import number
from .labels import class_ids
from .layer import LossLayer
from .numerics import log_sum_exp, mean_over, safe_sqrt
from .pairwise import pair_masks, squared_distances


@keras.saving.register_keras_serializable(package="losses")
class LiftedStructureLoss(LossLayer):
    """A positive pair is nearer than the negatives of either sample, by a margin.

        J_ij = log(sum_{k in N(i)} exp(margin - D_ik) + sum_{l in N(j)} exp(margin - D_jl)) + D_ij
        L = mean of max(0, J_ij)^2 / 2 over the positive pairs i < j

    with `N(i)` the samples of other classes and D the plain distance of embeddings that are
    not normalised: the smooth bound of the paper, which it trains with. Holds no state: it
    also works as `model.compile(loss=LiftedStructureLoss())`. A batch needs two samples of a
    class and one of another, else it gives 0 and teaches nothing: shuffled, B samples of C
    classes have about `B (B - 1) / (2 C)` positive pairs.

    Args:
        margin: Non-negative, a plain distance.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in half squared units of the distance; 0 without a positive pair or without a negative.

    Raises:
        ValueError: If `margin` is outside its range.

    Reference:
        Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016.
    """

    def __init__(self, margin=1.0, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.margin = number("margin", margin)
        self.built = True

    def call(self, labels, embeddings):
        bounds, positives = self._bounds(labels, embeddings)
        return mean_over(0.5 * ops.square(ops.relu(bounds)), positives)

    def active_fraction(self, labels, embeddings):
        """Share of the positive pairs with a loss above 0."""
        labels = class_ids(labels, embeddings)
        bounds, positives = self._bounds(labels, embeddings)
        return mean_over(ops.cast(bounds > 0, bounds.dtype), positives)

    def _bounds(self, labels, embeddings):
        """J of all pairs, about `-BIG` without a negative, and the mask of the positive pairs, `(batch, batch)`."""
        embeddings = ops.convert_to_tensor(embeddings, self.compute_dtype)
        distances = safe_sqrt(squared_distances(embeddings))
        positives, negatives = pair_masks(labels)
        of_negatives = log_sum_exp(self.margin - distances, negatives)  # (batch,)
        return ops.logaddexp(of_negatives[:, None], of_negatives[None, :]) + distances, positives
