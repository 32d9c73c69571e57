"""Contrastive loss over all pairs of a batch."""

import keras
from keras import ops

from .arguments import flag, number
from .labels import class_ids
from .layer import LossLayer
from .numerics import l2_normalize, mean_over, safe_sqrt
from .pairwise import pair_masks, squared_distances


@keras.saving.register_keras_serializable(package="losses")
class ContrastiveLoss(LossLayer):
    """Pulls samples of a class together, pushes others a margin apart.

        l_ij = D_ij^2 / 2                     for y_i = y_j
        l_ij = max(0, margin - D_ij)^2 / 2    for y_i != y_j
        L = mean of l_ij over all pairs i < j

    D is the plain distance. The paper draws pairs; here every pair of the batch counts once.
    In a batch of ten classes most pairs are negative: `balanced` adds the mean over the
    positive pairs and the mean over the negative pairs instead. Holds no state: it also works
    as `model.compile(loss=ContrastiveLoss())`. A batch without two samples of a class only
    pushes apart: shuffled, B samples of C classes have about `B (B - 1) / (2 C)` positive
    pairs.

    Args:
        margin: Non-negative, a plain distance (on the unit sphere distances lie in `[0, 2]`).
        normalize: Whether embeddings are divided by their length first.
        balanced: Whether positive and negative pairs are averaged apart, and added.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in half squared units of the distance; 0 for a single sample.

    Raises:
        ValueError: If `margin` is outside its range.

    Reference:
        Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006.
        (Its label is 1 for a pair of different classes.)
    """

    def __init__(self, margin=1.0, normalize=True, balanced=False, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.margin = number("margin", margin)
        self.normalize = flag("normalize", normalize)
        self.balanced = flag("balanced", balanced)
        self.built = True

    def call(self, labels, embeddings):
        squared, positives, negatives = self._pairs(labels, embeddings)
        # The square of the root would lose the gradient that the root has not at 0.
        pulls = 0.5 * squared
        pushes = 0.5 * ops.square(ops.relu(self.margin - safe_sqrt(squared)))
        if self.balanced:
            return mean_over(pulls, positives) + mean_over(pushes, negatives)
        return mean_over(ops.where(positives, pulls, pushes), ops.logical_or(positives, negatives))

    def active_fraction(self, labels, embeddings):
        """Share of the negative pairs that are nearer than the margin."""
        labels = class_ids(labels, embeddings)
        squared, _, negatives = self._pairs(labels, embeddings)
        return mean_over(ops.cast(safe_sqrt(squared) < self.margin, squared.dtype), negatives)

    def _pairs(self, labels, embeddings):
        embeddings = ops.convert_to_tensor(embeddings, self.compute_dtype)
        if self.normalize:
            embeddings = l2_normalize(embeddings)
        return squared_distances(embeddings), *pair_masks(labels)
