"""The scores of an embedding of classes that it was trained on."""

import numpy as np

from .classification import knn_accuracy, nearest_mean
from .geometry import class_distances
from .retrieval import retrieval
from .vectors import class_means, l2_normalize


def evaluate(train_embeddings, train_labels, test_embeddings, test_labels, logits=None):
    """The closed-set scores of one run; everything but the head on L2-normalised embeddings.

    Args:
        train_embeddings: `(m, d)`: the class means and the gallery of the 5-NN classifier.
        train_labels: Integers `(m,)`; every class occurs.
        test_embeddings: `(n, d)`.
        test_labels: Integers `(n,)`.
        logits: Scores `(n, C)` of the loss's own classifier, if it has one.

    Returns:
        Dict of floats; accuracies and retrieval scores are fractions in `[0, 1]`,
        `head_accuracy` is None without `logits`.
    """
    train, test = l2_normalize(train_embeddings), l2_normalize(test_embeddings)
    means = class_means(train, train_labels)
    return {
        "head_accuracy": None if logits is None else float((np.argmax(logits, axis=1) == test_labels).mean()),
        "center_accuracy": float((nearest_mean(test, means) == test_labels).mean()),
        "knn_accuracy": knn_accuracy(train, train_labels, test, test_labels),
        **retrieval(test, test_labels),
        **class_distances(test, test_labels, means),
    }
