"""Images and labels that are arrays already."""

import dataclasses

import numpy as np

from lab.errors import InputError
from lab.reading import open_archive, read_array

from . import cache
from .found import Found, blocks, content_of, number, require_classes
from .listing import in_short
from .scaling import own_size, scaled

PARTS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}  # As keys name them.
CHANNELS = 1, 3, 4  # What can be drawn.


def read_npz(file):
    """Reads a `.npz` file, without unpickling anything.

    Args:
        file: Path of a file with the arrays `x_train` and `y_train`, and perhaps `x_val`, `y_val` (or another name of
            `PARTS`), `x_test`, `y_test`.

    Returns:
        Dict from each part to images and labels as they are in the file.

    Raises:
        InputError: If an array is missing or damaged, or needs unpickling.
    """
    try:
        with open_archive(file) as archive:
            there = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
            named = ((part, (f"x_{name}", f"y_{name}")) for part, names in PARTS.items() for name in names)
            given = [(part, keys) for part, keys in named if part == "train" or there & {*keys}]
            parts = dict(given)
            if len(given) > len(parts):
                several = ", ".join(keys[0] for part, keys in given if part == "validation")
                raise InputError(f"{file} has several validation parts: {several}. Leave one of them")
            if missing := [key for keys in parts.values() for key in keys if key not in there]:
                raise InputError(
                    f"{file} has no {', '.join(missing)}. Expected: the arrays x_train and y_train, maybe x_test and "
                    f"y_test, maybe x_val and y_val. Received: {in_short(sorted(there)) or 'none'}"
                )
            return {
                part: tuple(read_array(archive, archive.getinfo(f"{key}.npy")) for key in keys)
                for part, keys in parts.items()
            }
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{file} cannot be used: {error}. Write it again with numpy.savez") from None
    except OSError as error:
        raise InputError(f"cannot read {file} ({error.strerror})") from None


def found_in(parts, name, size, facts, report, track):
    """Checks arrays and numbers their classes.

    Args:
        parts: Dict from each part to images, `(n, height, width)` or `(n, height, width, channels)`, uint8 or whole
            numbers in `[0, 255]`, and labels, integers or text `(n,)` or `(n, 1)`.
        name, size, report, track: As those of `read`.
        facts: What the arrays are made of, for the cache.

    Returns:
        A `Found`.

    Raises:
        InputError: If images or labels are not of that kind, or of fewer than two classes.
    """
    images = {part: as_images(f"{name} {part}", images) for part, (images, _) in parts.items()}
    if len({of_part.shape[1:] for of_part in images.values()}) > 1:
        shapes = ", ".join(f"{part} {of_part.shape[1:]}" for part, of_part in images.items())
        raise InputError(f"{name}: the parts differ in the shape of an image: {shapes}")
    if all(map(_is_dark, images.values())):
        raise InputError(f"{name}: no pixel is above 1, all are black in [0, 255]. Multiply images in [0, 1] by 255")
    labels = {part: _as_labels(f"{name} {part}", labels, len(images[part])) for part, (_, labels) in parts.items()}
    class_names, numbers = number(labels)
    require_classes(name, class_names, numbers["train"])
    found = Found(name, class_names, {part: (images[part], numbers[part]) for part in parts})
    size = size or own_size({images["train"].shape[1:3]}, report)
    found = scaled(found, size, facts, track)
    if isinstance(images["train"], np.memmap):  # It may be larger than the memory, and take minutes to read.
        content = cache.remembered(cache.key_of(["content", size, facts]), lambda: content_of(found))
    else:
        content = content_of(found)
    return dataclasses.replace(found, content=content)


def as_images(part, images):
    """Images as uint8 `(n, height, width, channels)`; refuses what cannot be."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.size == 0 or images.shape[3] not in CHANNELS:
        raise InputError(
            f"{part}: images must be (n, height, width) or (n, height, width, channels), with {CHANNELS} channels. "
            f"Received: {images.shape}"
        )
    if images.dtype != np.uint8 and not _are_pixels(images):
        values = f" from {images.min()} to {images.max()}" if images.dtype.kind in "uif" else ""
        raise InputError(
            f"{part}: pixels must be whole numbers in [0, 255]; images in [0, 1] want multiplying by 255. "
            f"Received: {images.dtype}{values}"
        )
    return images if images.dtype == np.uint8 else np.asarray(images).astype(np.uint8)  # In memory: of no file now.


def _is_dark(images):
    """Whether no pixel is above 1; nearly always the first block says no."""
    return all(block.max() <= 1 for _, block in blocks(images))


def _are_pixels(images):
    # A comparison with NaN is false.
    return images.dtype.kind in "iuf" and bool(((images >= 0) & (images <= 255) & (images == np.round(images))).all())


def _as_labels(part, labels, count):
    """Labels `(n,)`, integers or text; refuses what cannot be."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise InputError(
            f"{part}: needs one label for each of {count:,} images; of labels with a column for each class take "
            f".argmax(axis=1). Received: labels {labels.shape}"
        )
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind not in "iuU":
        raise InputError(f"{part}: labels must be whole numbers, as by .astype(int), or text. Received: {labels.dtype}")
    return labels
