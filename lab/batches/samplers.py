"""Which images make a batch, and which a sample."""

import numpy as np
from sklearn.model_selection import train_test_split

IMAGES = 240  # Of a batch, if nothing is said of it.
CLASSES = 10  # Of a batch; of more classes as many as it has room for,
FEWEST_EACH = 4  # with so many images of each.
PAIR = 2  # Classes, or images of one: with fewer there is nothing to compare.


def batch_shape(counts, balanced, classes_per_batch=None, per_class=None):
    """How many classes a batch has, and how many images of each.

    Args:
        counts: Numbers of images of the classes.
        balanced: Whether it has as many of each. Then it has more classes where there are more than ten, and of those
            more still where most have few images: repeats of them teach nothing.
        classes_per_batch, per_class: What is asked for, or None.

    Raises:
        ValueError: If there are fewer classes than asked for, or a number is below 1.
    """
    for name, number in ("classes per batch", classes_per_batch), ("images per class", per_class):
        if number is not None and number < 1:
            raise ValueError(f"A batch needs at least 1 of its {name}. Received: {number}")
    least = PAIR if balanced else 1
    if classes_per_batch is not None:
        if classes_per_batch > len(counts):
            raise ValueError(
                f"A batch of {classes_per_batch:,} classes (--classes-per-batch) needs as many to draw from. There are "
                f"{len(counts):,}"
            )
        return classes_per_batch, per_class or max(least, IMAGES // classes_per_batch)
    if per_class is None:
        per_class = IMAGES // CLASSES
        if balanced and len(counts) > CLASSES:
            # A classifier of 1,000 classes learns nothing from ten at a time.
            per_class = max(FEWEST_EACH, IMAGES // len(counts))
            per_class = min(per_class, max(PAIR, int(np.median(counts))))
    return min(max(least, IMAGES // per_class), len(counts)), per_class


def balanced_indices(labels, rng, classes_per_batch, per_class):
    """Indices `(steps, classes_per_batch * per_class)` of class-balanced batches, one epoch's worth.

    A class comes back only when the others have been drawn, but for those that do not fill a batch; an image only when
    every other image of its class has been.
    """
    classes = np.unique(labels)
    steps = max(1, len(labels) // (classes_per_batch * per_class))
    batches = len(classes) // classes_per_batch  # Of different classes.
    rounds = rng.permuted(np.tile(classes, (-(-steps // batches), 1)), axis=1)[:, : batches * classes_per_batch]
    drawn = rounds.ravel()[: steps * classes_per_batch]
    indices = np.empty((steps * classes_per_batch, per_class), np.int64)
    for members, places in zip(_by_class(labels, classes), _by_class(drawn, classes), strict=True):
        needed = len(places) * per_class
        rounds = [rng.permutation(members) for _ in range(-(-needed // len(members)))]
        if rounds:
            indices[places] = np.concatenate(rounds)[:needed].reshape(-1, per_class)
    return indices.reshape(steps, -1)


def _by_class(labels, classes):
    """The ascending numbers of the labels that are each of some classes, which ascend."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], classes[1:]))


def shuffled_indices(labels, rng, classes_per_batch, per_class):
    """Indices `(steps, classes_per_batch * per_class)` of plainly shuffled batches."""
    size = min(classes_per_batch * per_class, len(labels))
    steps = len(labels) // size
    return rng.permutation(len(labels))[: steps * size].reshape(steps, size)


SAMPLERS = {"balanced": balanced_indices, "shuffle": shuffled_indices}


def stratified_sample(labels, count, seed):
    """Sorted indices of `count` items in the proportions of the classes.

    All items, if fewer than one of each class would be left over.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(labels) - count < len(classes) <= count:
        return np.arange(len(labels))
    if count < len(classes) or counts.min() < 2:  # scikit-learn would refuse: evenly from the items in order of class.
        shuffled = np.random.default_rng(seed).permutation(len(labels))
        by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
        return np.sort(by_class[np.arange(count) * len(labels) // count])
    chosen, _ = train_test_split(np.arange(len(labels)), train_size=count, stratify=labels, random_state=seed)
    return np.sort(chosen)
