"""Which size images have, and arrays of images in another one."""

import dataclasses
import math

import numpy as np
from PIL import Image

from . import cache
from .found import blocks
from .images import SMALL, fit

USUAL = 64, 64  # Height and width where the images themselves do not say.


def own_size(sizes, note):
    """Height and width where all images have the same small ones, else the usual ones, of which `note` is told."""
    if len(sizes) == 1 and max(max(sizes)) <= SMALL:
        return next(iter(sizes))
    what = f"of {by(next(iter(sizes)))} pixels" if len(sizes) == 1 else f"of {len(sizes):,} sizes"
    note(
        f"the images, {what}, are scaled to fit inside {by(USUAL)} and centred on black; "
        "--image-size 96 or 128x64 (height x width) chooses another size"
    )
    return USUAL


def by(shape):
    """A shape as a text."""
    return "x".join(map(str, shape))


def scaled(found, size, facts, track):
    """A `Found` whose images have a height and width, each scaled to fit inside and centred on black.

    Args:
        found: `Found`.
        size: Height and width.
        facts: What its images are made of, for `key_of`, as what is scaled is kept.
        track: As that of `read`.
    """
    images, _ = found.parts["train"]
    if images.shape[1:3] == size:
        return found
    shape = *size, images.shape[3]

    def make(folder):
        cache.require_room(folder, sum(len(labels) for _, labels in found.parts.values()) * math.prod(shape))
        parts = {}
        for part, (images, labels) in found.parts.items():
            with cache.writing(folder, part, len(images), shape) as append:
                each = (image for _, block in blocks(images) for image in block)
                for image in track(each, len(images), f"scaling the {part} images"):
                    append(_fitted(image, shape))
            parts[part] = cache.written_images(folder, part), labels
        return dataclasses.replace(found, parts=parts), []

    kept, _, _ = cache.kept(cache.key_of([size, facts]), make)
    return dataclasses.replace(found, parts=kept.parts)


def _fitted(image, shape):
    height, width, channels = shape
    image = Image.fromarray(image[..., 0] if channels == 1 else image)
    return np.asarray(fit(image, height, width)).reshape(shape)
