"""Trained on some of the classes, and judged on those never seen and on telling them from the known ones."""

import dataclasses
import json
import pathlib

from evaluation.classification import few_shot_accuracies
from evaluation.open_set import open_set
from evaluation.retrieval import retrieval
from evaluation.significance import interval
from evaluation.vectors import class_means, l2_normalize, squared_distances
from evaluation.verification import all_pairs, verification
from lab.errors import InputError

from .protocol import Judgement, Protocol, accuracies, pair_arrays, predicted, validated_thresholds
from .score import CLASSES, OPEN_SET, PAIRS, RETRIEVAL, SHOTS, prefixed

SPLITS_FILE = pathlib.Path(__file__).parent / "unseen_classes.json"
EXAMPLES = (1, 5, 10)  # Of each class, for few-shot accuracy.
DRAWS = 100


def unseen_classes(name, num_classes):
    """The committed splits of a data set: dict from their numbers to those of the classes that each keeps back.

    Each of ten classes is kept back in two of the five.

    Raises:
        InputError: If the data set has no splits, or other classes than they were drawn for.
    """
    splits = json.loads(SPLITS_FILE.read_text())
    if name not in splits:
        raise InputError(f"--protocol open has splits for {', '.join(splits)}. Received: {name}")
    largest = max(map(max, splits[name]))
    if largest >= num_classes:
        raise InputError(f"--protocol open holds out class {largest} of {name}, which has {num_classes} classes")
    return dict(enumerate(splits[name]))


def judge(data, embeddings, logits):
    """Scores among the classes never seen, and of telling them from the known ones: see `Protocol.judge`."""
    test, unseen, labels = l2_normalize(embeddings["test"]), l2_normalize(embeddings["unseen"]), data.unseen.labels
    means = class_means(l2_normalize(embeddings["train"]), data.train.labels)
    head = None if logits is None else logits["test"]
    pairs = all_pairs(unseen, labels)
    alike = retrieval(unseen, labels) | verification(pairs)
    shots = {shots: few_shot_accuracies(unseen, labels, shots, DRAWS, seed=0) for shots in EXAMPLES}
    recognition = _recognition(data, embeddings, means, logits)
    rule = "center_distance" if logits is None else "max_logit"  # Fixed before any result was seen.
    return Judgement(
        scores={
            **{f"known_{name}": value for name, value in accuracies(test, data.test.labels, means, head).items()},
            **{f"unseen_{name}": value for name, value in alike.items()},
            **{f"unseen_{n}_shot": float(accuracies.mean()) for n, accuracies in shots.items()},
            **{f"open_{name}": value for name, value in recognition[rule].items()},
        },
        details={
            "held_out": list(data.unseen_names),
            "thresholds": validated_thresholds(data, embeddings, pairs),
            "shots": {str(n): dataclasses.asdict(interval(a)) | {"draws": DRAWS} for n, a in shots.items()},
            "open_set": {"rule": rule, **recognition},
        },
        arrays={
            "test_embeddings": embeddings["test"],
            "test_labels": data.test.labels,
            **predicted(test, data.test.labels, means, head),
            "unknown_embeddings": embeddings["unseen"],
            "unknown_labels": labels,
            "class_means": means,
            **pair_arrays(pairs),
        },
    )


def _recognition(data, embeddings, means, logits):
    """Open-set scores by every rule there is: distance to the nearest class mean, and the largest logit."""
    parts = ("validation", "test", "unseen")
    distances = {part: squared_distances(l2_normalize(embeddings[part]), means) for part in parts}
    rules = {"center_distance": {part: -found for part, found in distances.items()}}
    if logits is not None:
        rules["max_logit"] = logits
    return {
        rule: open_set(
            found["test"].max(axis=1),
            found["test"].argmax(axis=1) == data.test.labels,
            found["unseen"].max(axis=1),
            found["validation"].max(axis=1),
        )
        for rule, found in rules.items()
    }


OPEN = Protocol(
    name="open",
    tables={
        "Known classes, and images of unknown ones among them": prefixed("known", "known", CLASSES)
        | prefixed("open", "open set", OPEN_SET),
        "Classes never seen: retrieval and few examples": prefixed("unseen", "unseen", RETRIEVAL | SHOTS),
        "Classes never seen: all pairs of their test images": prefixed("unseen", "unseen", PAIRS),
    },
    short=(
        *("unseen_map_at_r", "known_center_accuracy", "open_auroc", "unseen_5_shot", "unseen_eer"),
        *("unseen_recall_at_1", "open_oscr"),
    ),
    headlines=("known_center_accuracy", "unseen_map_at_r", "unseen_5_shot", "unseen_eer", "open_auroc"),
    highlights=("unseen_map_at_r", "unseen_5_shot", "open_auroc"),
    head="known_head_accuracy",
    roles={
        "nearest_mean": "known_center_accuracy",
        "map_at_r": "unseen_map_at_r",
        "recall_at_1": "unseen_recall_at_1",
        "eer": "unseen_eer",
        "tar_at_far_1e-3": "unseen_tar_at_far_1e-3",
    },
    unit="split",
    judge=judge,
    splits=unseen_classes,
    method=(
        "Trained on six classes, judged on the four never seen and on telling them from the known ones; five splits "
        "hold out each class twice. {how} Known or unknown is told by the largest logit, or by the distance to the "
        "nearest class mean for a loss without a classifier; the threshold of the FPR lets 95 % of the validation "
        "images pass. The splits share classes: the intervals are somewhat too narrow."
    ),
    plan="open: {unseen} classes held out, in {splits}; the images are the first's",
    in_title=", four classes unseen",
    in_path="-open",
    tunable=False,
    known="test images of known classes",
    judged=", classes never seen",
    map_note="* classes never seen in training; MAP@R and 5-shot are of them, AUROC is of the others against them.",
)
