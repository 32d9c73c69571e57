"""What the flags of a command have to be together. As `lab.flags`, it imports nothing that takes long."""

import ast
import importlib.util
import math
import pathlib

from lab.errors import InputError, unknown

LONGEST_ARGUMENT = 4096  # Characters: no path is longer.
MOST_RUNS = 100_000
WITH_EMBED = "gallery", "neighbors", "npz", "to"  # Flags.


def check_arguments(arguments):
    """Refuses a text that is no path and no name."""
    for text in arguments:
        if len(text) > LONGEST_ARGUMENT:
            raise InputError(f"{text[:20]}… has {len(text):,} characters. Give at most {LONGEST_ARGUMENT:,}")
        if "\0" in text:
            raise InputError(f"{text!r} has a NUL, which no path and no name has")
        shown = text.encode(errors="backslashreplace").decode()
        if shown != text:  # The records of a run could not name it.
            raise InputError(f"{shown} is not in UTF-8. Rename it, or give a link to it that has another name")


def check_flags(parser, flags):
    """Refuses names that no loss has, flags that do not go together, and more runs than can be made."""
    names = loss_names()
    _check_losses(flags, names)
    _check_together(parser, flags)
    _check_number(flags, names)


def loss_names():
    """Names of the losses as the text of their registry has them: importing it takes seconds."""
    text = pathlib.Path(__file__).parents[1].joinpath("losses", "__init__.py").read_text(encoding="utf-8")
    assigned = {node.targets[0].id: node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)}
    return tuple(key.value for key in assigned["LOSSES"].keys)


def _check_losses(flags, names):
    given = " ".join(flags.losses)
    if "," in given:
        parted = given.replace(",", " ").split()
        raise InputError(f"--losses {given}: names are separated by spaces: {' '.join(parted)}")
    for name in flags.losses:
        if name not in (*names, "all"):
            raise InputError(f"--losses: {unknown('loss', name, (*names, 'all'))}")
    if flags.tune and flags.tune not in names:
        raise InputError(f"--tune: {unknown('loss', flags.tune, names)}")


def _check_together(parser, flags):
    if flags.protocol == "closed" and (flags.unseen or flags.splits):
        raise InputError("--unseen and --splits say which classes are held out: give them with --protocol open")
    if flags.sampler != "balanced" and (flags.classes_per_batch or flags.per_class):
        raise InputError(f"--sampler {flags.sampler}: --classes-per-batch and --per-class are of the balanced one")
    if "none" in (flags.augment or ()) and {*flags.augment} != {"none"}:
        raise InputError(f"--augment {' '.join(flags.augment)}: none goes with no other name. Leave out it or them")
    if flags.recipe == "fast" and flags.quick:
        raise InputError("--recipe fast is fewer epochs, and --quick fewer still: leave out one")
    chosen = flags.losses != parser.get_default("losses")
    if flags.sweep and (flags.tune or chosen):
        raise InputError("--sweep takes its one loss: give it no --losses and no --tune")
    if flags.summarize:
        _check_alone(parser, flags, "--summarize rebuilds all that is in --runs", {"summarize", "runs", "tensorboard"})
    if flags.embed:
        _check_alone(parser, flags, "--embed uses a run as it is", {"embed", *WITH_EMBED, "runs", "tensorboard"})
        if len(flags.embed) < 2:
            raise InputError(f"--embed takes the folder of a run, then images. Received: {flags.embed[0]} alone")
    elif alone := [f"--{name}" for name in WITH_EMBED if getattr(flags, name)]:
        raise InputError(f"{', '.join(alone)}: only together with --embed RUN IMAGE")
    if flags.trials and not flags.tune:
        raise InputError("--trials says how many --tune makes: give it with --tune LOSS")
    if flags.tune and flags.protocol == "open":
        raise InputError("--tune judges by validation images of all classes: its values are for --protocol closed")
    if flags.tune and flags.set:
        raise InputError("--tune tries the values itself: give it no --set")
    if flags.tune and (flags.seeds > 1 or chosen):
        raise InputError("--tune takes its one loss and seed 0: give it no --losses and no --seeds")
    if flags.cluster and (flags.tune or flags.devices != 1):
        raise InputError(
            "--cluster shares out the runs of a study, each to one device: give it no --tune, no --devices"
        )
    if flags.cluster and importlib.util.find_spec("distributed") is None:
        raise InputError("--cluster needs Dask: pip install -r requirements-cluster.txt")
    if flags.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise InputError("TensorBoard is not installed: pip install tensorboard, or do without it: --no-tensorboard")


def _check_number(flags, names):
    counts = {
        "losses": 1 if flags.sweep else len(names) if "all" in flags.losses else len({*flags.losses}),
        "values": flags.sweep.count(",") + 1 if flags.sweep else 1,
        "seeds": flags.seeds,
        "splits": flags.splits or 1,
    }
    if (runs := math.prod(counts.values())) > MOST_RUNS:
        product = " x ".join(f"{count:,} {what}" for what, count in counts.items() if count > 1)
        raise InputError(f"{product} are {runs:,} runs. Ask for at most {MOST_RUNS:,}")


def _check_alone(parser, flags, job, heeded):
    """Refuses what a job, which has its settings from the run folders, would not heed."""
    unheeded = {name for name, value in vars(flags).items() if value != parser.get_default(name)} - heeded
    if unheeded:
        named = sorted(f"--{name.replace('_', '-')}" for name in unheeded)
        raise InputError(f"{job}: give it no {', '.join(named)}")
