"""Ring loss: every embedding gets the same, learned length."""

import keras
from keras import ops

from .arguments import number, positive
from .layer import LossLayer
from .numerics import lengths


@keras.saving.register_keras_serializable(package="losses")
class RingLoss(LossLayer):
    """Half the mean squared difference of each length from a learned radius.

        L = 1 / (2 B) * sum_i (|x_i| - radius)^2

    The optimizer does not train the radius: in training, after the loss is taken, it follows
    the gradient at a rate of its own,

        radius += radius_rate * mean_i (|x_i| - radius).

    The paper trains it with the network and starts it at the mean length in the first batch.
    Under Adam it would move by the learning rate in each step, however far the lengths are.
    The loss does not look at the labels: add a softmax term, with a weight of 0.01 or so.
    Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        radius: Initial radius, above 0, in units of the embedding.
        radius_rate: Step of the radius, in `[0, 1]`.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.
        training: Whether the radius moves.

    Returns:
        Scalar, in half squared units of the embedding.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Zheng et al., Ring Loss: Convex Feature Normalization for Face Recognition, CVPR 2018.
        Its weight could not be checked against the text.
    """

    def __init__(self, radius=1.0, radius_rate=0.1, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        initial = keras.initializers.Constant(positive("radius", radius))
        self.radius_rate = number("radius_rate", radius_rate, 0, 1)
        self.radius = self.add_weight(shape=(), initializer=initial, trainable=False, name="radius")
        self.built = True

    def call(self, labels, embeddings, training=False):
        excess = lengths(embeddings) - self.radius  # (batch,)
        if training:
            self.radius.assign_add(self.if_right(self.radius_rate * ops.mean(ops.stop_gradient(excess))))
        return 0.5 * ops.mean(ops.square(excess))
