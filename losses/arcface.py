"""ArcFace: an additive margin on the angle to the own class weight."""

import math

import keras
from keras import ops

from .angular import GRADIENTS, CosineClassifier, detached
from .arguments import number, one_of
from .numerics import safe_sqrt

WRAPS = ("reflect", "threshold", "none")


@keras.saving.register_keras_serializable(package="losses")
class ArcFace(CosineClassifier):
    """Normalised softmax whose target angle is handicapped by a margin.

        Z_ij = scale * cos(t_ij)               for j != y_i, with t_ij the angle between x_i and w_j
        Z_ij = scale * cos(t_ij + margin)      for j = y_i
        L = 1 / B * sum_i (log sum_j exp(Z_ij) - Z_{i, y_i})

    Beyond `t + margin = pi` the cosine would rise again and reward the worst samples; `wrap`
    says what happens there:

    - `"reflect"`: `-2 - cos(t + margin)`, continuous and falling up to `t = pi`.
    - `"threshold"`: `cos(t) - margin * sin(margin)`, falling but with a jump; the first
      public implementation.
    - `"none"`: nothing, as in the authors' current code.

    The cosine of the sum is expanded, so that no arc cosine with its infinite slope is
    needed. The authors' current code differentiates the target's cosine without its margin:
    `margin_gradient="detached"`. The paper uses scale 64 on tens of thousands of identities.
    Sensible for ten classes: scale 10 to 30, margin 0.3 to 0.5; up to 0.3 in two dimensions.
    Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        scale: Above 0; inverse temperature of the softmax.
        margin: Radians, in `[0, pi]`. (Some libraries take degrees.)
        wrap: `"reflect"`, `"threshold"` or `"none"`.
        margin_gradient: `"exact"`, or `"detached"`: that of the cosine without margin.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Deng et al., ArcFace, CVPR 2019.
    """

    def __init__(
        self,
        num_classes,
        embedding_dim,
        scale=20.0,
        margin=0.5,
        wrap="reflect",
        margin_gradient="exact",
        dtype="float32",
        **kwargs,
    ):
        super().__init__(num_classes, embedding_dim, scale, dtype=dtype, **kwargs)
        self.margin = number("margin", margin, 0, math.pi)
        self.wrap = one_of("wrap", wrap, WRAPS)
        self.margin_gradient = one_of("margin_gradient", margin_gradient, GRADIENTS)

    def target_cosines(self, cosines):
        # At the ends the sine has no slope; a cosine there gets gradient 0.
        cosines = ops.clip(cosines, -1 + 1e-7, 1 - 1e-7)
        sines = safe_sqrt(1 - ops.square(cosines))
        shifted = cosines * math.cos(self.margin) - sines * math.sin(self.margin)
        beyond = cosines <= -math.cos(self.margin)  # Angle plus margin is pi or more.
        if self.wrap == "reflect":
            shifted = ops.where(beyond, -2 - shifted, shifted)
        if self.wrap == "threshold":
            shifted = ops.where(beyond, cosines - self.margin * math.sin(self.margin), shifted)
        return detached(shifted, cosines) if self.margin_gradient == "detached" else shifted
