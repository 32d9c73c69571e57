"""What a source has: images, labels and the names of the classes, by part."""

import dataclasses
import hashlib

import numpy as np

from lab.errors import InputError

PARTS = "train", "validation", "test"
MOST_CLASSES = 100_000  # What names more in its files is not read again: see `lab.files`.
BLOCK = 1 << 24  # Bytes of images that are looked at together.


@dataclasses.dataclass(frozen=True)
class Found:
    """What a source has: images and labels by part.

    Args:
        name: Name for titles and the folder of results.
        class_names: Tuple of names in the order of the labels.
        parts: Dict from `"train"`, and where the source tells them apart `"validation"` and `"test"`, to images, uint8
            `(n, height, width, channels)`, an array or `np.memmap`, and labels, integers `(n,)`.
        queries: Booleans `(n,)` of the test part: which are queries, the others being the gallery. None: every image
            is a query among all others.
        cameras: Integers `(n,)` of the test part, or None.
        validation: Number of training images that become the validation part where the source says so, else None.
        content: 16 digits that are the same for the same images, labels, names and parts, else others; None for the
            named sets.
    """

    name: str
    class_names: tuple
    parts: dict
    queries: np.ndarray | None = None
    cameras: np.ndarray | None = None
    validation: int | None = None
    content: str | None = None


def untracked(iterable, total, what):
    """Shows no progress: the iterable as it is."""
    return iterable


def shown(name):
    """A name on one line: what cannot be printed, such as a line break, as its escape."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)


def in_order(names):
    """Names sorted: by value where all are whole numbers, else by text."""
    try:
        return sorted(names, key=lambda name: (int(name), name))
    except ValueError:
        return sorted(names)


def number(labels):
    """Numbers the classes of all parts.

    Args:
        labels: Dict from each part to an array `(n,)` of integers or text.

    Returns:
        The names, a tuple in their order, and a dict from each part to integers `(n,)`, which count them.
    """
    values = {part: np.unique(of_part, return_inverse=True) for part, of_part in labels.items()}
    names = in_order({shown(str(value)) for found, _ in values.values() for value in found})
    numbers = {name: count for count, name in enumerate(names)}
    return tuple(names), {
        part: np.array([numbers[shown(str(value))] for value in found], np.int32)[inverse]
        for part, (found, inverse) in values.items()
    }


def require_classes(source, class_names, labels):
    """Refuses training labels, integers, of fewer than two classes, and more classes than a run has room to name."""
    if len(class_names) > MOST_CLASSES:
        raise InputError(f"{source} has {len(class_names):,} classes. Give images of at most {MOST_CLASSES:,}")
    present = np.unique(labels)
    if len(present) < 2:
        names = ", ".join(class_names[label] for label in present) or "none"
        raise InputError(f"{source}: the training images must be of two classes or more. Received: {names}")


def require_answers(found):
    """Refuses a `Found` with queries of which none has an image to find: of its class, and not of its own camera."""
    if found.queries is None:
        return
    labels = found.parts["test"][1].tolist()
    # Where none are known, the queries have one camera and the gallery another.
    cameras = (found.queries if found.cameras is None else found.cameras).tolist()
    gallery = {}  # The cameras of a class.
    for place in np.flatnonzero(~found.queries):
        gallery.setdefault(labels[place], set()).add(cameras[place])
    if any(gallery.get(labels[place], set()) - {cameras[place]} for place in np.flatnonzero(found.queries)):
        return
    other = "" if found.cameras is None else ", from another camera"
    raise InputError(
        f"{found.name}: no query has an image of its class in the gallery{other}: there is nothing to find"
    )


def content_of(found):
    """16 digits of SHA-256 over the images of a `Found`, in their order, with all that is said of each."""
    total = hashlib.sha256()
    for part, (images, labels) in found.parts.items():
        said = [labels, *(what for what in (found.queries, found.cameras) if part == "test" and what is not None)]
        begun = {}  # What is said of an image is hashed once for all of which the same is said.
        for start, block in blocks(images):
            facts = zip(*(what[start : start + len(block)].tolist() for what in said), strict=True)
            for (label, *rest), pixels in zip(facts, block, strict=True):
                if (label, *rest) not in begun:
                    text = repr((part, found.class_names[label], rest, images.shape[1:]))
                    begun[label, *rest] = hashlib.sha256(text.encode())
                digest = begun[label, *rest].copy()
                digest.update(np.ascontiguousarray(pixels))
                total.update(digest.digest())
    return total.hexdigest()[:16]


def blocks(images):
    """Pairs of a number and the images from it on, a block after the other; of a mapped file no more is in memory."""
    rows = max(1, BLOCK // max(1, images[:1].nbytes))
    for start in range(0, len(images), rows):
        yield start, _block(images, start, min(start + rows, len(images)))


def _block(images, start, stop):
    if not isinstance(images, np.memmap):
        return images[start:stop]
    # Mapped anew: pages read through the map of the whole file would stay.
    step = images.strides[0]
    mapped = np.memmap(images.filename, np.uint8, "r", images.offset + start * step, ((stop - start) * step,))
    return np.ndarray((stop - start, *images.shape[1:]), images.dtype, mapped, strides=images.strides)
