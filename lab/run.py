"""A run: one loss with one seed, measured. All that is saved, drawn, logged and compared of it."""

import collections.abc
import dataclasses

import numpy as np

from lab.maps import MapFacts, Selection
from lab.protocols import PROTOCOLS
from lab.settings import PIXELS, REFERENCE, Settings


@dataclasses.dataclass(frozen=True)
class Training:
    """How a training went: the epoch that was kept, from 1, its MAP@R on the validation images, and the speed."""

    best_epoch: int
    validation_map_at_r: float
    train_seconds: float
    images_per_second: float

    @property
    def metrics(self):
        """Dict of it, for `metrics.json`."""
        values = dataclasses.asdict(self)
        return values | {"timing": {name: values.pop(name) for name in _SPEED}}


@dataclasses.dataclass(frozen=True)
class Run:
    """One loss with one seed, or the raw pixels: all that is saved, drawn, logged and compared of it.

    Args:
        settings: `Settings`.
        class_names: Names of the classes of all test images; those never seen are starred, and last.
        judged_names: Names of the classes whose images are told apart by their distances.
        failure: What went wrong, or None. A run that failed has nothing of the following.
        scores: Dict from each score of its protocol to its value, None for what the loss does not have.
        details: Dict of what else is measured, for `metrics.json` alone.
        maps: Dict from a t-SNE map, `test` or `train`, to its `MapFacts`; empty for two-dimensional embeddings, which
            need none.
        arrays: Mapping of the arrays of `embeddings.npz`:

            - `test_embeddings` `(n, d)`, `test_labels`, `test_predictions`, `test_errors` `(n,)`; of classes never seen
              `unknown_embeddings`, `unknown_labels`; `class_means` `(C, d)` of L2-normalised training images.
            - `same_pairs`, `different_pairs`: counts by distance; `roc_fars`, `roc_tars`.
            - Of the images shown `tsne_indices`, `tsne_test_labels`, `tsne_mistakes` `(m,)`; `tsne_train_indices`,
              `tsne_train_labels`. Of the maps of them `tsne_test` `(m, 2)`, `tsne_train`.
            - `strip_images` `(q, 1 + k, h, w, c)`, `strip_labels`: a test image a class and its nearest others.
            - `mistake_images` `(k, h, w, c)`, `mistakes` `(k,)`: the surest mistakes, by the numbers of the images.
            - `directions` `(C, k, d)`, `centers` `(C, d)` of the loss, as far as it has them.
            - Of the raw pixels no embeddings, but `queries`, `tsne_test_layout`, `tsne_train_layout`: see `Selection`.
        training: `Training`, or None of the raw pixels.
        stages: Dict from what was done after the training to its seconds.
        total_seconds: Of everything.
    """

    settings: Settings
    class_names: tuple
    judged_names: tuple
    failure: str | None = None
    scores: dict = dataclasses.field(default_factory=dict)
    details: dict = dataclasses.field(default_factory=dict)
    maps: dict = dataclasses.field(default_factory=dict)
    arrays: collections.abc.Mapping = dataclasses.field(default_factory=dict, compare=False)
    training: Training | None = None
    stages: dict = dataclasses.field(default_factory=dict)
    total_seconds: float | None = None

    @property
    def protocol(self):
        return PROTOCOLS[self.settings.protocol]

    @property
    def name(self):
        """What pictures call it."""
        return self.settings.title if self.settings.loss == PIXELS else self.settings.name

    @property
    def role(self):
        """`baseline` for the raw pixels, `reference` for softmax, else `loss`."""
        return {PIXELS: "baseline", REFERENCE: "reference"}.get(self.settings.loss, "loss")

    @property
    def unit(self):
        """Number of the seed or the split: what an interval is over."""
        return getattr(self.settings, self.protocol.unit)

    @property
    def known_names(self):
        """Names of the classes trained on."""
        seen = len(self.class_names) - len(self.judged_names)  # Unless those trained on are the ones judged.
        return self.class_names[: seen or None]

    @property
    def class_numbers(self):
        """Numbers in the data set of the classes of all test images, in the order of their names."""
        numbers, settings = range(len(self.class_names)), self.settings
        last = (settings.split or 0) + 1
        unseen = self.protocol.splits(settings.dataset, len(numbers), settings.unseen, last)[settings.split]
        return *np.setdiff1d(numbers, unseen).tolist(), *sorted(unseen)

    @property
    def classifier(self):
        """What the predictions are by, in words."""
        by_mean = self.scores.get(self.protocol.head) is None
        return "the nearest class mean" if by_mean else "the loss's own classifier"

    @property
    def outcome(self):
        """How it ended, in a line."""
        if self.failure:
            return f"FAILED, {self.failure}"
        line = self.protocol.line(self.scores)
        if not self.training:
            return line
        seconds = self.training.train_seconds
        return f"{line} ({seconds:.0f} s training, {self.total_seconds - seconds:.0f} s the rest)"

    @classmethod
    def failed(cls, settings, data, failure):
        """The run whose training on a `Dataset` ended in a `Failure`."""
        return cls(settings, data.shown_names, data.judged_names, failure=str(failure))

    def trained(self, training):
        """The same run, with its `Training`."""
        return dataclasses.replace(self, training=training)

    def timed(self, stages, total_seconds):
        """The same run, with its times."""
        return dataclasses.replace(self, stages=stages, total_seconds=total_seconds)

    def selection(self):
        """The `Selection` that the raw pixels have kept for all runs of their split."""
        return Selection.of_arrays(self.arrays)

    def to_metrics(self):
        """Dict of all but the arrays, for `metrics.json`."""
        metrics = {
            "dataset": self.settings.dataset,
            "protocol": self.settings.protocol,
            "split": self.settings.split,
            "quick": self.settings.quick,
            "class_names": list(self.class_names),
            "judged_names": list(self.judged_names),
            "loss": self.settings.loss,
            "status": "failed" if self.failure else "finished",
        }
        if self.settings.loss != PIXELS:
            metrics |= {"seed": self.settings.seed, "epochs": self.settings.epochs, "failure": self.failure}
        if self.failure:
            return metrics
        metrics |= self.training.metrics if self.training else {"timing": {}}
        metrics["timing"] |= {"stages": self.stages, "total_seconds": self.total_seconds}
        maps = {_MAPS[name]: dataclasses.asdict(facts) for name, facts in self.maps.items()}
        return metrics | {"test": self.scores} | self.details | maps

    @classmethod
    def from_metrics(cls, settings, metrics, arrays):
        """The run that was started with some `Settings` and left a `metrics.json` and arrays.

        Raises:
            KeyError, TypeError, ValueError: If the file does not say all that is drawn, logged and compared.
        """
        run = cls(settings, tuple(metrics["class_names"]), tuple(metrics["judged_names"]))
        optional, names = run.protocol.optional, run.protocol.scores
        if metrics["status"] == "failed":
            if not isinstance(metrics["failure"], str):
                raise ValueError(f"no failure: {metrics['failure']}")
            return dataclasses.replace(run, failure=metrics["failure"])
        scores, timing = dict.fromkeys(optional) | metrics["test"], {"stages": {}, "total_seconds": None}
        timing |= metrics["timing"]
        if not all(isinstance(scores[n], int | float) or (n in optional and scores[n] is None) for n in names):
            raise ValueError(f"no scores: {scores}")
        training = None
        if settings.loss != PIXELS:
            training = Training(*(metrics[name] for name in _TRAINED), *(timing[name] for name in _SPEED))
        fixed = {*dataclasses.replace(run, failure="none").to_metrics(), *_MAPS.values(), *_TRAINED, "timing", "test"}
        return dataclasses.replace(
            run,
            scores=scores,
            details={name: value for name, value in metrics.items() if name not in fixed},
            maps={
                name: MapFacts(**metrics[key])
                for name, key in _MAPS.items()
                if settings.embedding_dim > 2 or key in metrics  # An older version mapped two dimensions too.
            },
            arrays=arrays,
            training=training,
            stages=timing["stages"],
            total_seconds=timing["total_seconds"],
        )


# Names in `metrics.json`.
_MAPS = {"test": "tsne", "train": "tsne_train"}
_TRAINED = "best_epoch", "validation_map_at_r"
_SPEED = "train_seconds", "images_per_second"


class StoredArrays(collections.abc.Mapping):
    """The arrays of a file, each read when it is asked for: a study has more than fit into memory."""

    def __init__(self, path):
        self.path = path

    def __getitem__(self, name):
        with np.load(self.path) as file:
            return file[name]

    def __iter__(self):
        with np.load(self.path) as file:
            return iter(file.files)

    def __len__(self):
        return len(list(iter(self)))
