"""Trained on all classes, and judged on the test images of the same."""

from evaluation.classification import knn_accuracy
from evaluation.geometry import class_distances, geometry
from evaluation.retrieval import retrieval
from evaluation.vectors import class_means, l2_normalize
from evaluation.verification import all_pairs, verification

from .protocol import Judgement, Protocol, accuracies, pair_arrays, predicted, validated
from .score import CLASSES, GEOMETRY, PAIRS, RETRIEVAL, VOTE


def judge(data, embeddings, logits):
    """Scores on test images of the classes that were trained on: see `Protocol.judge`."""
    train, test, labels = l2_normalize(embeddings["train"]), l2_normalize(embeddings["test"]), data.test.labels
    means = class_means(train, data.train.labels)
    head = None if logits is None else logits["test"]
    pairs = all_pairs(test, labels)
    return Judgement(
        scores={
            **accuracies(test, labels, means, head),
            "knn_accuracy": knn_accuracy(train, data.train.labels, test, labels),
            **retrieval(test, labels),
            **verification(pairs),
            **class_distances(test, labels, means),
            **geometry(embeddings["test"], labels, means),
        },
        details=validated(data, embeddings, means, pairs),
        arrays={
            "test_embeddings": embeddings["test"],
            "test_labels": labels,
            **predicted(test, labels, means, head),
            "class_means": means,
            **pair_arrays(pairs),
        },
    )


CLOSED = Protocol(
    name="closed",
    tables={
        "Classification and retrieval": CLASSES | VOTE | RETRIEVAL,
        "Same class or not: all pairs of test images": PAIRS,
        "Shape of the embedding": GEOMETRY,
    },
    short=(
        *("center_accuracy", "map_at_r", "head_accuracy", "knn_accuracy", "distance_ratio"),
        *("recall_at_1", "r_precision"),
    ),
    headlines=("head_accuracy", "center_accuracy", "map_at_r", "tar_at_far_1e-3", "distance_ratio"),
    highlights=("knn_accuracy", "center_accuracy", "map_at_r"),
    head="head_accuracy",
    roles={
        "nearest_mean": "center_accuracy",
        "map_at_r": "map_at_r",
        "recall_at_1": "recall_at_1",
        "eer": "eer",
        "tar_at_far_1e-3": "tar_at_far_1e-3",
    },
    unit="seed",
    judge=judge,
    splits=lambda name, num_classes, share=None, count=1: {None: ()},
)
