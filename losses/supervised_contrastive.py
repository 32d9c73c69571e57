"""Supervised contrastive loss: each positive against all other samples of the batch."""

import keras
from keras import ops

from .arguments import positive
from .layer import LossLayer
from .numerics import log_sum_exp, mean_over
from .pairwise import pair_cosines, pair_masks


@keras.saving.register_keras_serializable(package="losses")
class SupervisedContrastiveLoss(LossLayer):
    """Softmax over the batch, in which all samples of the own class are targets.

        s_ij = cos(x_i, x_j) / temperature
        L_i = -1 / |P(i)| * sum_{p in P(i)} (s_ip - log sum_{a != i} exp(s_ia))
        L = mean of L_i over the anchors that have a positive

    with `P(i)` the other samples of the class of i: the paper's "out" form. It has two
    augmented views of each image; here batches hold several images of each class instead.
    Holds no state: it also works as `model.compile(loss=SupervisedContrastiveLoss())`. A
    batch needs two samples of a class, else it gives 0 and teaches nothing: shuffled, B
    samples of C classes have about `B (B - 1) / (2 C)` positive pairs.

    Args:
        temperature: Above 0; 0.05 to 0.5.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats. Its minimum is not 0: each anchor has several targets.

    Raises:
        ValueError: If `temperature` is outside its range.

    Reference:
        Khosla et al., Supervised Contrastive Learning, NeurIPS 2020.
    """

    def __init__(self, temperature=0.1, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.temperature = positive("temperature", temperature)
        self.built = True

    def call(self, labels, embeddings):
        scores = pair_cosines(embeddings) / self.temperature
        positives, negatives = pair_masks(labels)
        totals = log_sum_exp(scores, ops.logical_or(positives, negatives))  # (batch,)
        counts = ops.sum(ops.cast(positives, scores.dtype), axis=-1)
        of_positives = ops.sum(ops.where(positives, scores, ops.zeros_like(scores)), axis=-1)
        return mean_over(totals - of_positives / ops.maximum(counts, 1), counts > 0)
