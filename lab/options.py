"""The command line: flags into checked settings. Whatever is wrong is said before any training."""

import argparse
import dataclasses
import importlib.util
import inspect
import pathlib
import shlex
import sys
import textwrap

from lab.batches import SAMPLERS
from lab.errors import InputError
from lab.files import make_folder
from lab.machine import choose_precision
from lab.protocols import PROTOCOLS
from lab.settings import Settings, as_given, parse_changes, parse_sweep
from lab.sources import SOURCES
from lab.startup import hidden_start_up_noise
from losses import LOSSES
from models import EMBEDDING_INITS, MODELS

EPOCHS = {"mnist": 6, "fashion_mnist": 8, "digits": 15}
QUICK_EPOCHS = 2
TRIALS = 12
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
DEFAULT_LOSSES = ("softmax", "center", "triplet", "triplet_center")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one message, without the list of all flags before it."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\nSee python main.py --help\n")


class _ListLosses(argparse.Action):
    def __call__(self, parser, *_):
        print(list_losses(), end="")
        parser.exit()


def _parser():
    """The flags."""
    parser = Parser(
        prog="main.py",
        description="Trains one network under several losses and shows what each does to the embedding.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--dataset", default="mnist", type=_one_of("dataset", SOURCES), metavar="NAME",
        help=f"{', '.join(SOURCES)} (mnist)")  # fmt: skip
    add("--losses", nargs="+", default=list(DEFAULT_LOSSES), type=_one_of("loss", (*LOSSES, "all")), metavar="NAME",
        help=f"all, or any of {', '.join(LOSSES)} ({' '.join(DEFAULT_LOSSES)})")  # fmt: skip
    add("--epochs", type=_at_least(int, 1), metavar="N",
        help=f"passes over the training images ({', '.join(f'{d} {e}' for d, e in EPOCHS.items())})")  # fmt: skip
    add("--seeds", type=_at_least(int, 1), default=1, metavar="N", help="train with seeds 0 to N - 1 (1)")
    add("--embedding-dim", type=_at_least(int, 2), default=64, metavar="D", help="length of an embedding (64)")
    add("--model", default="cnn", type=_one_of("model", MODELS), metavar="NAME", help=f"{', '.join(MODELS)} (cnn)")
    add("--embedding-init", default="glorot", type=_one_of("initialization", EMBEDDING_INITS), metavar="NAME",
        help="first weights of the embedding: glorot, normal (0, 1), uniform [0, 1) (glorot)")  # fmt: skip
    add("--sampler", default="balanced", type=_one_of("sampler", SAMPLERS), metavar="NAME",
        help="balanced: every class equally often in each batch (the default); shuffle: plain shuffling")  # fmt: skip
    add("--augment", action="store_true", help="shift training images by up to 2 pixels")
    add(
        "--learning-rate",
        type=_number(float, lambda value: value > 0, "a number above 0"),
        default=Settings.learning_rate,
        metavar="X",
        help=f"its peak ({Settings.learning_rate:g})",
    )
    add("--set", action="append", default=[], metavar="LOSS.ARG=VALUE", dest="set",
        help="change a loss's argument or weight, as in center.center_weight=0.1; may be repeated")  # fmt: skip
    add("--precision", default="auto", type=_one_of("precision", PRECISIONS), metavar="NAME",
        help=f"{', '.join(PRECISIONS)} (auto)")  # fmt: skip
    add("--perplexity", type=_at_least(float, 2), default=Settings.perplexity, metavar="X",
        help=f"neighbours that t-SNE balances ({Settings.perplexity:g})")  # fmt: skip
    add("--tsne-iterations", type=_at_least(int, 300), default=Settings.tsne_iterations, metavar="N",
        help=f"steps of t-SNE ({Settings.tsne_iterations})")  # fmt: skip
    add("--runs", type=_folder, default=pathlib.Path("runs"), metavar="DIR", help="where results go (runs)")
    add("--overwrite", action="store_true", help="train again what is already in the results")
    add("--list", action=_ListLosses, nargs=0, help="list the losses with their arguments and defaults, and end")
    add("--protocol", default="closed", type=_one_of("protocol", PROTOCOLS), metavar="NAME",
        help="closed: judge on the classes trained on (the default); open: train on six classes, judge on the four "
        "never seen, for five splits")  # fmt: skip
    add("--sweep", metavar="LOSS.ARG=VALUES",
        help="one loss with one value after another, as in center.center_weight=0,0.001,0.01,0.1,1")  # fmt: skip
    add("--tune", type=_one_of("loss", LOSSES), metavar="LOSS",
        help="try values for the numbers a loss takes, judge them by validation images and print the best")  # fmt: skip
    add("--trials", type=_at_least(int, 2), metavar="N", help=f"trials of --tune, the defaults first ({TRIALS})")
    add("--summarize", action="store_true", help="rebuild the tables and pictures of all results in --runs, and end")
    add(
        "--no-tensorboard",
        action="store_false",
        dest="tensorboard",
        help="write everything but TensorBoard's files; runs made so stay without them until --overwrite",
    )
    add("--quick", action="store_true", help="a first look within a minute; results are stamped QUICK")
    return parser


@dataclasses.dataclass(frozen=True)
class Options:
    """A checked command.

    Args:
        command: The command line, for the record.
        dataset, quick: Name of the data set, and whether a part of its images will do.
        unseen: Dict from each split, or None, to the numbers of the classes that it keeps from training.
        settings: List of the `Settings` of every run, loss by loss for each split and seed.
        precision_reason: Why the precision is what it is.
        runs, path: Folder of all results, and of those of the data set.
        overwrite: Whether to train again what is there.
        tune, trials: The loss to tune instead, or None, and with how many trials.
        summarize: Whether to rebuild the tables and pictures instead.
        tensorboard: Whether to write for TensorBoard.
    """

    command: str
    dataset: str
    quick: bool
    unseen: dict
    settings: list
    precision_reason: str
    runs: pathlib.Path
    path: pathlib.Path
    overwrite: bool
    tune: str | None
    trials: int
    summarize: bool
    tensorboard: bool


def parse_options(arguments=None):
    """Parses the command line; returns `Options`, or ends with a message."""
    parser = _parser()
    flags = parser.parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    try:
        _check_together(parser, flags)
        return _options(flags, shlex.join(["python", "main.py", *given]))
    except InputError as error:
        parser.error(str(error))


def _check_together(parser, flags):
    """Refuses flags that do not go together."""
    chosen = flags.losses != list(DEFAULT_LOSSES)
    if flags.sweep and (flags.tune or chosen):
        raise InputError("--sweep takes its one loss: give it no --losses and no --tune")
    if flags.summarize:
        _check_alone(parser, flags)
    if flags.trials and not flags.tune:
        raise InputError("--trials says how many --tune makes: give it with --tune LOSS")
    if flags.tune and not PROTOCOLS[flags.protocol].tunable:
        raise InputError("--tune judges by validation images of all classes: its values are for --protocol closed")
    if flags.tune and flags.set:
        raise InputError("--tune tries the values itself: give it no --set")
    if flags.tune and (flags.seeds > 1 or chosen):
        raise InputError("--tune takes its one loss and seed 0: give it no --losses and no --seeds")
    if flags.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise InputError("TensorBoard is not installed: pip install tensorboard, or do without it: --no-tensorboard")


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
    if not flags.summarize:
        make_folder(flags.runs)
    elif not flags.runs.is_dir():
        raise InputError(f"--summarize: there is no folder {flags.runs}. Give the folder of the results with --runs")
    kind = PROTOCOLS[flags.protocol].in_path + "-tuning" * bool(flags.tune) + "-quick" * flags.quick
    kind += f"-sweep-{flags.sweep.partition('=')[0]}" if flags.sweep else ""
    path = flags.runs / (flags.dataset + kind)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file, where the results are to go. Move it, or choose a folder with --runs")
    unused = sorted(overrides.keys() - set(losses))
    if unused:
        raise InputError(f"--set changes {', '.join(unused)}, but --losses has only {', '.join(losses)}")
    unseen = PROTOCOLS[flags.protocol].splits(flags.dataset, len(SOURCES[flags.dataset].class_names))
    unseen = dict(list(unseen.items())[:1]) if flags.quick else unseen
    with hidden_start_up_noise():  # The first look for a GPU.
        precision, reason = choose_precision(flags.precision)
    epochs = flags.epochs or (QUICK_EPOCHS if flags.quick else EPOCHS[flags.dataset])
    same = {f.name: getattr(flags, f.name) for f in dataclasses.fields(Settings) if hasattr(flags, f.name)}
    same |= {"precision": precision, "epochs": epochs}
    settings = [
        Settings(**same | {"split": split, "seed": seed, "loss": loss, "sweep": next(iter(change), None)}
                 | {"overrides": overrides.get(loss, {}) | change})
        for split in unseen
        for seed in range(flags.seeds)
        for loss in losses
        for change in swept
    ]  # fmt: skip
    given = {f.name: getattr(flags, f.name) for f in dataclasses.fields(Options) if hasattr(flags, f.name)}
    new = {"command": command, "unseen": unseen, "settings": settings, "precision_reason": reason, "path": path}
    return Options(**given | new | {"trials": flags.trials or TRIALS})


def list_losses():
    """Every loss: what it does in a line, its terms, its arguments with their defaults."""
    return "\n".join(f"{name}\n{_entry(recipe)}\n" for name, recipe in LOSSES.items())


def _entry(recipe):
    lines = [_summary(recipe)]
    if len(recipe.terms) > 1:
        weighted = (term if weight == 1 else f"{weight:g} x {term}" for term, (weight, _) in recipe.terms.items())
        lines.append(f"= {' + '.join(weighted)}")
    arguments = " ".join(f"{name}={as_given(default)}" for name, default in recipe.options().items())
    lines += textwrap.wrap(arguments, width=76, break_long_words=False)
    return textwrap.indent("\n".join(lines), "    ")


def _summary(recipe):
    """First line of the documentation of what makes this loss this loss: a softmax only goes with it."""
    terms = [term for term in recipe.terms if term != "softmax"] or ["softmax"]
    loss = recipe.terms[terms[0]][1]
    return inspect.getdoc(loss).splitlines()[0]


def _one_of(kind, valid):
    def parse(text):
        if text not in valid:
            raise argparse.ArgumentTypeError(f"unknown {kind} {text}. Valid: {', '.join(valid)}")
        return text

    return parse


def _number(kind, fits, what):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = float("nan")
        if not (fits(value) and value < float("inf")):
            raise argparse.ArgumentTypeError(f"must be {what}. Received: {text}")
        return value

    return parse


def _at_least(kind, minimum):
    what = "a whole number" if kind is int else "a number"
    return _number(kind, lambda value: value >= minimum, f"{what}, at least {minimum}")


def _folder(text):
    if not text:
        raise argparse.ArgumentTypeError("must name a folder. Received nothing")
    return pathlib.Path(text)


def _check_alone(parser, flags):
    """Refuses what `--summarize`, which reads all from the run folders, would not heed."""
    heeded = {"summarize", "runs", "tensorboard"}
    unheeded = {name for name, value in vars(flags).items() if value != parser.get_default(name)} - heeded
    if unheeded:
        named = sorted(f"--{name.replace('_', '-')}" for name in unheeded)
        raise InputError(f"--summarize rebuilds all that is in --runs: give it no {', '.join(named)}")
