"""Trained on some of the classes, and judged on those never seen and on telling them from the known ones."""

import json
import pathlib

import numpy as np

from evaluation.open_set import open_set
from evaluation.vectors import l2_normalize, row_blocks, squared_distances
from lab.errors import InputError

from .protocol import Judgement, Protocol, accuracies, predicted
from .score import CLASSES, OPEN_SET, PAIRS, RETRIEVAL, SHOTS, prefixed
from .unseen import EXAMPLES, among_unseen

SPLITS_FILE = pathlib.Path(__file__).parent / "unseen_classes.json"
SPLITS = 5
SHARE = 1 / 3  # Of the classes, unless another one is asked for.
SEED = 0


def unseen_classes(name, num_classes, share=None, count=SPLITS):
    """The splits of a data set: dict from their numbers to those of the classes that each keeps back.

    First those committed, of four classes in which each of ten is kept back twice, where there are some and no share
    is asked for. Then the classes are dealt out, and shuffled anew when those that are left make no split.

    Args:
        name: Of the data set.
        num_classes: Number of its classes.
        share: Of the classes that a split keeps back; None for those committed, or a third.
        count: Number of splits.

    Raises:
        InputError: If fewer than two classes are kept back, or two left.
    """
    committed = json.loads(SPLITS_FILE.read_text(encoding="utf-8")).get(name, []) if share is None else []
    if committed and max(map(max, committed)) >= num_classes:  # Of another data set of that name.
        committed = []
    unseen = len(committed[0]) if committed else round((share or SHARE) * num_classes)
    if not 2 <= unseen <= num_classes - 2:
        way = "Choose another share of them with --unseen" if num_classes > 3 else "It needs four classes"
        raise InputError(
            f"--protocol open holds out {unseen} of the {num_classes} classes of {name}: it takes two at least, and "
            f"two others to train on. {way}"
        )
    dealt = num_classes // unseen  # Splits without a class in common.
    rounds = [np.random.default_rng([SEED, number]).permutation(num_classes) for number in range(-(-count // dealt))]
    hands = [order[: dealt * unseen].reshape(dealt, unseen) for order in rounds]
    return dict(enumerate([*committed, *np.sort(np.concatenate(hands), axis=1).tolist()][:count]))


def judge(data, embeddings, logits):
    """Scores among the classes never seen, and of telling them from the known ones: see `Protocol.judge`."""
    alike = among_unseen(data, embeddings)
    test, means = l2_normalize(embeddings["test"]), alike.arrays["class_means"]
    head = None if logits is None else logits["test"]
    recognition = _recognition(data, embeddings, means, logits)
    rule = "center_distance" if logits is None else "max_logit"  # Fixed before any result was seen.
    return Judgement(
        scores={
            **{f"known_{name}": value for name, value in accuracies(test, data.test.labels, means, head).items()},
            **alike.scores,
            **{f"open_{name}": value for name, value in recognition[rule].items()},
        },
        details={
            "held_out": list(data.unseen_names),
            **alike.details,
            "open_set": {"rule": rule, **recognition},
        },
        arrays={
            "test_embeddings": embeddings["test"],
            "test_labels": data.test.labels,
            **predicted(test, data.test.labels, means, head),
            **alike.arrays,
        },
    )


def _recognition(data, embeddings, means, logits):
    """Open-set scores by every rule there is: distance to the nearest class mean, and the largest logit."""
    parts = ("validation", "test", "unseen")
    rules = {"center_distance": {part: _by_distance(l2_normalize(embeddings[part]), means) for part in parts}}
    if logits is not None:
        rules["max_logit"] = {part: (logits[part].max(axis=1), logits[part].argmax(axis=1)) for part in parts}
    return {
        rule: open_set(
            found["test"][0], found["test"][1] == data.test.labels, found["unseen"][0], found["validation"][0]
        )
        for rule, found in rules.items()
    }


def _by_distance(points, means):
    """The negated squared distance `(n,)` of each point to the nearest class mean, and the number of that class."""
    blocks = (-squared_distances(points[rows], means) for rows in row_blocks(len(points), len(means)))
    return [np.concatenate(found) for found in zip(*((b.max(axis=1), b.argmax(axis=1)) for b in blocks), strict=True)]


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
        "Trained on some classes, judged on those held out, never seen, and on telling them from the known ones; every "
        "split holds out others. {how} Known or unknown is told by the largest logit, or by the distance to the "
        "nearest class mean for a loss without a classifier; the threshold of the FPR lets at least 95 % of the "
        "validation images pass. The splits share classes: the intervals are somewhat too narrow."
    ),
    plan="open: {unseen} classes held out, in {splits}; the images are the first's",
    in_title=", classes unseen",
    in_path="-open",
    known="test images of known classes",
    judged=", classes never seen",
    map_note="* classes never seen in training; MAP@R and 5-shot are of them, AUROC is of the others against them.",
    rare=tuple(f"unseen_{n}_shot" for n in EXAMPLES),
)
