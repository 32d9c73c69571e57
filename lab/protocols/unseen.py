"""Trained on some classes, and judged on others, among themselves: the data set's own split."""

import dataclasses

import numpy as np

from evaluation.classification import few_shot_accuracies
from evaluation.query_gallery import query_gallery
from evaluation.retrieval import retrieval
from evaluation.significance import interval
from evaluation.vectors import class_means, l2_normalize
from evaluation.verification import all_pairs, verification

from .protocol import Judgement, Protocol, pair_arrays, validated
from .score import AVERAGE_PRECISION, PAIRS, RETRIEVAL, SHOTS, prefixed

EXAMPLES = (1, 5, 10)  # Of each class, for few-shot accuracy.
DRAWS = 100


def among_unseen(data, embeddings):
    """The `Judgement` of images of classes never seen, told apart by their distances alone."""
    unseen, labels = l2_normalize(embeddings["unseen"]), data.unseen.labels
    means = class_means(l2_normalize(embeddings["train"]), data.train.labels)
    pairs = all_pairs(unseen, labels)
    asked = data.queries, data.cameras
    alike = retrieval(unseen, labels) if data.queries is None else query_gallery(unseen, labels, *asked)
    shots, details = {}, {}
    for n in EXAMPLES:
        many = np.bincount(labels) > n  # Of the others no image would be left to ask about.
        shots[f"{n}_shot"] = None
        if many.sum() > 1:
            chosen = np.flatnonzero(many[labels])
            renumbered = (np.cumsum(many) - 1)[labels[chosen]]
            accuracies = few_shot_accuracies(unseen[chosen], renumbered, n, DRAWS, seed=0)
            shots[f"{n}_shot"] = float(accuracies.mean())
            left_out = {} if many.all() else {"classes": int(many.sum())}
            details[str(n)] = dataclasses.asdict(interval(accuracies)) | {"draws": DRAWS} | left_out
    return Judgement(
        scores={f"unseen_{name}": value for name, value in (alike | verification(pairs) | shots).items()},
        details=validated(data, embeddings, means, pairs) | {"shots": details},
        arrays={
            "unknown_embeddings": embeddings["unseen"],
            "unknown_labels": labels,
            "class_means": means,
            **pair_arrays(pairs),
        },
    )


def judge(data, embeddings, logits):
    """Scores among the classes never seen: see `Protocol.judge`."""
    judgement = among_unseen(data, embeddings)
    no_images = {
        "test_embeddings": embeddings["unseen"][:0],
        "test_labels": data.test.labels,
        "test_predictions": data.test.labels,
        "test_errors": np.zeros(0, np.float32),
    }
    average_precision = dict.fromkeys(
        prefixed("unseen", "unseen", AVERAGE_PRECISION)
    )  # Of queries and a gallery alone.
    return dataclasses.replace(
        judgement, scores=average_precision | judgement.scores, arrays=no_images | judgement.arrays
    )


UNSEEN = Protocol(
    name="unseen",
    tables={
        "Classes never seen: retrieval and few examples": prefixed(
            "unseen", "unseen", RETRIEVAL | AVERAGE_PRECISION | SHOTS
        ),
        "Classes never seen: all pairs of their test images": prefixed("unseen", "unseen", PAIRS),
    },
    short=("unseen_map_at_r", "unseen_recall_at_1", "unseen_5_shot", "unseen_eer", "unseen_r_precision"),
    headlines=("unseen_recall_at_1", "unseen_map_at_r", "unseen_1_shot", "unseen_eer", "unseen_tar_at_far_1e-3"),
    highlights=("unseen_recall_at_1", "unseen_map_at_r", "unseen_eer"),
    head=None,
    roles={
        "nearest_mean": "unseen_recall_at_1",
        "map_at_r": "unseen_map_at_r",
        "recall_at_1": "unseen_recall_at_1",
        "eer": "unseen_eer",
        "tar_at_far_1e-3": "unseen_tar_at_far_1e-3",
    },
    unit="seed",
    judge=judge,
    splits=lambda name, num_classes, share=None, count=1: {None: ()},
    method=(
        "Trained on the classes of the training part, judged on those of the test part, which are others. {how} Where "
        "the test part has queries and a gallery, retrieval is of the queries in the gallery, without images of the "
        "same class and camera; pairs and few examples are of all test images."
    ),
    plan="judged on the {unseen} classes of the test part, none of which is trained on",
    in_title=", test classes unseen",
    judged=", classes never seen",
    known="test images of known classes",
    map_note="* classes never seen in training.",
    rare=("unseen_mean_average_precision", *(f"unseen_{n}_shot" for n in EXAMPLES)),
)
