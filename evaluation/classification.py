"""Which class is an embedding of? By the nearest mean, by its neighbours, by a few examples."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from .vectors import class_means, row_blocks, squared_distances


def nearest_mean(embeddings, means):
    """Class number `(n,)` of the nearest class mean by Euclidean distance."""
    blocks = row_blocks(len(embeddings), len(means))
    return np.concatenate([np.argmin(squared_distances(embeddings[rows], means), axis=1) for rows in blocks])


def knn_accuracy(train_embeddings, train_labels, test_embeddings, test_labels, neighbors=5):
    """Accuracy of a majority vote among the nearest training embeddings."""
    classifier = KNeighborsClassifier(neighbors, algorithm="brute").fit(train_embeddings, train_labels)
    # It counts the votes for every class.
    blocks = row_blocks(len(test_embeddings), len(classifier.classes_))
    predictions = np.concatenate([classifier.predict(test_embeddings[rows]) for rows in blocks])
    return float((predictions == test_labels).mean())


def few_shot_accuracies(embeddings, labels, shots, draws, seed):
    """Accuracy of the nearest class mean, where each mean is that of a few examples alone.

    Each draw takes `shots` embeddings of every class as examples; all the others are the queries.

    Args:
        embeddings: `(n, d)`.
        labels: Integers `(n,)`, `0 ... C - 1`; every class occurs more than `shots` times.
        shots: Examples per class, at least 1.
        draws: How often examples are drawn.
        seed: Of the draws: the same seed draws the same items from the same labels.

    Returns:
        Accuracies `(draws,)`.

    Raises:
        ValueError: If a class has too few embeddings.
    """
    counts = np.bincount(labels)
    if counts.min() <= shots:
        raise ValueError(f"{shots} examples a class leave no query: the smallest class has {counts.min()} embeddings")
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == label) for label in range(len(counts))]
    accuracies = []
    for _ in range(draws):
        examples = np.concatenate([rng.choice(of_class, shots, replace=False) for of_class in members])
        queries = np.delete(np.arange(len(labels)), examples)
        found = nearest_mean(embeddings[queries], class_means(embeddings[examples], labels[examples]))
        accuracies.append((found == labels[queries]).mean())
    return np.array(accuracies)
