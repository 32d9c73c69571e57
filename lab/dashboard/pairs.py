"""Verification as TensorBoard's PR curve: how many accepted pairs are of one class, and how many such are?"""

import numpy as np
from tensorboard.plugins.pr_curve.summary import raw_data_pb


def pair_curve(tag, same, different):
    """Summary of the precision and recall of accepting the pairs nearer than a threshold.

    `same` and `different` are the counts `(k,)` of the pairs of one class, and of two, by ascending distance.
    """
    # TensorBoard's thresholds ascend from accepting all to accepting none.
    accepted_same, accepted_different = (
        np.concatenate([[0], np.cumsum(counts)])[::-1].astype(np.float64) for counts in (same, different)
    )
    accepted = accepted_same + accepted_different
    return raw_data_pb(
        tag,
        true_positive_counts=accepted_same,
        false_positive_counts=accepted_different,
        true_negative_counts=different.sum() - accepted_different,
        false_negative_counts=same.sum() - accepted_same,
        precision=np.divide(accepted_same, accepted, out=np.ones_like(accepted), where=accepted > 0),
        recall=accepted_same / same.sum(),
        num_thresholds=len(accepted),
    )
