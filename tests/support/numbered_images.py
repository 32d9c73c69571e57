"""Images whose pixels say which image they are."""

import numpy as np

from data import Split


def numbered_images(count):
    """Images 4 x 4 of one colour each, all with some blue: `numbers_of` reads the number, whatever zeros moved in."""
    red, green = np.divmod(np.arange(count), 250)
    colors = np.stack([red, green, np.zeros(count, int)], axis=-1) + 1
    return np.broadcast_to(colors[:, None, None], (count, 4, 4, 3)).astype(np.uint8)


def numbers_of(images):
    colors = images.max(axis=(1, 2)).astype(int) - 1
    return colors[:, 0] * 250 + colors[:, 1]


def mixed_labels(*counts):
    """So many labels of each class, in mixed order."""
    return np.random.default_rng(7).permutation(np.repeat(np.arange(len(counts)), counts))


def split_of(*counts):
    """So many numbered images of each class, in mixed order."""
    labels = mixed_labels(*counts)
    return Split(numbered_images(len(labels)), labels.astype(np.int32))


def counts_of(labels):
    return [int((labels == label).sum()) for label in range(max(labels) + 1)]
