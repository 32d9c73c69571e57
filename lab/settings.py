"""Everything a run's result depends on."""

import dataclasses
import pathlib

PIXELS = "raw_pixels"  # In place of a loss: the images themselves, the baseline of every embedding.
REFERENCE = "softmax"  # The loss that the others are compared with.
# What the raw pixels depend on.
_OF_PIXELS = (
    *("dataset", "content", "image_size", "protocol", "unseen", "split"),
    *("perplexity", "tsne_iterations", "quick"),
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything a run's result depends on, as plain values.

    `content` is the hash of the images of a data set that has no name of its own, `image_size` what those of one with a
    name are scaled to, `weights_content` the hash of a file of weights, `unseen` the share of the classes that a split
    holds out where none is committed, `sweep` the override that differs between runs, `both_sides` whether the
    embedding of an image is the mean of its own and its mirror image's, `label_smoothing` that of a loss which has it
    and is given none. A new field needs the default that makes it what all runs before it did.
    """

    dataset: str
    loss: str
    seed: int | None
    epochs: int
    protocol: str = "closed"
    split: int | None = None
    embedding_dim: int = 64
    model: str = "cnn"
    embedding_init: str = "glorot"
    sampler: str = "balanced"
    augment: tuple = ()
    learning_rate: float = 0.004
    overrides: dict = dataclasses.field(default_factory=dict)
    sweep: str | None = None
    precision: str = "float32"
    perplexity: float = 30.0
    tsne_iterations: int = 1000
    quick: bool = False
    content: str | None = None
    image_size: str | None = None
    unseen: float | None = None
    weights: str | None = None
    weights_content: str | None = None
    freeze: bool = False
    classes_per_batch: int | None = None
    per_class: int | None = None
    backend: str = "tensorflow"
    optimizer: str = "adamw"
    both_sides: bool = False
    label_smoothing: float = 0.0

    @classmethod
    def from_dict(cls, values):
        """Settings as a run has kept them; what an older version did not know is what it did.

        Raises:
            ValueError: If these are no settings of a run.
        """
        try:
            if {*values} <= {*_OF_PIXELS}:
                values = {"loss": PIXELS, "seed": None, "epochs": 0} | values
            settings = cls(**values)
        except TypeError as error:  # No dict; or fields that are missing, or of a later version.
            raise ValueError(str(error)) from error
        kinds = isinstance(settings.loss, str) and isinstance(settings.overrides, dict)
        kinds = kinds and isinstance(settings.augment, bool | list | tuple)
        if not kinds or settings.sweep not in (None, *settings.overrides):
            of_sweep = f"overrides {settings.overrides} of a sweep of {settings.sweep}"
            raise ValueError(f"{settings.loss} with augment {settings.augment} and {of_sweep}")
        overrides = {name: tuple(v) if isinstance(v, list) else v for name, v in settings.overrides.items()}
        augment = ("shift",) * settings.augment if isinstance(settings.augment, bool) else tuple(settings.augment)
        return dataclasses.replace(settings, overrides=overrides, augment=augment)

    def to_dict(self):
        """Dict of plain values to keep; of the raw pixels those alone that they depend on."""
        values = dataclasses.asdict(self) | {"augment": list(self.augment)}  # As JSON gives it back.
        return {name: values[name] for name in _OF_PIXELS} if self.loss == PIXELS else values

    def of_pixels(self):
        """The settings of the raw pixels that a run is compared with."""
        return self.from_dict({name: getattr(self, name) for name in _OF_PIXELS})

    @property
    def name(self):
        """The loss, with what differs from its defaults."""
        return f"{self.loss} ({self.changes})" if self.overrides else self.loss

    @property
    def changes(self):
        """What differs from the loss's defaults, as text."""
        return as_changes(self.overrides)

    @property
    def unit(self):
        """What distinguishes the runs of one loss, in words."""
        return f"seed {self.seed}" if self.split is None else f"split {self.split}, seed {self.seed}"

    @property
    def title(self):
        """What distinguishes the run from all others, in words."""
        return PIXELS.replace("_", " ") if self.loss == PIXELS else f"{self.name} {self.unit}"

    @property
    def key(self):
        """Name of the folder that a run shares with those it is averaged with."""
        return self.loss if self.sweep is None else f"{self.sweep}={as_given(self.overrides[self.sweep])}"

    @property
    def folder(self):
        """Where a run lies in the folder of its data set."""
        split = None if self.split is None else f"split-{self.split}"
        seed = None if self.seed is None else f"seed-{self.seed}"
        unit = "-".join(part for part in (split, seed) if part)
        return pathlib.Path(self.key, unit)

    @property
    def training(self):
        """How the network is trained, in words."""
        passes = f"{self.epochs} epoch{'s' * (self.epochs > 1)}, {self.optimizer} at a rate of {self.learning_rate:g}"
        start = f"; from the weights {pathlib.PurePath(self.weights).name}" if self.weights else ""
        start += ", which stay as they are" if self.freeze else ""
        drawn = "; batches drawn by plain shuffling" if self.sampler == "shuffle" else ""
        changed = f"; of each image, at random: {', '.join(self.augment)}" if self.augment else ""
        smoothed = (
            f"; labels of softmax and l2_softmax terms smoothed by {self.label_smoothing:g} unless --set otherwise"
            if self.label_smoothing
            else ""
        )
        return f"{passes}{start}{drawn}{changed}{smoothed}{'; embedded from both sides' if self.both_sides else ''}"

    def differences(self, other, ignored=()):
        """What differs: dict from a field, in the order of their names, to the two values."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        if None in (self.weights_content, other.weights_content):  # An older version did not keep it.
            mine["weights_content"] = theirs["weights_content"]
        return {
            name: (mine[name], theirs[name])
            for name in sorted(mine)
            if name not in ignored and mine[name] != theirs[name]
        }


def as_given(value):
    """A value the way `--set` takes it."""
    if isinstance(value, tuple | list):
        return ",".join(map(as_given, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def as_changes(overrides):
    """What differs from a loss's defaults, as text."""
    return ", ".join(f"{name}={as_given(value)}" for name, value in overrides.items())
