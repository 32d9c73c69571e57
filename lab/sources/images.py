"""Image files as pixels of one shape."""

import concurrent.futures
import itertools
import os
import stat
import warnings

import numpy as np
from PIL import Image, ImageOps

FORMATS = "JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF"  # Not all that Pillow knows: some start programs.
EXTENSIONS = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"))
LARGEST = 1 << 28  # Bytes of a file.
BATCH = 16  # Images that a thread reads at a time.
SMALL = 96  # Pixels: images of one size with sides up to this keep it.
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # By the number of channels.
GREY = "1", "L", "LA", "La"


class BrokenImage(Exception):
    """What cannot be read as an image; the message is the reason."""


def read_image(path, shape):
    """Reads an image file.

    Args:
        path: Path of a file of one of `FORMATS`; of several frames the first is read.
        shape: Height, width and channels (1: grey, 3: colour, 4: with transparency).

    Returns:
        uint8 of the shape: upright by its EXIF, on white where it is transparent, scaled to fit inside, on black.

    Raises:
        BrokenImage: If it cannot be read.
    """
    (image,) = read_images([path], shape)
    if isinstance(image, BrokenImage):
        raise image
    return image


def read_images(paths, shape):
    """Gives for each path what `read_image` would, in order, and a `BrokenImage` where it would raise one."""
    return _attempts(lambda image: _pixels(image, shape), paths)


def look_at_images(paths):
    """Gives for each path height and width, and whether it is grey, without reading all of it, or a `BrokenImage`.

    Height and width of an image with a side above `SMALL` may be swapped.
    """
    return _attempts(_look, paths)


def fit(image, height, width):
    """Scales a Pillow image to fit inside, and centres it on black."""
    if image.size == (width, height):
        return image
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    fitted = Image.new(image.mode, (width, height))
    scaled = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    fitted.paste(scaled, ((width - size[0]) // 2, (height - size[1]) // 2))
    return fitted


def _attempts(function, paths):
    """What a function gives of the opened image of each path, or a `BrokenImage`, in order, several at a time."""

    def attempts(some):
        return [_attempt(function, path) for path in some]

    batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    threads = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(batches), threads):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Of what Pillow can read all the same.
                results = list(pool.map(attempts, batches[start : start + threads]))
            yield from itertools.chain.from_iterable(results)


def _attempt(function, path):
    """What a function gives of an opened image, or a `BrokenImage`."""
    try:
        status = os.stat(path)  # noqa: PTH116 (a `Path` takes ten times as long)
        if not stat.S_ISREG(status.st_mode):
            return BrokenImage("no file")  # Reading a pipe would wait forever.
        if status.st_size > LARGEST:  # Some decoders read all of it before they look.
            return BrokenImage(f"more than {LARGEST:,} bytes")
        with Image.open(path, formats=FORMATS) as image:
            return function(image)
    except Exception as error:  # A decoder raises anything on a damaged file.
        return BrokenImage(_reason(error))


def _reason(error):
    """Why an image cannot be read, in a few words."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "no image, or damaged at its beginning"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * Image.MAX_IMAGE_PIXELS:,} pixels"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _look(image):
    is_grey = _is_grey(image)
    if image.width != image.height and max(image.size) <= SMALL:
        ImageOps.exif_transpose(image, in_place=True)  # Reads all of it, which takes long for a large one.
    return image.size[::-1], is_grey


def _is_grey(image):
    if image.mode in ("P", "PA"):
        palette = np.reshape(image.getpalette("RGB"), (-1, 3))
        return bool((palette == palette[:, :1]).all())
    return image.mode in GREY or image.mode.startswith("I")


def _pixels(image, shape):
    height, width, channels = shape
    image.draft(None, 2 * (2 * max(height, width),))  # A large JPEG is decoded at a fraction of its size.
    ImageOps.exif_transpose(image, in_place=True)
    image = _eight_bits(image)
    if channels < 4:
        image = _on_white(image)
    image = image.convert(MODES[channels])
    return np.asarray(fit(image, height, width)).reshape(shape)


def _eight_bits(image):
    """An image whose pixels have 8 bits each: of 16 the upper ones."""
    if image.mode == "F":
        raise ValueError("floating-point pixels, of which black and white are not known")
    if not image.mode.startswith("I"):
        return image
    deep = np.asarray(image)
    if deep.min() < 0 or deep.max() >= 1 << 16:
        raise ValueError("pixels of more than 16 bits")
    if 0 < deep.max() < 256:
        raise ValueError("16-bit pixels all below 256, which would be black: multiply them, or save them with 8 bits")
    return Image.fromarray((deep >> 8).astype(np.uint8))


def _on_white(image):
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
