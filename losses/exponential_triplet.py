"""Exponential triplet loss, its embedding spaces, and the center term that goes with it."""

import math

import keras
from keras import ops

from .arguments import flag, number, one_of, positive, whole_number
from .centers import damped_mean
from .labels import class_ids
from .layer import LossLayer
from .numerics import l2_normalize, lengths, masked_max, mean_over, safe_sqrt
from .pairwise import pair_masks, squared_distances

SPACES = ("unit_range", "l2", "unit_bounce")
VARIANTS = ("slides", "code")


def bounded(embeddings, embedding_norm, scale, detach_norm):
    """Maps embeddings into a ball of radius `scale`, so that distances are at most `2 * scale`.

    - `"unit_range"`: those outside go to the surface, `x * min(1, scale / |x|)`.
    - `"l2"`: all go to the surface; 0 stays 0.
    - `"unit_bounce"`: those outside are reflected at the surface, `(2 scale - |x|) x / |x|`,
      and beyond a length of `2 scale` become 0, without gradient.

    Args:
        embeddings: Float tensor `(batch, embedding_dim)`.
        embedding_norm: The space.
        scale: Radius, above 0.
        detach_norm: Whether the length is a constant in the gradient, as in the reference
            implementation. The gradient then has a part along the embedding, though on the
            surface its length has no effect, and in `"unit_bounce"` the opposite one.
    """
    norms = lengths(embeddings)[:, None]  # (batch, 1)
    radius = ops.relu(2 * scale - norms) if embedding_norm == "unit_bounce" else scale
    if detach_norm:
        known = norms > 0
        factors = ops.where(known, radius / ops.where(known, norms, ops.ones_like(norms)), ops.zeros_like(norms))
        outer = embeddings * ops.stop_gradient(factors)
    else:
        outer = l2_normalize(embeddings) * radius
    return outer if embedding_norm == "l2" else ops.where(norms <= scale, embeddings, outer)


@keras.saving.register_keras_serializable(package="losses")
class ExponentialTripletLoss(LossLayer):
    """Logarithmic barriers on the mean violation of hard pairs.

        C_n = overlap / num_classes
        p_a, q_a = distance to the farthest of `positives`, to the nearest of `negatives`, over 2 * scale
        I_p = mean_a E max(0, p_a - C_n),   I_n = mean_a E max(0, 1/2 - q_a)
        L = -positive_weight * log(1 - I_p / (1 - C_n) + epsilon) - negative_weight * log(1 - 2 I_n + epsilon)

    Distances are plain, between embeddings mapped into a ball of radius `scale` (`bounded`). The
    positives and negatives of an anchor are so many of those in the batch, drawn at random, some
    perhaps twice; `E` is the mean over all draws, which has a closed form, so that nothing is
    drawn. With one positive it is the mean over all, with very many the farthest of the batch. The
    reference takes the hardest of its whole batch, which is small: three images a class, two
    positives and 27 negatives of ten classes. Of the 23 positives and 216 negatives of a batch of
    240 the hardest are mostly images that look like another class: they merge such classes.

    As in the reference implementation the logarithm is taken of the means, not in each pair
    as in the authors' slides. Its published grids have overlaps of 0, 40 and 80 with ten
    classes: `C_n >= 1` switches the attraction off, and is refused here. Every sample is an
    anchor, where the reference has an option for every third. Holds no state. A batch needs
    two samples of a class and one of another, else it only pushes, or only pulls: shuffled, B
    samples of C classes have about `B (B - 1) / (2 C)` positive pairs.

    Args:
        num_classes: Number of classes.
        overlap: In `[0, num_classes)`; share of the space that a class may take, times the number of classes.
        embedding_norm: `"unit_range"`, `"l2"` or `"unit_bounce"`.
        scale: Radius of the ball, above 0.
        epsilon: In `[1e-30, 1]`; bounds the loss at `-log(epsilon)`. The reference has 1e-20,
            which lets gradients grow to 1e20.
        positive_weight: Weight of the attraction, non-negative.
        negative_weight: Weight of the repulsion, non-negative.
        detach_norm: Whether the length of an embedding is a constant in the gradient, as in
            the reference.
        positives: Of how many positives the farthest counts, at least 1.
        negatives: Of how many negatives the nearest counts, at least 1.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats. A part without pairs is 0, up to epsilon.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Urtans et al., Exponential Triplet Loss, ICCDA 2020: slides and code; the paper's own
        text could not be checked.
    """

    def __init__(
        self,
        num_classes,
        overlap=1.2,
        embedding_norm="unit_range",
        scale=1.0,
        epsilon=1e-6,
        positive_weight=1.0,
        negative_weight=1.0,
        detach_norm=False,
        positives=1,
        negatives=8,
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.classes = whole_number("num_classes", num_classes, 2)  # Not `num_classes`: it only compares labels.
        self.overlap = _checked(overlap, self.classes)
        self.embedding_norm = one_of("embedding_norm", embedding_norm, SPACES)
        self.scale = positive("scale", scale)
        self.epsilon = number("epsilon", epsilon, 1e-30, 1)
        self.positive_weight = number("positive_weight", positive_weight)
        self.negative_weight = number("negative_weight", negative_weight)
        self.detach_norm = flag("detach_norm", detach_norm)
        self.positives = whole_number("positives", positives, 1)
        self.negatives = whole_number("negatives", negatives, 1)
        self.built = True

    @property
    def class_share(self):
        """C_n, the share of the space that a class may take."""
        return self.overlap / self.classes

    @property
    def collapsed_value(self):
        """Value of the loss when all embeddings are equal: where collapsed training stays."""
        return -self.negative_weight * math.log(self.epsilon)

    def call(self, labels, embeddings):
        (too_far, positives), (too_near, negatives) = self._violations(labels, embeddings)
        attraction = mean_over(_hardest(too_far, positives, self.positives), ops.any(positives, axis=-1))
        repulsion = mean_over(_hardest(too_near, negatives, self.negatives), ops.any(negatives, axis=-1))
        pull = _barrier(attraction / (1 - self.class_share), self.epsilon)
        return self.positive_weight * pull + self.negative_weight * _barrier(2 * repulsion, self.epsilon)

    def active_fraction(self, labels, embeddings):
        """Share of the anchors whose farthest positive is too far or nearest negative too near, over all draws."""
        labels = class_ids(labels, embeddings)
        (too_far, positives), (too_near, negatives) = self._violations(labels, embeddings)
        fine = 1.0
        for violations, pairs, draws in ((too_far, positives, self.positives), (too_near, negatives, self.negatives)):
            fine = fine * (1 - _hardest(ops.cast(violations > 0, violations.dtype), pairs, draws))
        return mean_over(1 - fine, ops.any(ops.logical_or(positives, negatives), axis=-1))

    def _violations(self, labels, embeddings):
        """By how much the pairs are too far apart and which of them are positive; too near, and negative."""
        embeddings = ops.convert_to_tensor(embeddings, self.compute_dtype)
        embeddings = bounded(embeddings, self.embedding_norm, self.scale, self.detach_norm)
        distances = _distances(embeddings, self.scale)
        positives, negatives = pair_masks(labels)
        return (ops.relu(distances - self.class_share), positives), (ops.relu(0.5 - distances), negatives)


@keras.saving.register_keras_serializable(package="losses")
class ExponentialCenterLoss(LossLayer):
    """The center term of the exponential triplet loss: a hinge on the distance to the own center.

        "slides":  L = mean_i max(0, ||e_i - c_{y_i}||^2 - C_n / 2)
        "code":    L = -log(1 - mean_a max(0, p_a - C_n / 2) / (1 - C_n / 2) + epsilon)

    with `e` the embeddings in their ball, `C_n` as in `ExponentialTripletLoss`, and `p_a` the
    distance to the farthest positive of the batch, over 2 * scale. The reference implementation
    computes centers, but its term does not use them: `"code"` is kept for comparison, has no
    centers, and is 0 for a batch without two samples of a class. In `"slides"` they follow the
    rule of `CenterLoss`: it holds state, so use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        overlap: In `[0, num_classes)`, as in `ExponentialTripletLoss`.
        embedding_norm: `"unit_range"`, `"l2"` or `"unit_bounce"`.
        scale: Radius of the ball, above 0.
        center_rate: Step of the centers of `"slides"`, in `[0, 1]`.
        variant: `"slides"` or `"code"`.
        epsilon: In `[1e-30, 1]`; bounds the loss of `"code"` at `-log(epsilon)`.
        detach_norm: Whether the length of an embedding is a constant in the gradient.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.
        training: Whether the centers move.

    Returns:
        Scalar, in squared units of the embedding, or nats for `"code"`.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        As `ExponentialTripletLoss`.
    """

    def __init__(
        self,
        num_classes,
        embedding_dim,
        overlap=1.2,
        embedding_norm="unit_range",
        scale=1.0,
        center_rate=0.5,
        variant="slides",
        epsilon=1e-6,
        detach_norm=False,
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.num_classes = whole_number("num_classes", num_classes, 2)
        self.overlap = _checked(overlap, self.num_classes)
        self.embedding_norm = one_of("embedding_norm", embedding_norm, SPACES)
        self.scale = positive("scale", scale)
        self.center_rate = number("center_rate", center_rate, 0, 1)
        self.variant = one_of("variant", variant, VARIANTS)
        self.epsilon = number("epsilon", epsilon, 1e-30, 1)
        self.detach_norm = flag("detach_norm", detach_norm)
        if variant == "slides":
            embedding_dim = whole_number("embedding_dim", embedding_dim, 1)
            self.centers = self.add_weight(
                shape=(self.num_classes, embedding_dim), initializer="zeros", trainable=False, name="centers"
            )
        self.built = True

    def call(self, labels, embeddings, training=False):
        embeddings = bounded(embeddings, self.embedding_norm, self.scale, self.detach_norm)
        slack = self.overlap / self.num_classes / 2
        if self.variant == "code":
            positives, _ = pair_masks(labels)
            farthest = masked_max(_distances(embeddings, self.scale), positives)
            violation = mean_over(ops.relu(farthest - slack), ops.any(positives, axis=-1))
            return _barrier(violation / (1 - slack), self.epsilon)
        offsets = embeddings - ops.take(self.centers, labels, axis=0)
        if training:
            step = damped_mean(labels, ops.stop_gradient(offsets), self.centers.shape[0])
            self.centers.assign_add(self.if_right(self.center_rate * step))
        return ops.mean(ops.relu(ops.sum(ops.square(offsets), axis=-1) - slack))


def _checked(overlap, num_classes):
    overlap = number("overlap", overlap)
    if overlap < num_classes:
        return overlap
    raise ValueError(
        f"`overlap` must be in [0, num_classes): from num_classes on nothing is attracted any more. "
        f"Received: {overlap} for {num_classes} classes"
    )


def _distances(embeddings, scale):
    """Distances between all pairs of rows, `(batch, batch)`, over the largest possible."""
    return safe_sqrt(squared_distances(embeddings)) / (2 * scale)


def _hardest(violations, pairs, draws):
    """The largest of so many violations of each row, drawn at random where `pairs` holds, on average: `(batch,)`.

    All are at least 0; a row without pairs has 0.
    """
    largest_first = -ops.sort(-ops.where(pairs, violations, ops.zeros_like(violations)), axis=-1)
    count = ops.sum(ops.cast(pairs, violations.dtype), axis=-1, keepdims=True)
    place = ops.cast(ops.arange(ops.shape(violations)[-1]), violations.dtype)
    # That none drawn comes before a place; those behind the last pair are 0.
    from_here, behind = (ops.relu(1 - passed / ops.maximum(count, 1)) ** draws for passed in (place, place + 1))
    return ops.sum((from_here - behind) * largest_first, axis=-1)


def _barrier(violation, epsilon):
    """0 for no violation, `-log(epsilon)` for the largest possible one, 1."""
    return -ops.log(ops.relu(1 - violation) + epsilon)  # Rounding may take the violation past 1.
