"""Verification as TensorBoard's PR curve: how many accepted pairs are of one class, and how many such are?"""

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.pr_curve.metadata import create_summary_metadata
from tensorboard.util.tensor_util import make_tensor_proto


def pair_curve(tag, same, different):
    """Summary of the precision and recall of accepting the pairs nearer than a threshold.

    `same` and `different` are the counts `(k,)` of the pairs of one class, and of two, by ascending distance.
    """
    # TensorBoard's thresholds ascend from accepting all to accepting none.
    accepted_same, accepted_different = (
        np.concatenate([[0], np.cumsum(counts)])[::-1].astype(np.float64) for counts in (same, different)
    )
    accepted = accepted_same + accepted_different
    rows = [  # In the order that the page knows. TensorBoard's own function for them imports TensorFlow.
        accepted_same,
        accepted_different,
        different.sum() - accepted_different,
        same.sum() - accepted_same,
        np.divide(accepted_same, accepted, out=np.ones_like(accepted), where=accepted > 0),  # Precision.
        accepted_same / same.sum(),  # Recall.
    ]
    summary = Summary()
    summary.value.add(
        tag=f"{tag}/pr_curves",
        metadata=create_summary_metadata(display_name=tag, description="", num_thresholds=len(accepted)),
        tensor=make_tensor_proto(np.float32(rows)),
    )
    return summary
