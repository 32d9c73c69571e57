"""Triplet loss with triplets mined inside the batch."""

import math

import keras
from keras import ops

from .arguments import flag, number, one_of
from .labels import class_ids
from .layer import LossLayer
from .numerics import l2_normalize, masked_max, masked_min, mean_over, safe_sqrt
from .pairwise import anchors_with_both, pair_masks, squared_distances

# Where a positive and a negative are exactly equally far, sorting must not leave their order to
# chance: positives are moved by this share of their distance, and by this much.
TIE, TINY = 2.4e-7, 1e-30
MINING = ("semi_hard", "batch_hard", "batch_all")
DISTANCES = ("squared", "euclidean")


@keras.saving.register_keras_serializable(package="losses")
class TripletLoss(LossLayer):
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
    as `model.compile(loss=TripletLoss())`. A batch needs two samples of a class and one of
    another, else it gives 0 and teaches nothing: shuffled, B samples of C classes have about
    `B (B - 1) / (2 C)` positive pairs.

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
        if soft_margin and mining == "batch_all":
            raise ValueError(
                "`soft_margin` needs `mining` 'semi_hard' or 'batch_hard': over all triplets "
                "its memory would grow with the cube of the batch. Received: batch_all"
            )
        self.margin = number("margin", margin)
        self.mining = one_of("mining", mining, MINING)
        self.distance = one_of("distance", distance, DISTANCES)
        self.normalize = flag("normalize", normalize)
        self.soft_margin = flag("soft_margin", soft_margin)
        self.built = True

    @property
    def collapsed_value(self):
        """Value of the loss when all embeddings are equal: where collapsed training stays."""
        return math.log(2) if self.soft_margin else self.margin

    def call(self, labels, embeddings):
        distances, positives, negatives = self._pairs(labels, embeddings)
        if self.mining == "batch_all":
            return self._batch_all(distances, positives, negatives)[0]
        violations, valid = self._mined(distances, positives, negatives)
        penalties = ops.softplus(violations) if self.soft_margin else ops.relu(violations + self.margin)
        return mean_over(penalties, valid)

    def active_fraction(self, labels, embeddings):
        """Share of the mined triplets that violate the margin; with a soft margin, a margin of 0."""
        labels = class_ids(labels, embeddings)
        distances, positives, negatives = self._pairs(labels, embeddings)
        if self.mining == "batch_all":
            return self._batch_all(distances, positives, negatives)[1]
        violations, valid = self._mined(distances, positives, negatives)
        margin = 0 if self.soft_margin else self.margin
        return mean_over(ops.cast(violations + margin > 0, distances.dtype), valid)

    def _pairs(self, labels, embeddings):
        """Distances, and masks of the positive and negative pairs, each `(batch, batch)`."""
        embeddings = ops.convert_to_tensor(embeddings, self.compute_dtype)
        if self.normalize:
            embeddings = l2_normalize(embeddings)
        distances = squared_distances(embeddings)
        if self.distance == "euclidean":
            distances = safe_sqrt(distances)
        return distances, *pair_masks(labels)

    def _mined(self, distances, positives, negatives):
        """`D_ap - D_an` of the mined triplets, and which of them exist."""
        mine = {"semi_hard": _semi_hard, "batch_hard": _batch_hard}[self.mining]
        return mine(distances, positives, negatives)

    def _batch_all(self, distances, positives, negatives):
        """Mean over all triplets, and the share of active ones."""
        # The sum over active triplets is linear in the distances: a positive counts once for
        # every negative that is not farther by the margin, a negative once for every such
        # positive. Counting them needs one sort of each row, not (batch, batch, batch) numbers.
        fixed = ops.stop_gradient(distances)
        order, _ = _nearest_first(ops.where(positives, (fixed + self.margin) * (1 - TIE) - TINY, fixed))
        is_positive, is_negative = (_in_order(mask, order, distances.dtype) for mask in (positives, negatives))
        farther_positives = ops.sum(is_positive, axis=-1, keepdims=True) - ops.cumsum(is_positive, axis=-1)
        active = is_positive * ops.cumsum(is_negative, axis=-1)
        weights = active - is_negative * farther_positives
        total = ops.sum(weights * _in_order(distances, order)) + self.margin * ops.sum(active)
        triplets = ops.sum(ops.sum(is_positive, axis=-1) * ops.sum(is_negative, axis=-1))
        return total / ops.maximum(triplets, 1), ops.sum(active) / ops.maximum(triplets, 1)


def _semi_hard(distances, positives, negatives):
    # In each row, nearest first, the next negative after a positive. One sort, whatever the
    # number of positives: with k negatives so far the next one is the k-th, counted from 0.
    fixed = ops.stop_gradient(distances)
    order, starts = _nearest_first(ops.where(positives, fixed * (1 + TIE) + TINY, fixed))
    is_negative = _in_order(negatives, order, "int32")
    so_far = ops.cumsum(is_negative, axis=-1)
    last = so_far[:, -1:] - 1  # (batch, 1)
    # The pair of the k-th negative of each row, in place k of the row.
    places = ops.reshape(starts + ops.maximum(so_far - 1, 0), (-1,))
    ranked = ops.segment_sum(ops.reshape(order * is_negative, (-1,)), places, num_segments=ops.size(distances))
    chosen = ops.take(ranked, starts + ops.maximum(ops.minimum(so_far, last), 0))
    violations = _in_order(distances, order) - _in_order(distances, chosen)
    return violations, ops.logical_and(_in_order(positives, order), last >= 0)


def _batch_hard(distances, positives, negatives):
    valid = anchors_with_both(positives, negatives)  # (batch,)
    violations = masked_max(distances, positives) - masked_min(distances, negatives)
    return ops.where(valid, violations, ops.zeros_like(violations)), valid


def _nearest_first(distances):
    """Each row's pairs by distance, as indices into the flat matrix; and where each row starts there."""
    batch = ops.shape(distances)[0]
    starts = batch * ops.arange(batch, dtype="int32")[:, None]
    return starts + ops.cast(ops.argsort(distances, axis=-1), "int32"), starts


def _in_order(matrix, order, dtype=None):
    """The entries of a matrix, `(batch, batch)`, that the flat indices name."""
    return ops.take(ops.reshape(matrix if dtype is None else ops.cast(matrix, dtype), (-1,)), order)
