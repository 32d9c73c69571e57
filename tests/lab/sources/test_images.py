"""Image files of every kind as pixels, which are worked out without Pillow's conversions."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lab.sources.images import BrokenImage, look_at_images, read_image, read_images

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (5, 7), np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), np.uint8)


@pytest.fixture
def save(tmp_path):
    """Function that writes an array, or a Pillow image, as a file and returns its path."""

    def write(image, file="image.png", **options):
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        image.save(tmp_path / file, **options)
        return tmp_path / file

    return write


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "webp", "gif"])
def test_grey_and_colour_come_back_as_they_were(save, extension):
    lossless = {"lossless": True} if extension == "webp" else {}
    if extension != "webp":  # Which has no grey.
        grey = read_image(save(GREY, f"grey.{extension}"), (5, 7, 1))
        np.testing.assert_array_equal(grey[..., 0], GREY)
    colour = read_image(save(COLOUR, f"colour.{extension}", **lossless), (5, 7, 3))
    assert colour.dtype == np.uint8
    np.testing.assert_array_equal(colour, COLOUR)


def test_a_jpeg_is_nearly_as_it_was(save):
    smooth = np.add.outer(np.arange(0, 160, 10), np.arange(0, 80, 5)).astype(np.uint8)
    read = read_image(save(smooth, "image.jpg", quality=95), (16, 16, 1))[..., 0]
    assert np.abs(read.astype(int) - smooth).max() <= 3


def test_grey_among_colours_has_three_equal_channels(save):
    np.testing.assert_array_equal(read_image(save(GREY), (5, 7, 3)), np.stack(3 * [GREY], axis=-1))


UPRIGHT = {  # From the stored pixels, by what EXIF says of the first row and the first column.
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored[::-1].swapaxes(0, 1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("extension", ["png", "webp", "tif"])
def test_an_image_is_upright_by_its_exif(save, orientation, extension):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if extension == "webp" else {}
    path = save(COLOUR, f"image.{extension}", exif=exif, **lossless)
    expected = UPRIGHT[orientation](COLOUR)
    np.testing.assert_array_equal(read_image(path, expected.shape), expected)
    ((size, is_grey),) = look_at_images([path])
    assert size == expected.shape[:2]
    assert not is_grey


def test_what_is_transparent_is_white_and_what_is_half_so_half_white(save):
    alpha = np.array([[0, 255, 51]], np.uint8)
    colour = np.full((1, 3, 3), (100, 0, 200), np.uint8)
    expected = [[[255, 255, 255], [100, 0, 200], [224, 204, 244]]]  # 51 is a fifth: 0.2 * 100 + 0.8 * 255 = 224.
    path = save(np.dstack([colour, alpha]))
    np.testing.assert_array_equal(read_image(path, (1, 3, 3)), expected)


def test_transparency_stays_where_it_is_asked_for(save):
    pixels = np.array([[[10, 20, 30, 0], [40, 50, 60, 255], [70, 80, 90, 51]]], np.uint8)
    np.testing.assert_array_equal(read_image(save(pixels), (1, 3, 4)), pixels)


def test_grey_with_transparency_is_grey(save):
    path = save(np.array([[[100, 0], [100, 255], [100, 51]]], np.uint8))
    assert next(look_at_images([path])) == ((1, 3), True)
    np.testing.assert_array_equal(read_image(path, (1, 3, 1))[..., 0], [[255, 100, 224]])


def test_the_transparent_colour_of_a_palette_is_white(save):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 0, 0, 0, 0])
    path = save(image, transparency=1)
    np.testing.assert_array_equal(read_image(path, (1, 3, 3)), [[[10, 20, 30], [255, 255, 255], [0, 0, 0]]])


@pytest.mark.parametrize(("palette", "is_grey"), [([9, 9, 9, 200, 200, 200], True), ([9, 9, 9, 200, 200, 0], False)])
@pytest.mark.parametrize("extension", ["png", "gif", "bmp", "tif"])
def test_a_palette_is_grey_if_all_its_colours_are(save, palette, is_grey, extension):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    image.putpalette(palette)
    path = save(image, f"image.{extension}")
    assert next(look_at_images([path])) == ((2, 2), is_grey)
    np.testing.assert_array_equal(read_image(path, (2, 2, 3)), np.reshape(palette, (2, 3))[[[0, 1], [1, 0]]])


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_of_sixteen_bits_the_upper_eight_are_taken(save, extension):
    path = save(np.array([[0, 255, 256, 0x7FFF, 0xFFFF]], np.uint16), f"image.{extension}")
    assert next(look_at_images([path])) == ((1, 5), True)
    np.testing.assert_array_equal(read_image(path, (1, 5, 1))[..., 0], [[0, 0, 1, 0x7F, 0xFF]])


def test_sixteen_bits_that_would_all_be_black_are_no_image(save):
    with pytest.raises(BrokenImage, match="all below 256, which would be black"):
        read_image(save(np.array([[0, 255]], np.uint16), "dark.png"), (1, 2, 1))
    assert not read_image(save(np.zeros((1, 2), np.uint16), "black.png"), (1, 2, 1)).any()


def test_black_and_white_of_one_bit(save):
    path = save(Image.fromarray(np.array([[0, 255, 255]], np.uint8)).convert("1"))
    np.testing.assert_array_equal(read_image(path, (1, 3, 1))[..., 0], [[0, 255, 255]])


def test_printing_inks_become_colours(save):
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[..., 0] = 255  # Cyan: no red.
    path = save(Image.fromarray(inks, "CMYK"), "image.jpg", quality=100)
    assert next(look_at_images([path])) == ((8, 8), False)
    assert np.abs(read_image(path, (8, 8, 3)).astype(int) - (0, 255, 255)).max() <= 2


@pytest.mark.parametrize("extension", ["gif", "tif", "png", "webp"])
def test_of_several_frames_the_first_is_read(save, extension):
    first, second = (Image.fromarray(np.full((4, 4), grey, np.uint8)) for grey in (40, 90))
    options = {"lossless": True} if extension == "webp" else {}
    path = save(first, f"image.{extension}", save_all=True, append_images=[second], **options)
    np.testing.assert_array_equal(read_image(path, (4, 4, 1)), np.full((4, 4, 1), 40))


def test_an_image_is_scaled_to_fit_inside_and_centred_on_black(save):
    path = save(np.full((20, 40), 200, np.uint8))
    expected = np.zeros((16, 16), int)
    expected[4:12] = 200
    np.testing.assert_array_equal(read_image(path, (16, 16, 1))[..., 0], expected)


def test_a_smaller_image_grows(save):
    expected = np.zeros((6, 4), int)
    expected[1:5] = 70
    np.testing.assert_array_equal(read_image(save(np.full((2, 2), 70, np.uint8)), (6, 4, 1))[..., 0], expected)


def test_scaling_averages_over_what_becomes_one_pixel(save):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))  # A pixel wide each.
    assert np.abs(read_image(save(stripes), (8, 8, 1)).astype(int) - 127).max() <= 4


def test_a_large_photograph_is_scaled_as_if_it_had_been_read_whole(save):
    ramp = np.add.outer(np.arange(1200) // 10, np.arange(800) // 10).astype(np.uint8)
    path = save(ramp, "image.jpg", quality=95)
    means = ramp.reshape(24, 50, 16, 50).mean((1, 3))
    assert np.abs(read_image(path, (24, 16, 1))[..., 0] - means).max() <= 4


@pytest.mark.parametrize("shape", [(1, 1), (10_000, 1), (1, 10_000)])
def test_an_image_of_any_proportions_keeps_a_pixel_at_least(save, shape):
    assert read_image(save(np.full(shape, 99, np.uint8)), (64, 64, 1)).max() >= 99


def png_that_says(width, height):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def half(content):
    return content[: len(content) // 2]


def test_what_cannot_be_read_is_told_with_its_reason(save, tmp_path):
    whole = save(RNG.integers(0, 256, (60, 60, 3), np.uint8), "whole.jpg").read_bytes()
    files = {
        "half.jpg": (half(whole), "truncated"),
        "text.png": (b"no image", "no image, or damaged at its beginning"),
        "empty.png": (b"", "no image, or damaged at its beginning"),
        "bomb.png": (png_that_says(60_000, 60_000), "more than 178,956,970 pixels"),
        "vector.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image"),
    }
    for name, (content, reason) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BrokenImage, match=reason):
            read_image(tmp_path / name, (8, 8, 3))
    with pytest.raises(BrokenImage, match="No such file"):
        read_image(tmp_path / "none.png", (8, 8, 3))
    with pytest.raises(BrokenImage, match="no file"):
        read_image(tmp_path, (8, 8, 3))
    with pytest.raises(BrokenImage, match="floating-point"):
        read_image(save(np.ones((2, 2), np.float32), "float.tif"), (2, 2, 1))


def test_a_pipe_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BrokenImage, match="no file"):  # Else it would wait for ever.
        read_image(tmp_path / "pipe.png", (8, 8, 3))


def test_a_file_that_may_not_be_read_is_broken(save, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    path = save(GREY)
    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(BrokenImage, match="Permission denied"):
        read_image(path, (5, 7, 1))


def test_many_images_come_in_order_with_the_broken_ones_in_their_place(save, tmp_path):
    paths = [save(np.full((2, 2), number, np.uint8), f"{number}.png") for number in range(200)]
    paths[150].write_bytes(b"damaged")
    images = list(read_images(paths, (2, 2, 1)))
    assert isinstance(images[150], BrokenImage)
    assert [image.max() for image in images[:150] + images[151:]] == [n for n in range(200) if n != 150]
