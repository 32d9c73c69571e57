"""AdaCos: normalised softmax that sets its own scale."""

import math

import keras
from keras import ops

from .angular import CosineClassifier, own_class, with_own_class
from .arguments import flag, whole_number
from .numerics import BIG, cross_entropy

MAX_SCALE = 100.0  # Above it the softmax is a hard maximum.


@keras.saving.register_keras_serializable(package="losses")
class AdaCos(CosineClassifier):
    """Cross-entropy of scaled cosines; the scale follows the angles of the batch.

        Z_ij = scale * cos(x_i, w_j)
        L = 1 / B * sum_i (log sum_j exp(Z_ij) - Z_{i, y_i})

    The scale starts at `sqrt(2) log(C - 1)`. If `dynamic`, each training step first sets it to

        scale = log(mean_i sum_{j != y_i} exp(scale * cos(x_i, w_j))) / cos(min(pi / 4, median target angle)),

    without gradient. The scale is a weight, saved with the model and left alone in evaluation.
    With ten classes it settles near 2 (no scale can be set where the mean is 1 or less, and
    the step is then skipped). In two or three dimensions some other class weight is always
    near, and as long as the median angle is above 45 degrees the rule multiplies the scale
    step by step: it ends at 100. Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes, at least 3; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        dynamic: Whether the scale follows the batch.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.
        training: Whether the scale moves.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: If there are fewer than three classes.

    Reference:
        Zhang et al., AdaCos: Adaptively Scaling Cosine Logits, CVPR 2019.
    """

    def __init__(self, num_classes, embedding_dim, dynamic=True, dtype="float32", **kwargs):
        whole_number("num_classes", num_classes, 3)
        super().__init__(num_classes, embedding_dim, math.sqrt(2) * math.log(num_classes - 1), dtype=dtype, **kwargs)
        self.dynamic = flag("dynamic", dynamic)
        self.scale = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(self.scale), trainable=False, name="scale"
        )

    def call(self, labels, embeddings, training=False):
        cosines = self.cosines(embeddings)
        if training and self.dynamic:
            self._adapt(labels, ops.stop_gradient(cosines))
        return cross_entropy(self.scale * cosines, labels)

    def _adapt(self, labels, cosines):
        own = own_class(cosines, labels)
        scale = ops.convert_to_tensor(self.scale)
        others = with_own_class(scale * cosines, labels, ops.full_like(own, -BIG))
        log_mean = ops.logsumexp(others) - ops.log(ops.cast(ops.shape(own)[0], own.dtype))
        # Not `median`: that of Keras 3.4 on PyTorch is the lower of the two middle angles.
        angle = ops.quantile(ops.arccos(ops.clip(own, -1, 1)), 0.5)
        adapted = log_mean / ops.cos(ops.minimum(angle, math.pi / 4))
        self.scale.assign(ops.where(self.if_right(log_mean > 0), ops.minimum(adapted, MAX_SCALE), scale))
