"""What a run is judged by: every score, and the arrays its pictures are drawn from, from embeddings of its images."""

import dataclasses

import numpy as np

from evaluation.classification import few_shot_accuracies, knn_accuracy, nearest_mean
from evaluation.geometry import class_distances, geometry
from evaluation.open_set import open_set
from evaluation.retrieval import retrieval
from evaluation.significance import interval
from evaluation.vectors import class_means, l2_normalize, squared_distances
from evaluation.verification import all_pairs, thresholds, verification
from held_out import OpenDataset

DISTANCE_BINS = np.linspace(0, 2, 101)  # L2-normalised embeddings are at most 2 apart.
ROC_FARS = np.logspace(-5, 0, 101)
SHOTS = (1, 5, 10)
DRAWS = 100


@dataclasses.dataclass(frozen=True)
class Judgement:
    """The `scores` by name, further `details` for `metrics.json`, and `arrays` for `embeddings.npz`."""

    scores: dict
    details: dict
    arrays: dict


def judge(data, embeddings, logits):
    """Judges embeddings by the protocol that the data set is made for.

    Args:
        data: `Dataset` or `OpenDataset`.
        embeddings: Dict from a part of the data set, `train`, `validation`, `test` and, of an `OpenDataset`,
            `unknown`, to its embeddings `(n, d)`.
        logits: Dict from a part to the scores `(n, C)` of the loss's own classifier; None if it has none.

    Returns:
        `Judgement`.
    """
    return (_judge_open if isinstance(data, OpenDataset) else _judge_closed)(data, embeddings, logits)


def _judge_closed(data, embeddings, logits):
    """Scores on test images of the classes that were trained on."""
    train, test, labels = l2_normalize(embeddings["train"]), l2_normalize(embeddings["test"]), data.test.labels
    means = class_means(train, data.train.labels)
    head = None if logits is None else logits["test"]
    pairs = all_pairs(test, labels)
    return Judgement(
        scores={
            **_accuracies(test, labels, means, head),
            "knn_accuracy": knn_accuracy(train, data.train.labels, test, labels),
            **retrieval(test, labels),
            **verification(pairs),
            **class_distances(test, labels, means),
            **geometry(embeddings["test"], labels, means),
        },
        details={"thresholds": _thresholds(data, embeddings, pairs)},
        arrays={
            "test_embeddings": embeddings["test"],
            "test_labels": labels,
            **_predicted(test, labels, means, head),
            "class_means": means,
            **_pair_arrays(pairs),
        },
    )


def _judge_open(data, embeddings, logits):
    """Scores among the classes never seen, and of telling them from the known ones."""
    test, unknown, labels = l2_normalize(embeddings["test"]), l2_normalize(embeddings["unknown"]), data.unknown.labels
    means = class_means(l2_normalize(embeddings["train"]), data.train.labels)
    head = None if logits is None else logits["test"]
    pairs = all_pairs(unknown, labels)
    unseen = retrieval(unknown, labels) | verification(pairs)
    shots = {shots: few_shot_accuracies(unknown, labels, shots, DRAWS, seed=0) for shots in SHOTS}
    recognition = _recognition(data, embeddings, means, logits)
    rule = "center_distance" if logits is None else "max_logit"  # Fixed before any result was seen.
    return Judgement(
        scores={
            **{f"known_{name}": value for name, value in _accuracies(test, data.test.labels, means, head).items()},
            **{f"unseen_{name}": value for name, value in unseen.items()},
            **{f"unseen_{n}_shot": float(accuracies.mean()) for n, accuracies in shots.items()},
            **{f"open_{name}": value for name, value in recognition[rule].items()},
        },
        details={
            "held_out": list(data.unknown_names),
            "thresholds": _thresholds(data, embeddings, pairs),
            "shots": {str(n): dataclasses.asdict(interval(a)) | {"draws": DRAWS} for n, a in shots.items()},
            "open_set": {"rule": rule, **recognition},
        },
        arrays={
            "test_embeddings": embeddings["test"],
            "test_labels": data.test.labels,
            **_predicted(test, data.test.labels, means, head),
            "unknown_embeddings": embeddings["unknown"],
            "unknown_labels": labels,
            "class_means": means,
            **_pair_arrays(pairs),
        },
    )


def _accuracies(embeddings, labels, means, logits):
    """Accuracy of the loss's own classifier, None without one, and of the nearest class mean."""
    return {
        "head_accuracy": None if logits is None else float((logits.argmax(axis=1) == labels).mean()),
        "center_accuracy": float((nearest_mean(embeddings, means) == labels).mean()),
    }


def _predicted(embeddings, labels, means, logits):
    """Arrays of the classes by the loss's own classifier, or by the nearest mean if it has none, and of the errors.

    An error is by how much the class predicted beats the true one, in logits or in squared distance: 0 if it is that.
    """
    values = -squared_distances(embeddings, means) if logits is None else logits
    rows, predictions = np.arange(len(labels)), values.argmax(axis=1)
    return {"test_predictions": predictions, "test_errors": values[rows, predictions] - values[rows, labels]}


def _recognition(data, embeddings, means, logits):
    """Open-set scores by every rule there is: distance to the nearest class mean, and the largest logit."""
    parts = ("validation", "test", "unknown")
    distances = {part: squared_distances(l2_normalize(embeddings[part]), means) for part in parts}
    rules = {"center_distance": {part: -found for part, found in distances.items()}}
    if logits is not None:
        rules["max_logit"] = logits
    return {
        rule: open_set(
            found["test"].max(axis=1),
            found["test"].argmax(axis=1) == data.test.labels,
            found["unknown"].max(axis=1),
            found["validation"].max(axis=1),
        )
        for rule, found in rules.items()
    }


def _thresholds(data, embeddings, pairs):
    """Thresholds from the validation pairs, tried on the pairs that are judged."""
    return thresholds(all_pairs(l2_normalize(embeddings["validation"]), data.validation.labels), pairs)


def _pair_arrays(pairs):
    same, different = pairs.histograms(DISTANCE_BINS)
    return {"same_pairs": same, "different_pairs": different, "roc_fars": ROC_FARS, "roc_tars": pairs.roc(ROC_FARS)}
