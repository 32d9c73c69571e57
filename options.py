"""The command line: flags into checked settings. Whatever is wrong is said before any training."""

import argparse
import importlib.util
import inspect
import pathlib
import tempfile
import textwrap

from data import DATASETS, SAMPLERS
from held_out import SPLITS
from losses import LOSSES
from models import EMBEDDING_INITS, MODELS
from scores import SCORES
from startup import hidden_start_up_noise
from training import Settings, choose_precision

EPOCHS = {"mnist": 6, "fashion_mnist": 8, "digits": 15}
QUICK_EPOCHS = 2
TRIALS = 12
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
DEFAULT_LOSSES = ("softmax", "center", "triplet", "triplet_center")


DESCRIPTION = "Trains one network under several losses and shows what each does to the embedding."


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
    parser = Parser(prog="main.py", description=DESCRIPTION, allow_abbrev=False)
    add = parser.add_argument
    add("--dataset", default="mnist", type=_one_of("dataset", DATASETS), metavar="NAME",
        help=f"{', '.join(DATASETS)} (mnist)")  # fmt: skip
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
        type=_above_zero,
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
    add("--protocol", default="closed", type=_one_of("protocol", SCORES), metavar="NAME",
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


def parse_options(arguments=None):
    """Parses the command line.

    Returns:
        Namespace with the flags; `overrides`: dict from a loss to its changed arguments; `splits`: numbers of the
        splits, or `[None]` where no class is held out; `path`: folder of the data set's results.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if "all" in options.losses:
        options.losses = list(LOSSES)
    options.losses = list(dict.fromkeys(options.losses))
    if options.sweep and (options.tune or options.losses != list(DEFAULT_LOSSES)):
        parser.error("--sweep takes its one loss: give it no --losses and no --tune")
    if options.summarize:
        _check_alone(parser, options)
    if options.trials and not options.tune:
        parser.error("--trials says how many --tune makes: give it with --tune LOSS")
    options.trials = options.trials or TRIALS
    if options.tune:
        if options.protocol == "open":
            parser.error("--tune judges by validation images of all classes: its values are for --protocol closed")
        if options.set:
            parser.error("--tune tries the values itself: give it no --set")
        if options.seeds > 1 or options.losses != list(DEFAULT_LOSSES):
            parser.error("--tune takes its one loss and seed 0: give it no --losses and no --seeds")
        options.losses = [options.tune]
    if options.tensorboard and importlib.util.find_spec("tensorboard") is None:
        parser.error("TensorBoard is not installed: pip install tensorboard, or do without it: --no-tensorboard")
    if options.epochs is None:
        options.epochs = QUICK_EPOCHS if options.quick else EPOCHS[options.dataset]
    try:
        options.overrides = parse_changes(options.set)
        options.swept = [{}]
        if options.sweep:
            loss, options.swept = parse_sweep(options.sweep)
            options.losses = [loss]
            if options.overrides.get(loss, {}).keys() & options.swept[0].keys():
                raise ValueError(f"--sweep {options.sweep}: what it tries cannot be --set too")
        if options.summarize:
            _check_there(options.runs)
        else:
            _check_writable(options.runs)
    except ValueError as error:
        parser.error(str(error))
    options.splits = [None] if options.protocol == "closed" else list(range(1 if options.quick else SPLITS))
    kind = "-open" * (options.protocol == "open") + "-tuning" * bool(options.tune) + "-quick" * options.quick
    kind += f"-sweep-{options.sweep.partition('=')[0]}" if options.sweep else ""
    options.path = options.runs / (options.dataset + kind)
    if options.path.exists() and not options.path.is_dir():
        parser.error(f"{options.path} is a file, where the results are to go. Move it, or choose a folder with --runs")
    unused = sorted(options.overrides.keys() - set(options.losses))
    if unused:
        parser.error(f"--set changes {', '.join(unused)}, but --losses has only {', '.join(options.losses)}")
    return options


def parse_changes(changes, flag="--set"):
    """Turns `["center.center_weight=0.1"]`, given with a flag, into `{"center": {"center_weight": 0.1}}`.

    Raises:
        ValueError: If a change is malformed, or names no loss or argument, or the value is of the wrong type.
    """
    overrides = {}
    for change in changes:
        name, equals, value = change.partition("=")
        loss, dot, argument = name.partition(".")
        if not (equals and dot):
            raise ValueError(f"{flag} takes LOSS.ARG=VALUE, as in center.center_weight=0.1. Received: {change}")
        if loss not in LOSSES:
            raise ValueError(f"{flag} {change}: unknown loss {loss}. Valid: {', '.join(LOSSES)}")
        defaults = LOSSES[loss].options()
        if argument not in defaults:
            valid = ", ".join(f"{name}={as_given(default)}" for name, default in defaults.items())
            raise ValueError(f"{flag} {change}: {loss} has no {argument}. Valid, with defaults: {valid}")
        if argument in overrides.get(loss, {}):
            raise ValueError(f"{flag} {change}: {loss}.{argument} has a value already. Give it once")
        overrides.setdefault(loss, {})[argument] = _like(defaults[argument], value, f"{flag} {change}")
    return overrides


def parse_sweep(text):
    """Turns `"center.center_weight=0.01,0.1"` into `"center"` and a list of dicts of one override each.

    Raises:
        ValueError: As `parse_changes`, or if there are fewer than two values, or one twice.
    """
    name, equals, values = text.partition("=")
    loss, _, argument = name.partition(".")
    if loss in LOSSES and isinstance(LOSSES[loss].options().get(argument), tuple):
        raise ValueError(f"--sweep {text}: {argument} is several numbers, of which no sweep can be made")
    if not equals:
        raise ValueError(f"--sweep takes LOSS.ARG=VALUES, as in center.center_weight=0.01,0.1. Received: {text}")
    changes = [parse_changes([f"{name}={value}"], "--sweep") for value in values.split(",")]
    swept = [overrides for change in changes for overrides in change.values()]
    if len({as_changes(overrides) for overrides in swept}) < max(2, len(swept)):
        raise ValueError(f"--sweep {text}: takes two values or more, with commas between, each once")
    return loss, swept


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


def as_given(default):
    """A default the way `--set` takes it."""
    if isinstance(default, tuple | list):
        return ",".join(map(as_given, default))
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:.12g}" if isinstance(default, float) else str(default)


def as_changes(overrides):
    """What differs from a loss's defaults, as text."""
    return ", ".join(f"{name}={as_given(value)}" for name, value in overrides.items())


def loss_name(loss, overrides):
    """A loss, with what differs from its defaults."""
    return f"{loss} ({as_changes(overrides)})" if overrides else loss


def make_settings(options):
    """The `Settings` of every run of a command, loss by loss for each split and seed."""
    with hidden_start_up_noise():  # The first look for a GPU.
        precision, reason = choose_precision(options.precision)
    settings = [
        Settings(
            dataset=options.dataset,
            loss=loss,
            seed=seed,
            epochs=options.epochs,
            protocol=options.protocol,
            split=split,
            embedding_dim=options.embedding_dim,
            model=options.model,
            embedding_init=options.embedding_init,
            sampler=options.sampler,
            augment=options.augment,
            learning_rate=options.learning_rate,
            overrides=options.overrides.get(loss, {}) | swept,
            sweep=next(iter(swept), None),
            precision=precision,
            perplexity=options.perplexity,
            tsne_iterations=options.tsne_iterations,
            quick=options.quick,
        )
        for split in options.splits
        for seed in range(options.seeds)
        for loss in options.losses
        for swept in options.swept
    ]
    return settings, reason


def _one_of(kind, valid):
    def parse(text):
        if text not in valid:
            raise argparse.ArgumentTypeError(f"unknown {kind} {text}. Valid: {', '.join(valid)}")
        return text

    return parse


def _at_least(kind, minimum):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not minimum <= value < float("inf"):
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {what}, at least {minimum}. Received: {text}")
        return value

    return parse


def _above_zero(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0. Received: {text}")
    return value


def _folder(text):
    if not text:
        raise argparse.ArgumentTypeError("must name a folder. Received nothing")
    return pathlib.Path(text)


def _like(default, text, change):
    """Parses text as a value of the default's type; `change` is the flag that has it."""
    kind = type(default)
    if kind is tuple:
        parts = text.split(",")
        if len(parts) != len(default):
            numbers = ",".join(f"{part:g}" for part in default)
            raise ValueError(f"{change}: takes {len(default)} numbers with commas between, as in {numbers}")
        return [_like(part, given, change) for part, given in zip(default, parts, strict=True)]
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{change}: takes true or false")
        return text.lower() == "true"
    if kind is str:
        return text
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"{change}: takes {what}, as the default {default} is") from None


def _check_alone(parser, options):
    """Refuses what `--summarize`, which reads all from the run folders, would not heed."""
    heeded = {"summarize", "runs", "tensorboard"}
    unheeded = {name for name, value in vars(options).items() if value != parser.get_default(name)} - heeded
    if unheeded:
        flags = sorted(f"--{name.replace('_', '-')}" for name in unheeded)
        parser.error(f"--summarize rebuilds all that is in --runs: give it no {', '.join(flags)}")


def _check_there(folder):
    if not folder.is_dir():
        raise ValueError(f"--summarize: there is no folder {folder}. Give the folder of the results with --runs")


def _check_writable(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"cannot write to --runs {folder} ({error.strerror}). Choose a folder of yours") from None
