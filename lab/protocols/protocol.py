"""What a protocol is asked: its scores, its units, its words; and what both measure alike."""

import dataclasses
from collections.abc import Callable

import numpy as np

from evaluation.classification import nearest_mean
from evaluation.open_set import recognition
from evaluation.vectors import l2_normalize, row_blocks, squared_distances
from evaluation.verification import all_pairs, thresholds

DISTANCE_BINS = np.linspace(0, 2, 101)  # L2-normalised embeddings are at most 2 apart.
ROC_FARS = np.logspace(-5, 0, 101)


@dataclasses.dataclass(frozen=True)
class Judgement:
    """The `scores` by name, further `details` for `metrics.json`, and `arrays` for `embeddings.npz`."""

    scores: dict
    details: dict
    arrays: dict


@dataclasses.dataclass(frozen=True)
class Protocol:
    """On which classes embeddings are judged, by which scores, and how that is said.

    Args:
        name: As `--protocol` takes it.
        tables: Its scores, dict from a title to a dict from a score's name to its `Score`: tables that fit a page.
        short: The scores that a terminal has room for; where it is narrow, the first of them.
        headlines: The scores that a loss is compared with softmax by.
        highlights: The scores of a single line.
        head: Name of the accuracy of the loss's own classifier, if it is measured; a score not every loss has.
        roles: What every protocol has, under names of its own: dict from `nearest_mean`, `map_at_r`, `recall_at_1`,
            `eer` and `tar_at_far_1e-3` to the names of its scores.
        unit: What an interval is over, a field of `Settings`.
        judge: Function from a `Dataset`, a dict from its parts to their embeddings `(n, d)`, and such a dict of
            the logits `(n, C)` of the loss's own classifier, without the training part's, or None, to a `Judgement`.
        splits: Function from the name and the number of classes of a data set, the share of the classes to hold out,
            or None, and the number of splits, to a dict from each split to the numbers of the classes that it keeps
            from training.
        method: How it measures, for the summary; `{how}` stands for what every protocol does alike.
        plan: What is said of it beforehand, with `{unseen}` classes kept back and `{splits}`; or nothing.
        in_title, in_path: What a title and the name of a folder say of it.
        known: What the test images of the classes trained on are called.
        judged: What a title says of the images that are told apart.
        map_note: What a map says of classes never seen.
        rare: Names of the scores, beside `head`, that not every data set has.
    """

    name: str
    tables: dict
    short: tuple
    headlines: tuple
    highlights: tuple
    head: str
    roles: dict
    unit: str
    judge: Callable
    splits: Callable
    method: str = "{how}"
    plan: str = ""
    in_title: str = ""
    in_path: str = ""
    known: str = "test images"
    judged: str = ""
    map_note: str = ""
    rare: tuple = ()

    @property
    def scores(self):
        """Every `Score` by name."""
        return {name: score for table in self.tables.values() for name, score in table.items()}

    @property
    def optional(self):
        """Names of the scores that a run may lack."""
        return *filter(None, [self.head]), *self.rare

    @property
    def units(self):
        return f"{self.unit}s"

    def role(self, role):
        """The `Score` that has a role."""
        return self.scores[self.roles[role]]

    def text(self, values, role):
        """The value of a role's score, with its name and unit."""
        score, value = self.role(role), values[self.roles[role]]
        return f"{score.title} {score.text(value)}{' %' if score.percent else ''}"

    def line(self, values):
        """The scores that matter most, in one line."""
        parts = []
        for name in self.highlights:
            score, value = self.scores[name], values[name]
            if value is None:
                continue
            shown = f"{value:.2%}" if score.percent else f"{value:.3f}"
            parts.append(f"{score.title.split(': ')[-1]} {shown}")
        return " · ".join(parts)


def accuracies(embeddings, labels, means, logits):
    """Accuracy of the loss's own classifier, None without one, and of the nearest class mean."""
    return {
        "head_accuracy": None if logits is None else float((logits.argmax(axis=1) == labels).mean()),
        "center_accuracy": float((nearest_mean(embeddings, means) == labels).mean()),
    }


def predicted(embeddings, labels, means, logits):
    """Arrays of the classes by the loss's own classifier, or by the nearest mean if it has none, and of the errors.

    An error is by how much the class predicted beats the true one, in logits or in squared distance: 0 if it is that.
    """
    found = []
    for rows in row_blocks(len(labels), len(means)):
        values = -squared_distances(embeddings[rows], means) if logits is None else logits[rows]
        each, predictions = np.arange(len(values)), values.argmax(axis=1)
        found.append((predictions, values[each, predictions] - values[each, labels[rows]]))
    predictions, errors = map(np.concatenate, zip(*found, strict=True))
    return {"test_predictions": predictions, "test_errors": errors}


def validated(data, embeddings, means, pairs):
    """Dict of what is chosen on validation images and tried on those that are judged.

    It has `thresholds` of the distance of a pair, and by `recognition` the distance to a class mean that is too far.
    """
    points = {
        part: (l2_normalize(embeddings[part]), split.labels) for part, split in data.parts.items() if part != "train"
    }
    unknown, _ = points.get("unseen", (None, None))
    return {
        "thresholds": thresholds(all_pairs(*points["validation"]), pairs),
        "recognition": recognition(means, points["validation"], points.get("test"), unknown),
    }


def pair_arrays(pairs):
    """Arrays of the histograms of the distances of `Pairs`, and of their ROC curve."""
    same, different = pairs.histograms(DISTANCE_BINS)
    return {"same_pairs": same, "different_pairs": different, "roc_fars": ROC_FARS, "roc_tars": pairs.roc(ROC_FARS)}
