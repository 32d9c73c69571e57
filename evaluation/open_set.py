"""Known or unknown? Classes of the training against classes never seen."""

import numpy as np
from sklearn.metrics import roc_auc_score

from .vectors import nearest

FALSE_ACCEPTS = 0.01  # Of images of unknown classes that are taken for a known one, as far as validation images tell.


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
        false positive rate. `fpr_at_95_tpr`: share of the unknown images above the threshold that at least
        95 % of the validation images pass; ties with the threshold pass. In the others ties count half.

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


def recognition(means, validation, test=None, unknown=None):
    """The distance to the nearest class mean from which on an image is called unknown, and what comes of it.

    It is chosen on validation images as if the class of each were unknown: an image whose nearest mean of another
    class is within the distance is a false accept. At most `FALSE_ACCEPTS` of them are.

    Args:
        means: `(C, d)`, of at least two classes.
        validation: Embeddings `(k, d)` and labels `(k,)` of held-out training images; at least one.
        test: The same of test images of those classes, or None.
        unknown: Embeddings `(m, d)` of images of other classes, or None.

    Returns:
        Dict of the `distance`, images nearer than which are accepted, and of fractions in `[0, 1]`. Of validation and
        test images, `validation_` and `test_`: `accepted`; `right`, those accepted for their own class; `far`, the
        false accepts where the class of each is taken for unknown. Of images of other classes: `unknown_accepted`.
    """
    others = np.sort(_nearest_other(means, *validation))
    distance = others[int(FALSE_ACCEPTS * len(others))]
    rates = {"distance": float(distance)}
    known = {"validation": validation} | ({} if test is None else {"test": test})
    for part, (embeddings, labels) in known.items():
        classes, away = (found[:, 0] for found in nearest(embeddings, means, 1))
        accepted = away < distance
        rates |= {
            f"{part}_accepted": float(accepted.mean()),
            f"{part}_right": float((accepted & (classes == labels)).mean()),
            f"{part}_far": float((_nearest_other(means, embeddings, labels) < distance).mean()),
        }
    if unknown is not None:
        _, away = nearest(unknown, means, 1)
        rates["unknown_accepted"] = float((away < distance).mean())
    return rates


def _nearest_other(means, embeddings, labels):
    """Distance `(n,)` to the nearest mean of another class."""
    classes, distances = nearest(embeddings, means, 2)
    return np.where(classes[:, 0] == labels, distances[:, 1], distances[:, 0])
