"""Center loss: every embedding is pulled to the center of its class."""

import keras
from keras import ops

from .arguments import number, sizes
from .centers import damped_mean
from .layer import LossLayer


@keras.saving.register_keras_serializable(package="losses")
class CenterLoss(LossLayer):
    """Half the mean squared distance of each embedding to the center of its class.

        L = 1 / (2 B) * sum_i ||x_i - c_{y_i}||^2

    The paper sums over the batch (eq. 2); the mean, as in the authors' own code, keeps the
    weight of this term independent of the batch size. The optimizer does not train the
    centers: in training, after the loss is taken, each moves towards its own samples (eq. 4),

        c_j += center_rate * sum_{i: y_i = j} (x_i - c_j) / (1 + n_j),

    with `n_j` the number of samples of class j in the batch: at most the way to their mean,
    so it never diverges. Alone, this loss is minimised by mapping every image to one point:
    add a softmax term. Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        center_rate: Step of the centers, in `[0, 1]` (alpha in the paper).

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.
        training: Whether the centers move.

    Returns:
        Scalar, in squared units of the embedding.

    Raises:
        ValueError: If `center_rate` is outside `[0, 1]` or there are fewer than two classes.

    Reference:
        Wen et al., A Discriminative Feature Learning Approach for Deep Face Recognition, ECCV 2016.
    """

    def __init__(self, num_classes, embedding_dim, center_rate=0.5, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        num_classes, embedding_dim = sizes(num_classes, embedding_dim)
        self.num_classes = num_classes
        self.center_rate = number("center_rate", center_rate, 0, 1)
        self.centers = self.add_weight(
            shape=(num_classes, embedding_dim), initializer="zeros", trainable=False, name="centers"
        )
        self.built = True

    def call(self, labels, embeddings, training=False):
        # Subtracting gathered centers is exact; expanding the square would cancel.
        offsets = embeddings - ops.take(self.centers, labels, axis=0)  # (batch, embedding_dim)
        if training:
            step = damped_mean(labels, ops.stop_gradient(offsets), self.centers.shape[0])
            self.centers.assign_add(self.if_right(self.center_rate * step))
        return 0.5 * ops.mean(ops.sum(ops.square(offsets), axis=-1))
