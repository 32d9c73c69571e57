"""Whether the files of a run say what a run leaves: any of them may have been damaged since."""

import math
import typing

from lab.maps import INDICES
from lab.protocols import DISTANCE_BINS
from lab.reading import array_header, open_archive, read_bytes, require_stored
from lab.settings import PIXELS

# The arrays of `embeddings.npz`, see `Run`: in one run, a letter is the same number everywhere.
SHAPES = {
    "test_embeddings": "nd",
    "test_labels": "n",
    "test_predictions": "n",
    "test_errors": "n",
    "unknown_embeddings": "ud",
    "unknown_labels": "u",
    "class_means": "cd",
    "same_pairs": "b",
    "different_pairs": "b",
    "roc_fars": "r",
    "roc_tars": "r",
    "tsne_indices": "m",
    "tsne_test_labels": "m",
    "tsne_mistakes": "m",
    "tsne_test": "m2",
    "tsne_test_layout": "m2",
    "tsne_train_indices": "t",
    "tsne_train_labels": "t",
    "tsne_train": "t2",
    "tsne_train_layout": "t2",
    "strip_images": "qkhwz",
    "strip_labels": "qk",
    "mistakes": "x",
    "mistake_images": "xhwz",
    "queries": "q",
    "directions": "ijd",
    "centers": "id",
    "colored_classes": "o",
}
OF_ALL = (
    *("test_labels", "test_predictions", "class_means", "same_pairs", "different_pairs", "roc_fars", "roc_tars"),
    *("tsne_indices", "tsne_test_labels", "tsne_train_indices", "tsne_train_labels", "strip_images", "strip_labels"),
)
OF_PIXELS = "queries", "tsne_test_layout", "tsne_train_layout"
OF_A_LOSS = ("test_embeddings",)
WHOLE_NUMBERS = "labels", "predictions", "indices", "mistakes", "queries", "classes"  # What such names end with.
NUMBERS = "biuf"  # Kinds of NumPy.
LONGEST_HISTORY = 1 << 24  # Bytes: 10,000 epochs take half of it.
LARGEST = 3.4e38  # Of float32, in which all is computed: the squares of larger numbers have no end.


def check_kinds(record):
    """Refuses a dataclass of which a value is not of the kind that its field says.

    Raises:
        ValueError: If one is not.
    """
    for name, kind in typing.get_type_hints(type(record)).items():
        value = getattr(record, name)
        fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
        if not fits or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{name} is {value!r}")


def check_run(run):
    """Refuses a `Run` that says what none can.

    Raises:
        KeyError, OverflowError, TypeError, ValueError: If it does.
    """
    names = run.class_names + run.judged_names
    if not all(isinstance(name, str) for name in names) or len(run.judged_names) > len(run.class_names):
        raise ValueError(f"no names of classes: {names}")
    if len(run.class_numbers) != len(run.class_names):
        raise ValueError(f"no numbers of classes: {run.class_numbers}")
    for record in filter(None, [run.training, *run.maps.values()]):
        check_kinds(record)
    times = (*run.stages.values(), run.total_seconds or 0)  # An older version does not say the sum.
    if not all(math.isfinite(number) for number in times):
        raise ValueError(f"no times: {times}")
    if any(abs(number) > LARGEST for number in filter(None, run.scores.values())):
        raise ValueError(f"no scores: {run.scores}")


def check_arrays(path, run):
    """Refuses a file of arrays that is not what a `Run` leaves: a bit may have flipped, an array be missing.

    Raises:
        ValueError: If it is not.
    """
    try:
        with open_archive(path) as file:
            require_stored(file)
            found = {member.filename.removesuffix(".npy"): array_header(file, member) for member in file.infolist()}
            if damaged := file.testzip():
                raise ValueError(f"{path}: {damaged} is damaged")
    except OSError as error:
        raise ValueError(str(error)) from error
    required = {*OF_ALL, *(OF_PIXELS if run.settings.loss == PIXELS else OF_A_LOSS)}
    required |= {f"tsne_{name}" for name in (INDICES if run.settings.loss == PIXELS else run.maps)}
    if missing := required - found.keys():
        raise ValueError(f"{path}: no {', '.join(sorted(missing))}")
    _check_shapes(path, found)
    for name in found:
        if name.endswith(("labels", "predictions")):
            numbers = run.arrays[name]
            if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(run.class_names):
                raise ValueError(f"{path}: {name} of classes that there are none of")


def check_history(path, run):
    """Refuses a `history.csv` without a line for each epoch of a `Run`: cut between two, it looks like a whole one.

    One that is not there has been taken away, and nothing in it misleads.

    Raises:
        ValueError: If it is no such file.
    """
    try:
        lines = read_bytes(path, LONGEST_HISTORY).count(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise ValueError(str(error)) from error
    if lines != 1 + run.settings.epochs:
        raise ValueError(f"{path}: {lines} lines of {run.settings.epochs} epochs")


def _check_shapes(path, found):
    """Refuses arrays, as a dict from a name to shape and dtype, whose shapes do not agree."""
    sizes = {"2": 2, "b": len(DISTANCE_BINS) - 1}
    for name in found.keys() & SHAPES:
        shape, dtype = found[name]
        kinds = "biu" if name.endswith(WHOLE_NUMBERS) else NUMBERS
        if len(shape) != len(SHAPES[name]) or dtype.kind not in kinds:
            raise ValueError(f"{path}: {name} is {dtype} {shape}")
        for letter, size in zip(SHAPES[name], shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ValueError(f"{path}: {name} is {shape}, which does not go with the other arrays")
