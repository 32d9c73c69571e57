"""Draws a data set of many classes: Chinese characters and Korean syllables, one image of each font that has them.

    apt-get install fonts-aoyagi-kouzan-t fonts-aoyagi-soseki fonts-arphic-bkai00mp fonts-arphic-bsmi00lp \\
        fonts-baekmuk fonts-dejima-mincho fonts-dotgothic16 fonts-horai-umefont fonts-ipaexfont fonts-kiloji \\
        fonts-konatu fonts-kouzan-mouhitsu fonts-lexi-gulim fonts-lexi-saebom fonts-migmix fonts-mona \\
        fonts-morisawa-bizud-gothic fonts-morisawa-bizud-mincho fonts-motoya-l-cedar fonts-motoya-l-maruberi \\
        fonts-mplus fonts-nanum fonts-nanum-extra fonts-oradano-mincho-gsrr fonts-rampart fonts-reggae \\
        fonts-rocknroll fonts-sawarabi-gothic fonts-sawarabi-mincho fonts-seto fonts-stick fonts-train \\
        fonts-unfonts-core fonts-unfonts-extra fonts-vlgothic fonts-woowa-bm fonts-wqy-zenhei \\
        fonts-yozvox-yozfont-antique fonts-yusei-magic
    python benchmarks/characters.py characters
    python main.py --dataset characters --protocol open

Writes `characters/train/CHARACTER/FONT.png` and `characters/test/CHARACTER/FONT.png`: the fonts of the test images are
of other makers than those of the training images. The same fonts give the same images.
"""

import argparse
import collections
import logging
import pathlib

import numpy as np
from fontTools.ttLib import TTFont
from matplotlib.font_manager import findSystemFonts
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial.distance import cdist

logging.getLogger("fontTools").setLevel(logging.ERROR)  # Some fonts have flaws that do not matter here.

# Rows of two national standards: 2,965 Chinese characters as used in Japan, 2,350 Korean syllables.
ROWS = {"euc_jp": range(0xB0, 0xD0), "euc_kr": range(0xB0, 0xC9)}
OVERSAMPLING = 4  # A large letter is drawn by its outline, a small one by the font's hints or bitmaps.
LETTER = 0.8  # Size of a letter against the image.
SAME = 0.2  # Difference of two images against their ink, in [0, 1], below which they are of one design.
FEWEST = 4  # Images of a class in either part, or it is left out.


def characters(count):
    """So many characters, evenly over those of `ROWS`."""
    codes = ((codec, bytes([row, cell])) for codec, rows in ROWS.items() for row in rows for cell in range(0xA1, 0xFF))
    known = [text for codec, code in codes if (text := code.decode(codec, errors="ignore"))]
    return [known[number] for number in np.linspace(0, len(known) - 1, count).astype(int)]


def find_fonts(folders, wanted):
    """The font files that have some of the characters: by part, a dict from the file to those that it has.

    What lies in one folder is of one maker and looks alike: every third folder is for testing.
    """
    known = {}
    for file in sorted(map(pathlib.Path, findSystemFonts(folders)), key=lambda file: (file.parent.name, file.name)):
        codes = TTFont(file, fontNumber=0, lazy=True).getBestCmap() or {}
        if found := [character for character in wanted if ord(character) in codes]:
            known[file] = found
    testing = sorted({file.parent.name for file in known})[::3]
    return {
        part: {file: found for file, found in known.items() if (file.parent.name in testing) == (part == "test")}
        for part in ("train", "test")
    }


def draw(font, character, size):
    """A character in the middle of a grey image, white on black; one that is too large is made smaller."""
    side = size * OVERSAMPLING
    canvas = Image.new("L", (3 * side, 3 * side))
    ImageDraw.Draw(canvas).text((side, side), character, fill=255, font=font)
    ink = canvas.crop(canvas.getbbox())  # All of it, if there is none.
    ink.thumbnail((side, side))
    image = Image.new("L", (side, side))
    image.paste(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
    return np.asarray(image.reduce(OVERSAMPLING))


def drawings(file, found, size):
    """Dict from a font's characters to their images, without those that it lacks after all.

    Some fonts draw nothing for these, or one placeholder for all of them.
    """
    font = ImageFont.truetype(file, round(LETTER * size * OVERSAMPLING))
    try:
        images = {character: draw(font, character, size) for character in found}
    except OSError:  # "invalid opcode": a damaged font.
        return {}
    times = collections.Counter(image.tobytes() for image in images.values())
    return {character: image for character, image in images.items() if times[image.tobytes()] == 1 and image.any()}


def draw_all(parts, size):
    """The images, `images[character][part][font]`, without those that are nearly one of an earlier font.

    The fonts for training come first: what is tested with is new.
    """
    images = collections.defaultdict(lambda: {part: {} for part in parts})
    for part, fonts in parts.items():
        for number, (file, found) in enumerate(fonts.items()):
            print(f"\r{part}: font {number + 1} of {len(fonts)}", end="", flush=True)
            for character, image in drawings(file, found, size).items():
                others = [other for earlier in images[character].values() for other in earlier.values()]
                if is_new(image, others):
                    images[character][part][file.stem] = image
        print()
    return images


def is_new(image, others):
    """Whether an image is of another design than each of the others."""
    return not others or cdist([image.ravel()], [other.ravel() for other in others], "braycurtis").min() >= SAME


def save(images, folder):
    """Writes an image for each class, part and font."""
    for character, parts in images.items():
        for part, by_font in parts.items():
            place = folder / part / character
            place.mkdir(parents=True)
            for font, image in by_font.items():
                Image.fromarray(image).save(place / f"{font}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="the folder to make")
    parser.add_argument("--fonts", nargs="+", help="folders to look for fonts in (default: the system's)")
    parser.add_argument("--classes", type=int, default=1500, help="characters to draw (default: %(default)s)")
    parser.add_argument("--size", type=int, default=48, help="pixels in height and width (default: %(default)s)")
    options = parser.parse_args()
    if options.folder.exists():
        parser.error(f"{options.folder} is there already: give the name of a new folder")
    parts = find_fonts(options.fonts, characters(options.classes))
    if not all(parts.values()):
        parser.error("the characters are in the fonts of fewer than two folders: install those above, or give --fonts")
    images = draw_all(parts, options.size)
    images = {character: parts for character, parts in images.items() if min(map(len, parts.values())) >= FEWEST}
    if not images:
        parser.error(f"no character has {FEWEST} images or more in either part: give more fonts")
    save(images, options.folder)
    for part in ("train", "test"):
        counts = [len(parts[part]) for parts in images.values()]
        fonts = {font for parts in images.values() for font in parts[part]}
        print(
            f"{part}: {sum(counts):,} images of {len(images):,} classes, {min(counts)} to {max(counts)} of a class, "
            f"from {len(fonts)} fonts"
        )


if __name__ == "__main__":
    main()
