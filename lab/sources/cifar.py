"""CIFAR-10 and CIFAR-100: as Keras unpacked them before, else by Keras' download, which checks its archive."""

import hashlib
import io
import pickle

import numpy as np

from lab.reading import read_bytes

from .cache import datasets_folder
from .download import SourceError, keras_arrays, one_line

FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
LABELS = {"cifar10": b"labels", "cifar100": b"fine_labels"}
MD5 = {  # Of the files with the training images, and with the test images, which come last.
    "cifar10": {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    "cifar100": {"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
}
LONGEST = {"cifar10": 32_000_000, "cifar100": 156_000_000}  # Bytes: the largest of these files have nearly as many.
CLASSES_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NAMES_100 = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
    "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
    "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
    "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
    "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
    "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
    "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)
CLASSES_100 = tuple(NAMES_100.split())
UNPICKLED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays and nothing else, which could run a program."""

    def find_class(self, module, name):
        if (module, name) not in UNPICKLED:
            raise pickle.UnpicklingError(f"needs {module}.{name}")
        return super().find_class(module, name)


def load_cifar(name, report=print):
    """Finds a data set that was unpacked before, or has Keras unpack or download it.

    Args:
        name: `"cifar10"` or `"cifar100"`, whose labels are the fine ones.
        report: Function called with one line of text for each thing the user should know.

    Returns:
        Arrays `(train_images, train_labels, test_images, test_labels)`: uint8 `(n, 32, 32, 3)` and integers `(n,)`.

    Raises:
        SourceError: If there is no intact copy and no network.
    """
    try:
        return _from_cache(name)
    except SourceError as error:
        reason = one_line(error)
    try:
        train_images, train_labels, test_images, test_labels = keras_arrays(name)
    except Exception as error:  # Whatever Keras' download raises.
        folder = FOLDERS[name]
        raise SourceError(
            f"No source has an intact copy of {name}:\n  - cache: {reason}\n  - Keras' download: {one_line(error)}\n"
            f"Connect to a network, or unpack its archive, the Python version of www.cs.toronto.edu/~kriz/cifar.html, "
            f"to {datasets_folder() / folder}, or use --dataset digits, which needs no download."
        ) from None
    report(f"{name}: {reason}; fetched from Keras' download")
    return train_images, train_labels.ravel(), test_images, test_labels.ravel()


def _from_cache(name):
    """The arrays from the folder into which Keras, or the user, unpacked the archive."""
    base = FOLDERS[name]
    folders = datasets_folder() / f"{base}-target" / base, datasets_folder() / base
    folder = next((folder for folder in folders if folder.is_dir()), None)
    if folder is None:
        raise SourceError(f"{folders[0]} is not there")
    *train, test = (_read_batch(name, folder / file, md5) for file, md5 in MD5[name].items())
    train_images, train_labels = map(np.concatenate, zip(*train, strict=True))
    return train_images, train_labels, *test


def _read_batch(name, path, md5):
    """Images and labels of a file, which is compared with the original."""
    try:
        content = read_bytes(path, LONGEST[name])
    except OSError as error:
        raise SourceError(f"cannot read {path} ({error.strerror})") from None
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise SourceError(f"{path} is damaged")
    try:
        batch = ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise SourceError(f"{path} cannot be read ({error})") from None
    return batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(batch[LABELS[name]])
