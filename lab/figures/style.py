"""What the pictures share: colours, the page with its title, the arrangement of panels."""

import io
import math
import re
import textwrap
import warnings

import matplotlib
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lab.colored import TOLD_APART

from .fonts import use_fonts

DPI = 160
NO_BREAK, FIGURE_SPACE = "\N{NO-BREAK SPACE}", "\N{FIGURE SPACE}"  # The latter is as wide as a digit.
INK, MUTED = "#222222", "#666666"
SAME, DIFFERENT = "#3f90da", "#e76300"  # Two of petroff10's colours, apart under every colour vision.
MARK = "#d7191c"  # What a reader should see first.
REST = "#d8d8d8"  # The classes that are not told apart, where there are many.
LETTER = 0.6  # Width of a bold letter over the size of its font, on average.
# petroff10, in the order that keeps the classes confused most, of the digits and of the garments by their numbers,
# farthest apart for every colour vision: 23.6 by CIEDE2000, 11.9 in its own order. tests/lab/figures/test_style.py
# has the pairs.
CLASS_COLORS = (
    *("#717581", "#a96b59", "#b9ac70", "#ffa90e", "#3f90da"),
    *("#832db6", "#bd1f01", "#92dadd", "#94a4a2", "#e76300"),
)


def class_colors(num_classes):
    """One colour per class: told apart by colour-blind readers for up to ten."""
    if num_classes <= len(CLASS_COLORS):
        return CLASS_COLORS[:num_classes]
    return [to_hex(color) for color in matplotlib.colormaps["turbo"](np.linspace(0, 1, num_classes))]


def some_colors(num_classes, colored):
    """One colour per class: of the `colored_classes` each its own, of all others grey."""
    palette, colors = class_colors(TOLD_APART), [REST] * num_classes
    for place, number in enumerate(colored):
        colors[number] = palette[place % TOLD_APART]
    return colors


def as_hex(colors):
    """Colours of any form that matplotlib knows as texts `(n,)`, which can be compared."""
    return np.array([to_hex(color) for color in colors])


def colors_of(run):
    """The colours of the classes that a `Run` shows: a class has the same one in every protocol and split.

    Of many classes those that every run of the split tells apart have one, and the others are grey.
    """
    colored = run.arrays.get("colored_classes")
    if colored is not None:
        return some_colors(len(run.class_names), colored)
    colors = class_colors(len(run.class_numbers))
    return [colors[number] for number in run.class_numbers]


def known_colors_of(run):
    """Those of the classes trained on."""
    return colors_of(run)[: len(run.known_names)]


def rest_note(colors):
    """What is grey, of the classes with these colours, in words; nothing if none is."""
    told_apart = sum(color != REST for color in colors)
    if told_apart == len(colors):
        return ""
    return f"{told_apart} of {len(colors):,} classes in colour, a seeded choice; the rest grey."


def classes_tested(run):
    """Where the classes that test images of a `Run` have are among its names: where none are known, at the end."""
    return slice(0 if len(run.arrays["test_labels"]) else len(run.known_names), None)


def page(size, title, fontsize=12, **padding):
    """An empty figure with a bold title at the left; `padding` is that of its constrained layout, in inches."""
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    lines = balanced(title, int(72 * size[0] / (LETTER * fontsize)))
    figure.suptitle(lines, fontsize=fontsize, weight="bold", color=INK, x=0.01, ha="left")
    figure.get_layout_engine().set(**{"w_pad": 0.08, "h_pad": 0.08} | padding)
    return figure


def panels(figure, rows, columns, used, **options):
    """A grid of axes of which the first so many are used, and the others left blank."""
    grid = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for axes in grid[used:]:
        axes.set_axis_off()
    return grid


def as_png(figure, dpi="figure"):
    """A figure drawn as PNG."""
    use_fonts(figure)
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # Of each letter: `undrawable` says it once.
        figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()


def grid_shape(cells):
    """Rows and columns of a grid of panels: a row for up to three, else about as many rows as columns, at most six.

    Of two such grids, the one with fewer empty cells.
    """
    if cells <= 3:
        return 1, cells
    square = math.ceil(math.sqrt(cells))
    columns = min(min(6, square), min(6, square + 1), key=lambda columns: -cells % columns)
    return -(-cells // columns), columns


def balanced(title, width):
    """A title on as few lines of at most so many letters as it takes, all about as long: no word is left alone.

    A number stays with the word before it, as in "seed 0", also if it is filled up with `FIGURE_SPACE`s.
    """
    title = re.sub(rf" (?=[\d{FIGURE_SPACE}])", NO_BREAK, title)
    lines = len(textwrap.wrap(title, width))
    longest = max(1, *map(len, title.split(" ")))
    narrower = range(min(longest, width), width)
    filled = textwrap.fill(title, next((w for w in narrower if len(textwrap.wrap(title, w)) == lines), width))
    return filled.replace(NO_BREAK, " ").replace("$", r"\$")  # What is between two of them would be a formula.


def wrapped(name, width):
    """A loss's name on as many lines as it takes; lines of more than `width` letters break at spaces or underscores."""
    swap = str.maketrans("_-", "-_")  # Lines break after a hyphen.
    return textwrap.fill(name.translate(swap), width).translate(swap)


def stacked(texts, gap=0.0):
    """Vertical middle of each of some texts one below the other, and the height of all, in lines."""
    heights = [text.count("\n") + 1 + gap for text in texts]
    bottoms = np.cumsum(heights)
    return bottoms - np.divide(heights, 2), float(bottoms[-1])
