"""The command line's form: the flags, in groups. It imports nothing that takes long, so `--help` is there at once."""

import argparse
import importlib.metadata
import os
import pathlib
import platform
import re
import sys

from lab import VERSION
from lab.errors import InputError, did_you_mean, nearest, unknown
from lab.flag_checks import check_arguments, check_flags
from lab.recipes import EPOCHS, LEARNING_RATES, PASSES
from lab.settings import Settings

# The names of the registries, which need TensorFlow or NumPy.
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}  # With what they call themselves.
PROTOCOLS = ("closed", "open")
MODELS = ("cnn", "lenet++", "resnet", "vgg")
EMBEDDING_INITS = ("glorot", "normal", "uniform")
SAMPLERS = ("balanced", "shuffle")
AUGMENTATIONS = ("shift", "rotate", "flip", "erase")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
DEFAULT_LOSSES = ("softmax", "center", "triplet", "triplet_center")
SPLITS = 5
TRIALS = 12
MOST_NEIGHBORS = 12  # Side by side on a page.
MOST_DEVICES = 1024


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one message, without the list of all flags before it."""

    def parse_args(self, args=None, namespace=None):
        try:
            check_arguments(sys.argv[1:] if args is None else args)
            flags = self._parsed(args, namespace)
            if not flags.list:
                check_flags(self, flags)
        except InputError as error:
            self.error(str(error))
        return flags

    def _parsed(self, args, namespace):
        flags, left = self.parse_known_args(args, namespace)
        if left:
            given = next((text for text in left if text.startswith("-")), left[0]).partition("=")[0]
            hint = did_you_mean(nearest(given, self._option_string_actions))
            self.error(f"unknown flag {given}.{hint}" if given.startswith("-") else f"{given} belongs to no flag")
        if _backend() not in BACKENDS:
            self.error(f"KERAS_BACKEND: {unknown('backend', _backend(), BACKENDS)}")
        return flags

    def answer(self, text):
        """Prints what was asked for, whether anybody reads it or not, and ends the process."""
        self._print_message(text, sys.stdout)
        self.exit()

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\nSee python main.py --help\n")


class _ShowVersions(argparse.Action):
    def __call__(self, parser, *_):
        names = {"Keras": "keras", BACKENDS.get(_backend(), _backend()): _backend()}
        packages = ", ".join(f"{title} {_version(name)}" for title, name in names.items())
        parser.answer(f"{parser.prog} {VERSION} (Python {platform.python_version()}, {packages})\n")


def make_parser():
    """The parser of the command line. It answers `--help`, `--version` and wrong flags by ending the process."""
    parser = Parser(
        prog="main.py",
        usage="python main.py [FLAGS]",
        description="Trains one network under several losses and shows what each does to the embedding.",
        allow_abbrev=False,
        add_help=False,
    )
    _add_what(parser.add_argument_group("what to train").add_argument)
    _add_how(parser.add_argument_group("how").add_argument)
    _add_shown(parser.add_argument_group("what is shown").add_argument)
    _add_results(parser.add_argument_group("results").add_argument)
    _add_use(parser.add_argument_group("use a trained run").add_argument)
    _add_other_jobs(parser.add_argument_group("other jobs").add_argument)
    return parser


def _add_what(add):
    add("--dataset", default="mnist", type=_dataset, metavar="NAME",
        help=f"{', '.join(EPOCHS)} (mnist); or a path: a folder with a folder of images for each class, a .csv, a "
        ".npz, a folder of IDX files")  # fmt: skip
    add(
        "--image-size",
        type=_size,
        metavar="SIZE",
        help="scale the images to this, as in 64 or 128x64, height first (64, if those of a path differ)",
    )
    add("--losses", nargs="+", default=list(DEFAULT_LOSSES), metavar="NAME",
        help=f"all, or any of those that --list names ({' '.join(DEFAULT_LOSSES)})")  # fmt: skip
    add("--set", action="append", default=[], metavar="LOSS.ARG=VALUE",
        help="change a loss's argument or weight, as in center.center_weight=0.1; may be repeated")  # fmt: skip
    add("--sweep", type=_text, metavar="LOSS.ARG=VALUES",
        help="one loss with one value after another, as in center.center_weight=0,0.001,0.01,0.1,1")  # fmt: skip
    add(
        "--seeds",
        type=_between(int, 1, 1000, "{:,} runs of each loss".format),
        default=1,
        metavar="N",
        help="train with seeds 0 to N - 1 (1)",
    )
    add(
        "--protocol",
        default="closed",
        type=_one_of("protocol", PROTOCOLS),
        metavar="NAME",
        help="closed: judge on the classes trained on (the default); open: train on some, judge on those never seen",
    )
    add("--splits", type=_between(int, 1, 100), metavar="N", help=f"of --protocol open ({SPLITS}; with --quick 1)")
    add("--unseen", type=_between(float, 0.01, 0.99), metavar="SHARE",
        help="of the classes, that --protocol open never trains on (of mnist, fashion_mnist and digits four of ten; of "
        "others a third)")  # fmt: skip
    add("--quick", action="store_true", help="a first look in about a minute; results are stamped QUICK")


def _add_how(add):
    add("--recipe", default="default", type=_one_of("recipe", PASSES), metavar="NAME",
        help="fast: a third of the epochs; best: seven times, augmented images, smoothed labels, for images of up to "
        "28 pixels a larger network (default)")  # fmt: skip
    add(
        "--epochs",
        type=_between(int, 1, 10_000),
        metavar="N",
        help=f"passes over the training images ({', '.join(f'{d} {e}' for d, e in EPOCHS.items())}; a path 5 to 100; "
        "in two dimensions twice as many)",
    )
    add("--embedding-dim", type=_between(int, 2, 65_536, _weights), default=Settings.embedding_dim, metavar="D",
        help=f"length of an embedding ({Settings.embedding_dim})")  # fmt: skip
    add("--model", metavar="NAME",
        help=f"{', '.join(MODELS)}, or one of keras.applications, as EfficientNetV2B0 (cnn, of --recipe best vgg; "
        "resnet for images of more than 28 pixels)")  # fmt: skip
    add(
        "--weights",
        type=_at_home,
        metavar="NAME",
        help="that a model of keras.applications starts from: imagenet, or a file",
    )
    add("--freeze", action="store_true", help="leave these weights as they are: the embedding layer alone is trained")
    add("--embedding-init", default=Settings.embedding_init, type=_one_of("initialization", EMBEDDING_INITS),
        metavar="NAME",
        help="first weights of the embedding: glorot, normal (0, 1), uniform [0, 1) (glorot)")  # fmt: skip
    add("--sampler", default=Settings.sampler, type=_one_of("sampler", SAMPLERS), metavar="NAME",
        help="balanced: every class equally often in each batch (the default); shuffle: plain shuffling")  # fmt: skip
    add("--classes-per-batch", type=_between(int, 2, 10_000), metavar="N",
        help="of the balanced sampler (as many as make 240 images, at least 2)")  # fmt: skip
    add("--per-class", type=_between(int, 2, 10_000), metavar="N",
        help="images of each class in a balanced batch (24; of more than ten classes fewer, of 60 on 4)")  # fmt: skip
    add("--augment", nargs="*", type=_one_of("augmentation", (*AUGMENTATIONS, "none")), metavar="NAME",
        help=f"change training images at random: {', '.join(AUGMENTATIONS)} (none; without a name shift). With flip an "
             "embedding is the mean of those of an image and its mirror image")  # fmt: skip
    add("--optimizer", type=_one_of("optimizer", LEARNING_RATES), metavar="NAME",
        help=f"{', '.join(LEARNING_RATES)} (muon; of --weights adamw)")  # fmt: skip
    add("--learning-rate", type=_number(float, lambda value: value > 0, "a number above 0"), metavar="X",
        help=f"its peak ({', '.join(f'{name} {rate:g}' for name, rate in LEARNING_RATES.items())})")  # fmt: skip
    add("--precision", default="auto", type=_one_of("precision", PRECISIONS), metavar="NAME",
        help=f"{', '.join(PRECISIONS)} (auto)")  # fmt: skip
    add("--devices", default=1, type=_devices, metavar="N",
        help="GPUs or TPUs that share each batch, or all; for KERAS_BACKEND=jax (1). Scores are those of one but for "
        "rounding")  # fmt: skip


def _add_shown(add):
    add("--perplexity", type=_between(float, 2, 1_000_000), metavar="X",
        help=f"neighbours that t-SNE balances ({Settings.perplexity:g}, of few images fewer)")  # fmt: skip
    add("--tsne-iterations", type=_between(int, 300, 1_000_000), default=Settings.tsne_iterations, metavar="N",
        help=f"steps of t-SNE ({Settings.tsne_iterations})")  # fmt: skip
    add("--no-tensorboard", action="store_false", dest="tensorboard",
        help="write everything but TensorBoard's files; runs made so stay without them until --overwrite")  # fmt: skip


def _add_results(add):
    add("--runs", type=_folder, default=pathlib.Path("runs"), metavar="DIR",
        help="where results go (runs); several commands at once share the runs of one folder")  # fmt: skip
    add("--cluster", type=_cluster, metavar="ADDRESS",
        help="share the runs out among the workers of a Dask scheduler at HOST:PORT, or local: some of this machine; "
        "local:3, three")  # fmt: skip
    add("--overwrite", action="store_true", help="train again what is already in the results")
    add("--summarize", action="store_true", help="rebuild the tables and pictures of all results in --runs, and end")


def _add_use(add):
    add("--embed", nargs="+", type=_folder, metavar=("RUN", "IMAGE"),
        help="says of which class each image is, if of any: the folder of a run, as runs/mnist/center/seed-0, then "
        "images or folders of them")  # fmt: skip
    add("--gallery", type=_folder, metavar="DIR",
        help="a folder of a few images for each class: these classes in place of those of the training")  # fmt: skip
    add("--neighbors", type=_between(int, 1, MOST_NEIGHBORS), metavar="K",
        help="draw the K most similar training images, or those of the gallery")  # fmt: skip
    add("--npz", action="store_true", help="keep the embeddings too, in embeddings.npz")
    add("--to", type=_folder, metavar="DIR", help="where embedded.csv and all else of it go (embedded in --runs)")


def _add_other_jobs(add):
    add("--tune", type=_text, metavar="LOSS",
        help="try values for the numbers a loss takes, judge them by validation images and print the best")  # fmt: skip
    add("--trials", type=_between(int, 2, 1000), metavar="N", help=f"trials of --tune, the defaults first ({TRIALS})")
    add("--list", action="store_true", help="list the losses with their arguments and defaults, and end")
    add("--version", action=_ShowVersions, nargs=0, help="name the versions of this, Python, Keras and its backend")
    add("-h", "--help", action="help", help="show this, and end")


def _dataset(text):
    if not text:
        raise argparse.ArgumentTypeError("must name a data set, or its path. Received nothing")
    is_path = text not in EPOCHS and (os.sep in text or "/" in text or "." in text or pathlib.Path(text).exists())
    if not is_path and text not in EPOCHS:
        message = unknown("dataset", text, EPOCHS)
        raise argparse.ArgumentTypeError(f"{message}, or the path of a folder, a .csv or a .npz")
    return text if text in EPOCHS else _path(text)


def _size(text):
    """Height and width."""
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text)
    size = tuple(int(side) for side in (match[1], match[2] or match[1])) if match else ()
    if not size or not all(8 <= side <= 1024 for side in size):
        raise argparse.ArgumentTypeError(f"must be one or two sides of 8 to 1024, as 64 or 128x64. Received: {text}")
    return size


def _one_of(kind, valid):
    def parse(text):
        if text not in valid:
            raise argparse.ArgumentTypeError(unknown(kind, text, valid))
        return text

    return parse


def _cluster(text):
    if not re.fullmatch(r"local(:[1-9]\d{0,2})?|(tcp://|tls://)?(?!local:)[^\s/]+:\d{1,5}", text):
        raise argparse.ArgumentTypeError(f"must be HOST:PORT of a scheduler, local, or local:3. Received: {text}")
    return text


def _devices(text):
    fits = range(1, MOST_DEVICES + 1).__contains__
    return text if text == "all" else _number(int, fits, f"a whole number from 1 to {MOST_DEVICES:,}, or all")(text)


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


def _between(kind, minimum, maximum, needed=None):
    """What parses a number; `needed` says what one that is too large would take."""
    what = f"{'a whole number' if kind is int else 'a number'} from {minimum} to {maximum:,}"

    def fits(value):
        if needed and maximum < value < 10**15:
            raise argparse.ArgumentTypeError(f"must be {what}: {value} would take {needed(value)}")
        return minimum <= value <= maximum

    return _number(kind, fits, what)


def _weights(embedding_dim):
    return f"{4 * 128 * embedding_dim / 1e9:,.1f} GB for the weights of its layer alone"  # Of the smallest network.


def _folder(text):
    if not text:
        raise argparse.ArgumentTypeError("must name a folder. Received nothing")
    return _path(text)


def _path(text):
    return pathlib.Path(_at_home(text))


def _at_home(text):
    """A path with the folder that ~ stands for: of `--runs=~/runs` the shell leaves it as it is."""
    return os.path.expanduser(_text(text))  # noqa: PTH111 (of a user who is not there, a `Path` raises)


def _text(text):
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _backend():
    """Name of the backend that Keras is told to load; an empty one tells it nothing."""
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # As where TensorFlow is installed as tensorflow-cpu.
        return "not found"
