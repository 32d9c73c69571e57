"""Multi-similarity loss: pairs weighted by their own and by their relative similarity."""

import keras
from keras import ops

from .arguments import number, positive
from .labels import class_ids
from .layer import LossLayer
from .numerics import log_sum_exp, masked_max, masked_min, mean_over
from .pairwise import anchors_with_both, pair_cosines, pair_masks


@keras.saving.register_keras_serializable(package="losses")
class MultiSimilarityLoss(LossLayer):
    """Soft thresholds on the cosines of mined positive and negative pairs.

        kept positives:  S_ip < max_n S_in + epsilon
        kept negatives:  S_in > min_p S_ip - epsilon
        L_i = 1 / alpha * log(1 + sum_p exp(-alpha (S_ip - base)))
            + 1 / beta * log(1 + sum_n exp(beta (S_in - base)))
        L = mean of L_i over the anchors that have a positive and a negative

    with S the cosine. The mining is not differentiated; an anchor all of whose pairs are
    mined out counts as 0. (The authors' code divides by all samples, and finds a sample
    itself by a cosine near 1, which also drops duplicates.) That code has beta 40. Where few
    classes overlap, a few hard negatives then decide alone: on Fashion-MNIST the nearest
    class mean is right for 91.4 % of the validation images with beta 10 and for 84.7 % with
    40. Holds no state: it also works as `model.compile(loss=MultiSimilarityLoss())`. A batch
    needs two samples of a class and one of another, else it gives 0 and teaches nothing:
    shuffled, B samples of C classes have about `B (B - 1) / (2 C)` positive pairs.

    Args:
        alpha: Sharpness for positives, above 0.
        beta: Sharpness for negatives, above 0; 5 to 20 for ten classes.
        base: Cosine threshold, in `[-1, 1]`.
        epsilon: Slack of the mining, non-negative; above 2 every pair is kept.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in units of the cosine.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric
        Learning, CVPR 2019.
    """

    def __init__(self, alpha=2.0, beta=10.0, base=0.5, epsilon=0.1, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.alpha = positive("alpha", alpha)
        self.beta = positive("beta", beta)
        self.base = number("base", base, -1, 1)
        self.epsilon = number("epsilon", epsilon)
        self.built = True

    def call(self, labels, embeddings):
        cosines, kept_positives, kept_negatives, _, valid = self._mined(labels, embeddings)
        # log(1 + sum) as softplus of the log of the sum: nothing kept gives 0.
        pulls = ops.softplus(log_sum_exp(-self.alpha * (cosines - self.base), kept_positives)) / self.alpha
        pushes = ops.softplus(log_sum_exp(self.beta * (cosines - self.base), kept_negatives)) / self.beta
        return mean_over(pulls + pushes, valid)

    def active_fraction(self, labels, embeddings):
        """Share of the pairs that the mining keeps."""
        labels = class_ids(labels, embeddings)
        cosines, kept_positives, kept_negatives, pairs, valid = self._mined(labels, embeddings)
        kept = ops.logical_or(kept_positives, kept_negatives)
        return mean_over(ops.cast(kept, cosines.dtype), ops.logical_and(pairs, valid[:, None]))

    def _mined(self, labels, embeddings):
        """Cosines, masks of the kept positives, the kept negatives and all pairs, and which anchors have both."""
        cosines = pair_cosines(ops.convert_to_tensor(embeddings, self.compute_dtype))
        positives, negatives = pair_masks(labels)
        # Dropped, not kept, by comparison: NaN is never dropped.
        easy_positives = cosines >= masked_max(cosines, negatives)[:, None] + self.epsilon
        easy_negatives = cosines <= masked_min(cosines, positives)[:, None] - self.epsilon
        kept_positives = ops.logical_and(positives, ops.logical_not(easy_positives))
        kept_negatives = ops.logical_and(negatives, ops.logical_not(easy_negatives))
        pairs = ops.logical_or(positives, negatives)
        return cosines, kept_positives, kept_negatives, pairs, anchors_with_both(positives, negatives)
