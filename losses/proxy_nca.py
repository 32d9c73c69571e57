"""Proxy-NCA: a learned proxy for each class in place of the other samples."""

import keras
from keras import ops

from .angular import own_class
from .arguments import flag, positive, sizes
from .labels import own_mask
from .layer import LossLayer
from .numerics import cosines, cross_entropy, log_sum_exp


@keras.saving.register_keras_serializable(package="losses")
class ProxyNCALoss(LossLayer):
    """Softmax over the negative squared distances to normalised class proxies.

        D_ij = scale * ||x_i / |x_i| - p_j / |p_j| ||^2
        L = 1 / B * sum_i (D_{i, y_i} + log sum_j exp(-D_ij))

    The paper leaves the own proxy out of the sum (`include_positive=False`): the loss can
    then be negative. The libraries in use today include it, and so does the default. The
    paper has scale 1, which hardly separates; later work 9 to 32. The proxies are trained
    with the network and at its learning rate; others give them 10 times a rate much smaller
    than the one used here. Holds state: use it in a `MetricModel`; `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        scale: Above 0; inverse temperature of the softmax.
        include_positive: Whether the own proxy is part of the sum.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Movshovitz-Attias et al., No Fuss Distance Metric Learning using Proxies, ICCV 2017.
    """

    def __init__(self, num_classes, embedding_dim, scale=9.0, include_positive=True, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        num_classes, embedding_dim = sizes(num_classes, embedding_dim)
        self.num_classes = num_classes
        self.scale = positive("scale", scale)
        self.include_positive = flag("include_positive", include_positive)
        self.proxies = self.add_weight(
            shape=(num_classes, embedding_dim),
            initializer=keras.initializers.RandomNormal(stddev=embedding_dim**-0.5),
            name="proxies",
        )
        self.built = True

    def logits(self, embeddings):
        """Class scores `(batch, num_classes)`; the prediction is the nearest proxy."""
        # Between vectors of length 1 the squared distance is 2 - 2 cos; the softmax ignores the 2.
        embeddings = ops.convert_to_tensor(embeddings, self.compute_dtype)
        return 2 * self.scale * cosines(embeddings, self.proxies)

    def call(self, labels, embeddings):
        scores = self.logits(embeddings)
        if self.include_positive:
            return cross_entropy(scores, labels)
        others = ops.logical_not(own_mask(labels, scores.shape[1]))
        return ops.mean(log_sum_exp(scores, others) - own_class(scores, labels))
