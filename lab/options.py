"""The flags of a command, as checked settings. Whatever is wrong is said before any training."""

import dataclasses
import inspect
import pathlib
import shlex
import sys
import textwrap

import keras

import models
from lab.backends import BACKENDS
from lab.changes import parse_changes, parse_sweep
from lab.devices import share_among
from lab.errors import InputError, unknown
from lab.files import make_folder
from lab.flags import AUGMENTATIONS, SPLITS, TRIALS, make_parser
from lab.hosts import company
from lab.machine import choose_precision
from lab.networks import weights_content
from lab.protocols import PROTOCOLS
from lab.recipes import by_recipe
from lab.settings import Settings, as_given
from lab.sources import SOURCES, name_of
from lab.startup import hidden_start_up_noise
from losses import LOSSES


@dataclasses.dataclass(frozen=True)
class Options:
    """A checked command.

    Args:
        command: The command line, for the record.
        dataset, image_size, quick: Name or path of the data set, `(height, width)` that its images are scaled to or
            None, and whether a part of them will do.
        recipe: What decides where the command does not: see `by_recipe`.
        same: Dict of the `Settings` that all runs share, as far as the command says them.
        runs_each: List of dicts of the `Settings` in which the runs of a split differ.
        splits: How many splits of the classes there are, where a protocol holds classes out.
        precision_reason: Why the precision is what it is.
        runs, path: Folder of all results, and of those of the data set.
        overwrite: Whether to train again what is there.
        tune, trials: The loss to tune instead, or None, and with how many trials.
        summarize: Whether to rebuild the tables and pictures instead.
        embed: Folder of a run, and the images, or folders of them, to use it on instead; or None.
        gallery: Folder of images that take the place of the classes of the training, or None.
        neighbors: How many of the most similar images are drawn, or None.
        npz: Whether the embeddings are kept.
        to: Where what is said of the images goes.
        tensorboard: Whether to write for TensorBoard.
        cluster: The address of the scheduler whose workers do the runs, `"local"` for some of this machine, or None.
    """

    command: str
    dataset: str | pathlib.Path
    image_size: tuple | None
    quick: bool
    recipe: str
    same: dict
    runs_each: list
    splits: int
    precision_reason: str
    runs: pathlib.Path
    path: pathlib.Path
    overwrite: bool
    tune: str | None
    trials: int
    summarize: bool
    embed: list | None
    gallery: pathlib.Path | None
    neighbors: int | None
    npz: bool
    to: pathlib.Path
    tensorboard: bool
    cluster: str | None

    def held_out(self, data):
        """Dict from each split of a `Dataset`, or None, to the numbers of the classes that it keeps from training."""
        return self._protocol(data).splits(data.name, data.num_classes, self.same["unseen"], self.splits)

    def settings(self, data):
        """List of the `Settings` of every run on a `Dataset`, loss by loss for each split and seed."""
        fewest = min(map(len, data.parts.values()))
        by_data = by_recipe(self.recipe, data, self.quick, self.same) | {
            "dataset": data.name,
            "content": data.content,
            "protocol": self._protocol(data).name,
            "perplexity": min(Settings.perplexity, max(2.0, fewest // 3)),
        }
        given = {name: value for name, value in self.same.items() if value is not None and name != "protocol"}
        values = by_data | given
        values["both_sides"] = "flip" in values["augment"]
        return [
            Settings(**values | {"split": split} | each) for split in self.held_out(data) for each in self.runs_each
        ]

    def _protocol(self, data):
        """The protocol that was asked for, unless the data set judges classes of its own that it does not train on."""
        asked = self.same["protocol"]
        if data.unseen and asked == "open":
            raise InputError(
                f"--protocol open holds out classes to judge, but the test images of {data.name} are of other classes "
                "than its training images already: run it without --protocol open"
            )
        return PROTOCOLS["unseen" if data.unseen else asked]


def parse_options(arguments=None):
    """Parses the command line; returns `Options`, or ends with the list of the losses or a message."""
    parser = make_parser()
    flags = parser.parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    if flags.list:
        parser.answer(list_losses())
    try:
        if keras.backend.backend() not in BACKENDS:  # As Keras' own file may name one.
            raise InputError(f"KERAS_BACKEND: {unknown('backend', keras.backend.backend(), BACKENDS)}")
        _check_network(flags)
        return _options(flags, shlex.join(["python", "main.py", *given]))
    except (InputError, OSError) as error:  # Of a path that is too long, say.
        parser.error(str(error))


def _check_network(flags):
    """Refuses a network that is not known, or that cannot start as asked."""
    backbones = models.backbones()
    if flags.model is not None and flags.model not in (*models.MODELS, *backbones):
        raise InputError(f"--model: {unknown('model', flags.model, (*models.MODELS, *backbones))}")
    if flags.weights and flags.model not in backbones:
        raise InputError("--weights are for a --model of keras.applications, as --model EfficientNetV2B0")
    if flags.freeze and not flags.weights:
        raise InputError("--freeze leaves weights as they are: give them with --weights")


def _options(flags, command):
    """The `Options` of some flags."""
    overrides, swept = parse_changes(flags.set), [{}]
    losses = (
        [flags.tune] if flags.tune else list(LOSSES) if "all" in flags.losses else list(dict.fromkeys(flags.losses))
    )
    if flags.sweep:
        loss, swept = parse_sweep(flags.sweep)
        losses = [loss]
        if overrides.get(loss, {}).keys() & swept[0].keys():
            raise InputError(f"--sweep {flags.sweep}: what it tries cannot be --set too")
    if flags.summarize and not flags.runs.is_dir():
        raise InputError(f"--summarize: there is no folder {flags.runs}. Give the folder of the results with --runs")
    path = _path(flags)
    unused = sorted(overrides.keys() - set(losses))
    if unused:
        given = "--sweep" if flags.sweep else "--losses"
        raise InputError(f"--set changes {', '.join(unused)}, but {given} has only {', '.join(losses)}")
    if not (flags.summarize or flags.embed):
        share_among(flags.devices)
        if company().number == 0:
            make_folder(flags.runs)
    with hidden_start_up_noise("Looking for a GPU ..."):
        precision, reason = choose_precision(flags.precision)
    same = {f.name: getattr(flags, f.name) for f in dataclasses.fields(Settings) if hasattr(flags, f.name)}
    # That of a path shows in its content.
    size = "x".join(map(str, flags.image_size)) if flags.image_size and flags.dataset in SOURCES else None
    same |= {"precision": precision, "image_size": size, "backend": keras.backend.backend()}
    same["weights_content"] = weights_content(flags.weights)
    if flags.augment is not None:
        same["augment"] = tuple(name for name in AUGMENTATIONS if name in (flags.augment or ["shift"]))
    del same["dataset"], same["sweep"]
    runs_each = [
        {"seed": seed, "loss": loss, "sweep": next(iter(change), None)}
        | {"overrides": overrides.get(loss, {}) | change}
        for seed in range(flags.seeds)
        for loss in losses
        for change in swept
    ]
    given = {f.name: getattr(flags, f.name) for f in dataclasses.fields(Options) if hasattr(flags, f.name)}
    new = {"command": command, "same": same, "runs_each": runs_each, "precision_reason": reason, "path": path}
    splits = flags.splits or (1 if flags.quick else SPLITS)
    return Options(
        **given | new | {"splits": splits, "trials": flags.trials or TRIALS, "to": flags.to or flags.runs / "embedded"}
    )


def _path(flags):
    """Folder of the results of a data set; what cannot be compared with each other goes into folders of its own."""
    name = flags.dataset if flags.dataset in SOURCES else name_of(flags.dataset)
    kind = "" if flags.recipe == "default" else f"-{flags.recipe}"
    kind += PROTOCOLS[flags.protocol].in_path + "-tuning" * bool(flags.tune) + "-quick" * flags.quick
    kind += f"-sweep-{flags.sweep.partition('=')[0]}" if flags.sweep else ""
    path = flags.runs / (name + kind)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file, where the results are to go. Move it, or choose a folder with --runs")
    return path


def list_losses():
    """Every loss: what it does in a line, its terms, its arguments with their defaults."""
    return "\n".join(f"{name}\n{_entry(recipe)}\n" for name, recipe in LOSSES.items())


def _entry(recipe):
    lines = _summary(recipe)
    if len(recipe.terms) > 1:
        weighted = (term if weight == 1 else f"{weight:g} x {term}" for term, (weight, _) in recipe.terms.items())
        lines.append(f"= {' + '.join(weighted)}")
    arguments = " ".join(f"{name}={as_given(default)}" for name, default in recipe.options().items())
    lines += textwrap.wrap(arguments, width=76, break_long_words=False)
    return textwrap.indent("\n".join(lines), "    ")


def _summary(recipe):
    """First line of the documentation, if Python keeps any, of what makes this loss this loss.

    A softmax only goes with it.
    """
    terms = [term for term in recipe.terms if term != "softmax"] or ["softmax"]
    loss = recipe.terms[terms[0]][1]
    return (inspect.getdoc(loss) or "").splitlines()[:1]
