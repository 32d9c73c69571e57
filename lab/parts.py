"""What a data set has to be, and how its parts are drawn where a source does not tell them apart."""

import numpy as np
from sklearn.model_selection import train_test_split

from lab.batches import stratified_sample
from lab.errors import InputError
from lab.rows import Rows
from lab.sources.arrays import as_images
from lab.sources.listing import in_short

SPLIT_SEED = 0  # The same images for every run, whatever its seed.
MOST_FOR_VALIDATION = 5000


def checked_part(part, images, labels, num_classes):
    """Images, uint8 `(n, height, width, channels)`, and labels, int32 `(n,)`; those of a file are left there.

    Args:
        part: Its name, for messages.
        images: `(n, height, width)` or with channels: uint8, or whole numbers in `[0, 255]` of any type.
        labels: Integers `(n,)` in `[0, num_classes)`.
        num_classes: Number of classes.

    Raises:
        InputError: If they are not of that kind.
    """
    images, labels = as_images(part, np.asanyarray(images)), np.asarray(labels)
    if labels.shape != images.shape[:1]:
        raise InputError(f"{part}: needs one label per image. Received: images {images.shape}, labels {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{part}: labels must be integers. Received: {labels.dtype}")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise InputError(f"{part}: labels must be in [0, {num_classes}). Received: {labels.min()} to {labels.max()}")
    on_disk = isinstance(images, np.memmap)
    return Rows(images, np.arange(len(images))) if on_disk else images, labels.astype(np.int32)


def for_test(labels):
    """Sorted numbers of the images that become the test part: a fifth of each class, but two at least.

    Of classes of three or four images it is two images of every fifth class: the test part needs pairs, and so does the
    validation part. Smaller classes have none.
    """
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rng = np.random.default_rng(SPLIT_SEED)
    wanted = np.where(counts > 4, np.maximum(2, np.round(counts / 5)), 0).astype(int)
    small = np.flatnonzero((counts == 3) | (counts == 4))
    wanted[rng.choice(small, len(small) // 5, replace=False)] = 2
    return _some_of_each(inverse, wanted, rng)


def for_validation(name, labels, count=None):
    """Sorted numbers of the images that become the validation part, in the proportions of the classes.

    An image alone in its class is left to be trained on. Many classes with less than two images each, on average, would
    have no pairs, by which an epoch is chosen: then it is two images each of some classes.

    Args:
        name: Of the data set, for messages.
        labels: Integers `(n,)`.
        count: Number of images; None for a twelfth, or two a class if that is more and at most a sixth.

    Raises:
        InputError: If there cannot be so many.
    """
    classes, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    several, large = np.flatnonzero(counts[inverse] > 1), classes[counts > 2]
    pairs = 2 * int((counts > 1).sum())
    if count is None:
        count = min(max(4, round(len(labels) / 12), min(pairs, len(labels) // 6)), MOST_FOR_VALIDATION)
        count = count if pairs <= count else min(count, 2 * len(large))
    if pairs <= count <= len(several) - pairs // 2:
        _, chosen = train_test_split(several, test_size=count, stratify=labels[several], random_state=SPLIT_SEED)
        return np.sort(chosen)
    if not 4 <= count <= 2 * len(large):
        raise InputError(
            f"{name}: the validation part must have at least 4 and leave every class a training image: it takes two "
            f"images each of classes with three, of which there are {len(large):,}, or {pairs:,} to "
            f"{len(several) - pairs // 2:,} images of all. Received: {count:,} of {len(labels):,} images"
        )
    rng = np.random.default_rng(SPLIT_SEED)
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    firsts = np.searchsorted(labels[by_class], rng.choice(large, count // 2, replace=False))
    return np.sort(np.concatenate([by_class[firsts], by_class[firsts + 1]]))


def some_pairs(labels, count):
    """Sorted numbers of so many items, stratified; where that leaves less than two a class, all items of some."""
    classes, inverse = np.unique(labels, return_inverse=True)
    if count >= min(len(labels), 2 * len(classes)):
        return stratified_sample(labels, count, SPLIT_SEED)
    places = np.random.default_rng(SPLIT_SEED).permutation(len(classes))[inverse]
    return np.sort(np.argsort(places, kind="stable")[:count])


def _some_of_each(labels, wanted, rng):
    """Sorted numbers of so many items, by chance, of each class; `wanted` are counts by label."""
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    ordered = labels[by_class]
    places = np.arange(len(labels)) - np.searchsorted(ordered, ordered)  # Within the class.
    return np.sort(by_class[places < wanted[ordered]])


def require_images(part, labels, class_names, why):
    """Refuses classes without an image, naming them."""
    lacking = np.flatnonzero(np.bincount(labels, minlength=len(class_names)) == 0)
    if len(lacking):
        shown = ", ".join(class_names[number] for number in lacking[:5])
        more = f" and {len(lacking) - 5:,} classes more" if len(lacking) > 5 else ""
        raise InputError(f"{part}: every class needs {why}. Give it more, or leave the class out: {shown}{more}")


def say_lone(part, labels, class_names, report):
    """Reports classes of one image, and what that means for them."""
    lone = np.flatnonzero(np.bincount(labels) == 1)
    if len(lone):
        shown = in_short([class_names[number] for number in lone])
        report(
            f"{part}: {len(lone):,} of {len(class_names):,} classes have one image ({shown}). Batches repeat it: from "
            "pairs and triplets it learns what to keep away from, not what its class has in common"
        )
