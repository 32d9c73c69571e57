"""Triplet loss with triplets mined inside the batch."""

import math

import keras
from keras import ops

from .labels import class_ids
from .pairwise import l2_normalize, mean_over, pair_masks, safe_sqrt, squared_distances

BIG = 1e30  # Not infinity: the difference of two masked entries must be finite.
MINING = ("semi_hard", "batch_hard", "batch_all")
DISTANCES = ("squared", "euclidean")


@keras.saving.register_keras_serializable(package="losses")
class TripletLoss(keras.Layer):
    """An anchor is nearer to its positive than to a negative, by a margin.

        l(a, p, n) = max(0, D_ap - D_an + margin),     or log(1 + exp(D_ap - D_an)) with a soft margin

    `mining` chooses the triplets and what the mean is taken over. The choice depends on the
    distances but is not differentiated; the divisor depends on the labels alone, so that the
    value is a progress curve. An anchor without a positive or without a negative is left out,
    and a batch without triplets gives 0.

    - `"semi_hard"` (FaceNet): for each ordered positive pair, the nearest negative that is
      farther than the positive, or the farthest negative if there is none. Mean over pairs.
    - `"batch_hard"` (Hermans et al.): the farthest positive and nearest negative of each
      anchor. Mean over anchors.
    - `"batch_all"`: every triplet. Mean over all of them, satisfied ones included.

    FaceNet takes squared distances on the unit sphere with margin 0.2 (the default); Hermans
    et al. plain distances, not normalised, with a soft margin. Holds no state: it also works
    as `model.compile(loss=TripletLoss())`. Needs batches with several samples of each class.

    Args:
        margin: Non-negative, in units of the distance (on the unit sphere squared distances
            lie in `[0, 4]`, plain ones in `[0, 2]`). Not used with a soft margin.
        mining: `"semi_hard"`, `"batch_hard"` or `"batch_all"`.
        distance: `"squared"` or `"euclidean"`.
        normalize: Whether embeddings are divided by their length first.
        soft_margin: Softplus in place of the hinge; not with `"batch_all"`.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in units of the distance.

    Raises:
        ValueError: If an argument is outside its range.

    References:
        Schroff et al., FaceNet, CVPR 2015. Hermans et al., In Defense of the Triplet Loss
        for Person Re-Identification, 2017.
    """

    def __init__(
        self,
        margin=0.2,
        mining="semi_hard",
        distance="squared",
        normalize=True,
        soft_margin=False,
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        if not 0 <= margin < float("inf"):
            raise ValueError(f"`margin` must be finite and not negative. Received: {margin}")
        if mining not in MINING:
            raise ValueError(f"`mining` must be one of {', '.join(MINING)}. Received: {mining}")
        if distance not in DISTANCES:
            raise ValueError(f"`distance` must be one of {', '.join(DISTANCES)}. Received: {distance}")
        if soft_margin and mining == "batch_all":
            raise ValueError(
                "`soft_margin` needs `mining` 'semi_hard' or 'batch_hard': over all triplets "
                "its memory would grow with the cube of the batch. Received: batch_all"
            )
        self.margin = margin
        self.mining = mining
        self.distance = distance
        self.normalize = normalize
        self.soft_margin = soft_margin
        self.built = True

    @property
    def collapsed_value(self):
        """Value of the loss when all embeddings are equal: where collapsed training stays."""
        return math.log(2) if self.soft_margin else self.margin

    def call(self, labels, embeddings):
        labels = class_ids(labels, embeddings)
        if self.normalize:
            embeddings = l2_normalize(embeddings)
        distances = squared_distances(embeddings)  # (batch, batch)
        if self.distance == "euclidean":
            distances = safe_sqrt(distances)
        positives, negatives = pair_masks(labels)
        mine = {"semi_hard": self._semi_hard, "batch_hard": self._batch_hard, "batch_all": self._batch_all}
        return mine[self.mining](distances, positives, negatives)

    def _penalty(self, violations):
        return ops.softplus(violations) if self.soft_margin else ops.relu(violations + self.margin)

    def _semi_hard(self, distances, positives, negatives):
        fixed = ops.stop_gradient(distances)
        # If k negatives of an anchor are not farther than a positive, the k-th (from 0) of its
        # negatives, nearest first, is the first beyond it.
        ranked = ops.argsort(ops.where(negatives, fixed, ops.full_like(fixed, BIG)), axis=-1)
        last = ops.sum(ops.cast(negatives, "int32"), axis=-1, keepdims=True) - 1  # (batch, 1)
        rank = ops.minimum(_count_up_to(negatives, _nearest_first(fixed, negatives)), last)
        chosen = ops.take_along_axis(ranked, ops.maximum(rank, 0), axis=-1)  # (batch, batch)
        violations = distances - ops.take_along_axis(distances, chosen, axis=-1)
        pairs = ops.logical_and(positives, last >= 0)
        return mean_over(self._penalty(violations), pairs)

    def _batch_hard(self, distances, positives, negatives):
        valid = ops.logical_and(ops.any(positives, axis=-1), ops.any(negatives, axis=-1))  # (batch,)
        farthest_positive = ops.max(ops.where(positives, distances, ops.full_like(distances, -BIG)), axis=-1)
        nearest_negative = ops.min(ops.where(negatives, distances, ops.full_like(distances, BIG)), axis=-1)
        violations = ops.where(valid, farthest_positive - nearest_negative, ops.zeros_like(nearest_negative))
        return mean_over(self._penalty(violations), valid)

    def _batch_all(self, distances, positives, negatives):
        # The sum over active triplets is linear in the distances: a positive counts once for
        # every negative that is not farther by the margin, a negative once for every such
        # positive. Counting them needs one sort of each row, not (batch, batch, batch) numbers.
        shifted = ops.stop_gradient(distances) + self.margin * ops.cast(positives, distances.dtype)
        order = _nearest_first(shifted, negatives)
        nearer_negatives = ops.cast(_count_up_to(negatives, order), distances.dtype)
        farther_positives = _count(positives, distances.dtype)[:, None] - ops.cast(
            _count_up_to(positives, order), distances.dtype
        )
        zeros = ops.zeros_like(distances)
        active = ops.where(positives, nearer_negatives, zeros)
        weights = active - ops.where(negatives, farther_positives, zeros)
        total = ops.sum(weights * distances) + self.margin * ops.sum(active)
        triplets = _count(positives, distances.dtype) * _count(negatives, distances.dtype)  # (batch,)
        return total / ops.maximum(ops.sum(triplets), 1)


def _count(mask, dtype):
    return ops.sum(ops.cast(mask, dtype), axis=-1)


def _nearest_first(distances, first):
    """Order of each row by distance; at the same distance the columns of `first` come before the others."""
    grouped = ops.argsort(ops.cast(ops.logical_not(first), "int32"), axis=-1)
    by_distance = ops.argsort(ops.take_along_axis(distances, grouped, axis=-1), axis=-1)
    return ops.take_along_axis(grouped, by_distance, axis=-1)


def _count_up_to(mask, order):
    """For each entry of a row, how many entries of `mask` stand before or at it in `order`, `(batch, batch)`."""
    counts = ops.cumsum(ops.cast(ops.take_along_axis(mask, order, axis=-1), "int32"), axis=-1)
    return ops.take_along_axis(counts, ops.argsort(order, axis=-1), axis=-1)
