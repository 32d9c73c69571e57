"""Known or unknown? Classes of the training against classes never seen."""

import numpy as np
from sklearn.metrics import roc_auc_score


def open_set(known_scores, correct, unknown_scores, validation_scores):
    """How well scores tell test images of known classes from those of unknown ones.

    Args:
        known_scores: `(n,)`, the higher the more like a known class.
        correct: Booleans `(n,)`: whether the class of each known image is predicted rightly.
        unknown_scores: `(m,)`, of the same kind.
        validation_scores: `(k,)`, of held-out training images of known classes; they set the threshold.

    Returns:
        Dict of fractions in `[0, 1]`. `auroc`: how often a known image scores above an unknown one. `oscr`: how
        often it does and is classified rightly, too; the area under the rate of right classifications over the
        false positive rate. `fpr_at_95_tpr`: share of the unknown images above the threshold that 95 % of the
        validation images pass; ties with the threshold pass. In the others ties count half.

    Reference:
        Dhamija et al., Reducing network agnostophobia, NeurIPS 2018 (the open-set classification rate).
    """
    unknown = np.sort(unknown_scores)
    below = np.searchsorted(unknown, known_scores, "left") + np.searchsorted(unknown, known_scores, "right")
    threshold = np.quantile(validation_scores, 0.05, method="lower")
    truth = np.concatenate([np.ones(len(known_scores)), np.zeros(len(unknown_scores))])
    return {
        "auroc": float(roc_auc_score(truth, np.concatenate([known_scores, unknown_scores]))),
        "oscr": float((correct * below / 2).mean() / len(unknown)),
        "fpr_at_95_tpr": float((unknown_scores >= threshold).mean()),
    }
