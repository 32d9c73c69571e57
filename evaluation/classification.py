"""Which class is an embedding of? By the nearest mean, by its neighbours, by a few examples."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from .vectors import class_means, members, row_blocks, squared_distances

DISTANCES = 50_000_000  # At most so many, from queries to means, are looked at in a draw of few-shot accuracy.


def nearest_mean(embeddings, means):
    """Class number `(n,)` of the nearest class mean by Euclidean distance."""
    blocks = row_blocks(len(embeddings), len(means))
    return np.concatenate([np.argmin(squared_distances(embeddings[rows], means), axis=1) for rows in blocks])


def knn_accuracy(train_embeddings, train_labels, test_embeddings, test_labels, neighbors=5):
    """Accuracy of a majority vote among the nearest training embeddings; of classes with as many votes, the first."""
    search = NearestNeighbors(n_neighbors=min(neighbors, len(train_labels)), algorithm="brute").fit(train_embeddings)
    voters = np.sort(train_labels[search.kneighbors(test_embeddings, return_distance=False)], axis=1)
    votes = (voters[:, :, None] == voters[:, None, :]).sum(axis=2)
    predictions = voters[np.arange(len(voters)), votes.argmax(axis=1)]
    return float((predictions == test_labels).mean())


def few_shot_accuracies(embeddings, labels, shots, draws, seed):
    """Accuracy of the nearest class mean, where each mean is that of a few examples alone.

    Each draw takes `shots` embeddings of every class as examples; all the others are the queries, or of very many some.

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
    classes, most = members(labels), DISTANCES // len(counts)
    accuracies = []
    for _ in range(draws):
        examples = np.concatenate([rng.choice(of_class, shots, replace=False) for of_class in classes])
        queries = np.delete(np.arange(len(labels)), examples)
        if len(queries) > most:
            queries = rng.choice(queries, most, replace=False)
        found = nearest_mean(embeddings[queries], class_means(embeddings[examples], labels[examples]))
        accuracies.append((found == labels[queries]).mean())
    return np.array(accuracies)
