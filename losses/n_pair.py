"""N-pair loss: one positive against a negative of every other class at once."""

import keras
from keras import ops

from .arguments import number
from .layer import LossLayer
from .numerics import log_sum_exp, mean_over
from .pairwise import pair_masks


@keras.saving.register_keras_serializable(package="losses")
class NPairLoss(LossLayer):
    """Softmax of a positive pair against one negative of every other class.

        l_ap = log(1 + sum_{j != y_a} mean_{n: y_n = j} exp(x_a . x_n - x_a . x_p))
        L = mean of l_ap + l2_weight * (|x_a|^2 + |x_p|^2) over all positive pairs (a, p)

    The paper's batch holds two samples of each class: an anchor, and a positive that is the
    other anchors' negative. Here a class may have more, and takes either part: the mean
    stands for the one negative drawn from it, so that the value does not depend on the number
    of samples a class has. Embeddings are not normalised; `l2_weight` keeps them short. Holds
    no state: it also works as `model.compile(loss=NPairLoss())`. A batch needs two samples of
    a class and one of another, else it teaches nothing, and without the two it gives 0:
    shuffled, B samples of C classes have about `B (B - 1) / (2 C)` positive pairs.

    Args:
        l2_weight: Weight of the squared lengths; non-negative, 0.002 to 0.02 in public code.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats; `log(C)` for zero embeddings of C classes.

    Raises:
        ValueError: If `l2_weight` is outside its range.

    Reference:
        Sohn, Improved Deep Metric Learning with Multi-class N-pair Loss Objective, NIPS 2016.
    """

    def __init__(self, l2_weight=0.002, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.l2_weight = number("l2_weight", l2_weight)
        self.built = True

    def call(self, labels, embeddings):
        products = ops.matmul(embeddings, ops.transpose(embeddings))  # (batch, batch)
        positives, negatives = pair_masks(labels)
        class_sizes = 1 + ops.sum(ops.cast(positives, products.dtype), axis=-1)  # (batch,)
        of_negatives = log_sum_exp(products - ops.log(class_sizes), negatives)  # Mean of each class, summed.
        losses = ops.softplus(of_negatives[:, None] - products)
        squared = ops.sum(ops.square(embeddings), axis=-1)
        return mean_over(losses + self.l2_weight * (squared[:, None] + squared[None, :]), positives)
