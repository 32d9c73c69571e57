"""Data sets of arrays, checked and parted as those of every source are."""

from data import _of_parts
from lab.sources.found import Found


def make_dataset(name, train, test, class_names, validation):
    """The `Dataset` of some arrays.

    Args:
        name: Its name.
        train, test: Images and labels.
        class_names: One name per class.
        validation: Number of training images that become the validation part.
    """
    parts = {"train": train, "test": test}
    return _of_parts(Found(name, tuple(class_names), parts, validation=validation), report=print)
