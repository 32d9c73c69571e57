"""SphereFace-R: a multiplicative angular margin with any factor, hard or soft."""

import math

import keras
from keras import ops

from .angular import GRADIENTS, CosineClassifier, detached, own_class, with_own_class
from .arguments import number, one_of
from .numerics import cross_entropy

VARIANTS = ("v1", "v2")


@keras.saving.register_keras_serializable(package="losses")
class SphereFaceR(CosineClassifier):
    """Normalised softmax whose angles are multiplied by a margin.

        v1:  Z_ij = scale * cos(min(margin * t_ij, pi))  for j = y_i,   scale * cos(t_ij)  for the others
        v2:  Z_ij = scale * cos(t_ij)                    for j = y_i,   scale * cos(t_ij / margin)  for the others
        L = 1 / B * sum_i (log sum_j exp(Z_ij) - Z_{i, y_i})

    `v1` has no slope beyond `t = pi / margin`, so that the worst samples would not be pulled:
    as in the paper the gradient is by default that of the cosine without margin. The
    embeddings are normalised (the paper's hard variant). The paper uses scale 30; ten
    classes want 10 to 30 and a margin of 1.2 to 2. Holds state: use it in a `MetricModel`;
    `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        scale: Above 0; inverse temperature of the softmax.
        margin: Factor of the angle, at least 1; 1 is normalised softmax.
        variant: `"v1"` (larger target angle) or `"v2"` (smaller angles to the others).
        margin_gradient: `"detached"`, the gradient of the cosine without margin, or `"exact"`.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Liu et al., SphereFace Revived: Unifying Hyperspherical Face Recognition, TPAMI 2022.
    """

    def __init__(
        self,
        num_classes,
        embedding_dim,
        scale=20.0,
        margin=1.5,
        variant="v1",
        margin_gradient="detached",
        dtype="float32",
        **kwargs,
    ):
        super().__init__(num_classes, embedding_dim, scale, dtype=dtype, **kwargs)
        self.margin = number("margin", margin, 1)
        self.variant = one_of("variant", variant, VARIANTS)
        self.margin_gradient = one_of("margin_gradient", margin_gradient, GRADIENTS)

    def call(self, labels, embeddings):
        cosines = self.cosines(embeddings)
        own = own_class(cosines, labels)
        if self.variant == "v1":
            cosines = with_own_class(cosines, labels, self._times(self.margin, own))
        else:
            cosines = with_own_class(self._times(1 / self.margin, cosines), labels, own)
        return cross_entropy(self.scale * cosines, labels)

    def _times(self, factor, cosines):
        """Cosine of `factor` times the angle, at most pi."""
        cosines = ops.clip(cosines, -1 + 1e-7, 1 - 1e-7)  # The arc cosine has no slope at the ends.
        multiplied = ops.cos(ops.minimum(factor * ops.arccos(cosines), math.pi))
        return detached(multiplied, cosines) if self.margin_gradient == "detached" else multiplied
