"""Contrastive-center loss: near the own center, relative to all others."""

import keras
from keras import ops

from .arguments import positive, sizes
from .layer import LossLayer


@keras.saving.register_keras_serializable(package="losses")
class ContrastiveCenterLoss(LossLayer):
    """Squared distance to the own center over the sum of those to the others.

        L = 1 / (2 B) * sum_i ||x_i - c_{y_i}||^2 / (sum_{j != y_i} ||x_i - c_j||^2 + delta)

    The paper sums over the batch. (A widespread port divides the batch's sums instead, and
    its centers are not trained.) The centers start at N(0, 1) and are trained with the
    network: keep weight decay off them. Under Adam their step does not depend on the weight
    of this term. Alone, this loss can be lowered by moving the
    centers apart: add a softmax term. Holds state: use it in a `MetricModel`;
    `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        delta: Above 0, in squared units of the embedding; keeps the denominator from 0.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar without unit.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Qi and Su, Contrastive-center Loss for Deep Neural Networks, ICIP 2017.
    """

    def __init__(self, num_classes, embedding_dim, delta=1.0, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        num_classes, embedding_dim = sizes(num_classes, embedding_dim)
        self.num_classes = num_classes
        self.delta = positive("delta", delta)
        self.centers = self.add_weight(
            shape=(num_classes, embedding_dim), initializer=keras.initializers.RandomNormal(stddev=1.0), name="centers"
        )
        self.built = True

    def call(self, labels, embeddings):
        own = _squared(embeddings - ops.take(self.centers, labels, axis=0))  # (batch,)
        # With the centers' mean as origin the cross terms of the sum over all centers cancel:
        # no (batch, num_classes) matrix.
        origin = ops.mean(self.centers, axis=0)
        spread = ops.sum(_squared(self.centers - origin))
        to_all = self.centers.shape[0] * _squared(embeddings - origin) + spread
        return 0.5 * ops.mean(own / (ops.relu(to_all - own) + self.delta))


def _squared(rows):
    return ops.sum(ops.square(rows), axis=-1)
