"""A-Softmax (SphereFace): the angle to the own class weight counts several times."""

import math

import keras
from keras import ops

from .angular import own_class, with_own_class
from .arguments import number, sizes, whole_number
from .layer import LossLayer
from .numerics import cosines, cross_entropy, lengths


@keras.saving.register_keras_serializable(package="losses")
class ASoftmax(LossLayer):
    """Softmax with normalised class weights and a multiplied target angle.

        Z_ij = |x_i| cos(t_ij)                                                for j != y_i
        Z_ij = |x_i| (lambda cos(t_ij) + psi(t_ij)) / (1 + lambda)            for j = y_i
        psi(t) = (-1)^k cos(margin * t) - 2 k    for t in [k pi / margin, (k + 1) pi / margin]
        L = 1 / B * sum_i (log sum_j exp(Z_ij) - Z_{i, y_i})

    psi falls from 1 to `1 - 2 margin` without a break. It is computed from the cosine by
    Chebyshev polynomials, without an arc cosine, and its gradient is the true one, where the
    authors' code scales it. The length of the embedding is kept; the class weights are
    normalised and there is no bias.

    Without a slow start training diverges: lambda falls with the number of training batches t,

        lambda_t = max(minimum, base * (1 + gamma t)^-power),

    and t is a weight, saved with the model: each batch in training counts, also where gradients
    of several are accumulated to one step of the optimizer. The authors' minimum of 5 never turns the margin
    fully on. Sensible for ten classes: margin 4 with a minimum of 5, or 2 with a minimum of 0.
    Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        margin: Integer factor of the angle, at least 1.
        annealing: `(base, gamma, power, minimum)` of lambda, none negative.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.
        training: Whether the step counts.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Liu et al., SphereFace: Deep Hypersphere Embedding for Face Recognition, CVPR 2017.
    """

    def __init__(
        self, num_classes, embedding_dim, margin=4, annealing=(1000.0, 0.12, 1.0, 5.0), dtype="float32", **kwargs
    ):
        super().__init__(dtype=dtype, **kwargs)
        num_classes, embedding_dim = sizes(num_classes, embedding_dim)
        self.num_classes = num_classes
        self.margin = whole_number("margin", margin, 1)
        self.annealing = _checked(annealing)
        self.class_weights = self.add_weight(
            shape=(num_classes, embedding_dim), initializer="glorot_uniform", name="class_weights"
        )
        self.step = self.add_weight(shape=(), initializer="zeros", dtype="int", trainable=False, name="step")
        self.built = True

    def weight_lengths(self):
        """What takes the place of the length of each class weight, `(num_classes,)`."""
        return ops.ones_like(self.class_weights[:, 0])

    def logits(self, embeddings):
        """Class scores `(batch, num_classes)`, without margin; the prediction is their argmax."""
        embeddings = ops.convert_to_tensor(embeddings, self.compute_dtype)
        return self._at_angle_0(embeddings) * cosines(embeddings, self.class_weights)

    def _at_angle_0(self, embeddings):
        """The scores if every angle were 0, `(batch, num_classes)`."""
        return lengths(embeddings)[:, None] * self.weight_lengths()

    def annealing_value(self):
        """lambda of the last training step; that of the first one before any."""
        base, gamma, power, minimum = self.annealing
        step = ops.cast(ops.maximum(self.step, 1), self.compute_dtype)
        return ops.maximum(base * ops.power(1 + gamma * step, -power), minimum)

    def call(self, labels, embeddings, training=False):
        if training:
            self.step.assign_add(self.if_right(ops.ones((), "int32")))
        at_angle_0 = self._at_angle_0(embeddings)
        relative = cosines(embeddings, self.class_weights)
        own = own_class(relative, labels)
        annealing = self.annealing_value()
        margined = (annealing * own + _psi(own, self.margin)) / (1 + annealing)
        return cross_entropy(at_angle_0 * with_own_class(relative, labels, margined), labels)


def _psi(cosine, margin):
    """The target function of a cosine: like `cos(margin * t)`, but falling all the way to `t = pi`."""
    cosine = ops.clip(cosine, -1, 1)
    previous, polynomial = ops.ones_like(cosine), cosine  # cos(0 t), cos(1 t)
    for _ in range(margin - 1):
        previous, polynomial = polynomial, 2 * cosine * polynomial - previous
    turns = ops.zeros_like(cosine)
    for k in range(1, margin):
        turns = turns + ops.cast(cosine <= math.cos(k * math.pi / margin), cosine.dtype)
    signs = 1 - 2 * ops.mod(turns, 2)
    return signs * polynomial - 2 * turns


def _checked(annealing):
    names = ("base", "gamma", "power", "minimum")
    if not isinstance(annealing, tuple | list) or len(annealing) != len(names):
        raise ValueError(f"`annealing` must be ({', '.join(names)}). Received: {annealing}")
    return tuple(number(f"annealing {name}", value) for name, value in zip(names, annealing, strict=True))
