"""Triplet-center loss: nearer to the own center than to any other, by a margin."""

import keras
from keras import ops

from .arguments import number, sizes
from .centers import damped_mean
from .labels import class_ids, own_mask
from .layer import LossLayer
from .numerics import BIG


@keras.saving.register_keras_serializable(package="losses")
class TripletCenterLoss(LossLayer):
    """Hinge between the own center and the nearest center of another class.

        D(x, c) = ||x - c||^2 / 2
        L = 1 / B * sum_i max(0, D(x_i, c_{y_i}) + margin - min_{j != y_i} D(x_i, c_j))

    The paper sums over the batch; the mean keeps the weight independent of its size. The
    optimizer does not train the centers: in training, after the loss is taken, each moves
    towards the active samples of its class and away from those that it is the nearest
    other center of, each sum divided by one more than its number of samples,

        c_j += center_rate * (sum_{own} (x_i - c_j) / (1 + n_own) - sum_{nearest} (x_i - c_j) / (1 + n_nearest)).

    A sample whose hinge is satisfied moves nothing. Centers start at N(0, 1): equal centers
    would push nowhere. Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        margin: Non-negative, in half squared units of the embedding.
        center_rate: Step of the centers, in `[0, 1]`.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.
        training: Whether the centers move.

    Returns:
        Scalar, in half squared units of the embedding.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        He et al., Triplet-Center Loss for Multi-View 3D Object Retrieval, CVPR 2018. Its
        margin, weight and center rate could not be checked against the text. Public ports
        have a margin of 5 and a rate of 0.1: random centers in 64 dimensions are farther
        apart than that from the start, and the loss does next to nothing. These defaults
        were chosen on validation images of MNIST and Fashion-MNIST, with a weight of 0.4
        beside softmax.
    """

    def __init__(self, num_classes, embedding_dim, margin=20.0, center_rate=0.2, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        num_classes, embedding_dim = sizes(num_classes, embedding_dim)
        self.num_classes = num_classes
        self.margin = number("margin", margin)
        self.center_rate = number("center_rate", center_rate, 0, 1)
        self.centers = self.add_weight(
            shape=(num_classes, embedding_dim),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            name="centers",
        )
        self.built = True

    def call(self, labels, embeddings, training=False):
        labels, nearest, own_offsets, other_offsets, violations = self._compare(labels, embeddings)
        if training:
            num_classes = self.centers.shape[0]
            active = ops.cast(violations > 0, embeddings.dtype)
            own_step = damped_mean(labels, ops.stop_gradient(own_offsets), num_classes, active)
            other_step = damped_mean(nearest, ops.stop_gradient(other_offsets), num_classes, active)
            self.centers.assign_add(self.if_right(self.center_rate * (own_step - other_step)))
        return ops.mean(ops.relu(violations))

    def active_fraction(self, labels, embeddings):
        """Share of the samples that violate the margin."""
        labels = class_ids(labels, embeddings)
        *_, violations = self._compare(labels, embeddings)
        return ops.mean(ops.cast(violations > 0, violations.dtype))

    def _compare(self, labels, embeddings):
        """The own and the nearest other class, the offsets from their centers, and by how much the margin is missed."""
        embeddings = ops.convert_to_tensor(embeddings, self.compute_dtype)
        nearest = self._nearest_other_center(labels, ops.stop_gradient(embeddings))
        own_offsets = embeddings - ops.take(self.centers, labels, axis=0)  # (batch, embedding_dim)
        other_offsets = embeddings - ops.take(self.centers, nearest, axis=0)
        violations = _half_squared(own_offsets) + self.margin - _half_squared(other_offsets)  # (batch,)
        return labels, nearest, own_offsets, other_offsets, violations

    def _nearest_other_center(self, labels, embeddings):
        """Class number `(batch,)` of the nearest center of another class: one product, no (batch, classes, dim)."""
        # The centers' mean as origin: the squared norms, and so the rounding, stay small.
        origin = ops.mean(self.centers, axis=0)
        centers = self.centers - origin
        products = ops.matmul(embeddings - origin, ops.transpose(centers))  # (batch, num_classes)
        distances = ops.sum(ops.square(centers), axis=-1) - 2 * products  # up to ||x||^2
        own = own_mask(labels, self.centers.shape[0])
        return ops.argmin(ops.where(own, ops.full_like(distances, BIG), distances), axis=-1)


def _half_squared(offsets):
    return 0.5 * ops.sum(ops.square(offsets), axis=-1)
