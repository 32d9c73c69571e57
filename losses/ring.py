"""Ring loss: every embedding gets the same, learned length."""

import keras
from keras import ops

from .arguments import positive
from .labels import class_ids
from .numerics import lengths


@keras.saving.register_keras_serializable(package="losses")
class RingLoss(keras.Layer):
    """Half the mean squared difference of each length from a learned radius.

        L = 1 / (2 B) * sum_i (|x_i| - radius)^2

    The paper starts the radius at the mean length in the first batch; here it starts at an
    argument, so that it does not depend on the order of the data, and is kept from getting
    negative. It does not look at the labels: add a softmax term, with a weight of 0.01 or so.
    Holds state: use it in a `MetricModel`, not in `compile(loss=...)`.

    Args:
        radius: Initial radius, above 0, in units of the embedding.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in half squared units of the embedding.

    Raises:
        ValueError: If `radius` is not above 0.

    Reference:
        Zheng et al., Ring Loss: Convex Feature Normalization for Face Recognition, CVPR 2018.
        Its weight could not be checked against the text.
    """

    def __init__(self, radius=1.0, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        initial = keras.initializers.Constant(positive("radius", radius))
        self.radius = self.add_weight(shape=(), initializer=initial, constraint="non_neg", name="radius")
        self.built = True

    def call(self, labels, embeddings):
        class_ids(labels, embeddings)  # Only to refuse swapped arguments.
        return 0.5 * ops.mean(ops.square(lengths(embeddings) - self.radius))
