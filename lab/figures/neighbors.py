"""What does an embedding take for alike? Some images and their nearest neighbours."""

import textwrap

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from .names import WIDEST, shown_name, width_of
from .style import INK, LETTER, MARK, MUTED, page, panels, wrapped

WIDTH_OF_ONE, WIDTH = 7.5, 10.5  # Inches of the page, for one embedding and for several.
HIGHEST = 14  # Inches of a page.
HEAD_OF_ONE, HEAD, BLOCK_TITLE = 1.2, 1, 0.4  # Inches that titles and the note take.
MOST_ROWS_OF_TWO = 12  # With more losses, three queries are side by side.
GAP, AFTER_QUERY, CLASS_NAME, COUNT = 0.16, 0.4, 0.36, 1.3  # Room between and beside images, in widths of an image.
NOTE = (
    "Left: of {}, a test image that raw pixels are in doubt about (about half of its nearest are of its "
    "class). Then its nearest neighbours among the other test images, at most as many as its class has others, the "
    "nearest first. Framed: "
)
NONE = -1  # In place of a class, where no image is shown.
LARGEST, TWO_LINES = 0.9, 0.36  # Inches of an image, and of a class name with a number below it.
SIMILAR_NOTE = (
    "Left: the image as the network gets it. Then the most similar ones, the most similar first, with their classes "
    "and their distances by L2-normalised embeddings."
)


def neighbors_pages(title, runs):
    """Some images and the nearest neighbours that `Run`s, a dict by name, find of them; wrong ones are framed.

    Of one run, every query has a strip of large images, the class of each wrong neighbour written below it. Of
    several, every query has a block with a strip per run, its number of right neighbours written beside it.

    Returns:
        List of figures, as many as it takes for none to be too long for a page.
    """
    class_names = next(iter(runs.values())).judged_names
    images = np.stack([run.arrays["strip_images"] for run in runs.values()])
    labels = np.stack([strip_labels(run) for run in runs.values()])
    queries = labels.shape[1]
    note = NOTE.format("each class" if queries == len(class_names) else f"{queries} of {len(class_names):,} classes")
    if len(runs) == 1:
        return _pages_of_one(title, images[0], labels[0], class_names, note)
    return _pages_of_several(title, list(runs), images, labels, class_names, note)


def strip_labels(run):
    """The classes `(q, 1 + k)` of some images and of their neighbours that are shown, `NONE` in place of the others.

    Of a class with fewer than `k` others as many are shown as it has: more could not all be right.
    """
    labels = run.arrays["strip_labels"]
    others = np.bincount(run.arrays.get("unknown_labels", run.arrays["test_labels"]))[labels[:, :1]] - 1
    return np.where(np.arange(labels.shape[1]) <= others, labels, NONE)


def _pages_of_one(title, images, labels, class_names, note):
    width = WIDTH_OF_ONE - _inches([shown_name(class_names[query], WIDEST) for query in labels[:, 0]], 9)
    strips = _Strips(images, width, below=CLASS_NAME, beside=0)
    return [
        _one(part, strips, images[shown], labels[shown], class_names, note)
        for part, shown in _parts(title, len(labels), strips.inches(1), HIGHEST - HEAD_OF_ONE)
    ]


def _one(title, strips, images, labels, class_names, note):
    figure = page((WIDTH_OF_ONE, strips.inches(len(labels)) + HEAD_OF_ONE), title)
    axes = figure.add_subplot()
    strips.draw(axes, images, labels)
    for x, y, label in strips.wrong(labels):
        middle, below = x + strips.side / 2, y + strips.height + strips.side * 0.08
        name = shown_name(class_names[label], int(72 * (1 + GAP) * strips.side * strips.pixel / (7 * LETTER)))
        axes.text(middle, below, name, ha="center", va="top", fontsize=7, color=MARK)
    axes.set_yticks(strips.middles(len(labels)), [shown_name(class_names[query], WIDEST) for query in labels[:, 0]])
    axes.tick_params(length=0, labelsize=9, labelcolor=INK)
    _write_note(figure, f"{note}those of another class, which is named.")
    return figure


def _pages_of_several(title, names, images, labels, class_names, note):
    names = [wrapped(name, 40) for name in names]
    columns = min(labels.shape[1], 2 if len(names) <= MOST_ROWS_OF_TWO else 3)
    strips = _Strips(images[0], (WIDTH - _inches(names, 7)) / columns, below=GAP, beside=COUNT)
    height = strips.inches(len(names)) + BLOCK_TITLE
    return [
        _several(part, names, strips, columns, images[:, shown], labels[:, shown], class_names, note)
        for part, shown in _parts(title, labels.shape[1], height, HIGHEST - HEAD, columns)
    ]


def _several(title, names, strips, columns, images, labels, class_names, note):
    queries = labels.shape[1]
    lines = -(-queries // columns)
    figure = page((WIDTH, lines * (strips.inches(len(names)) + BLOCK_TITLE) + HEAD), title)
    grid = panels(figure, lines, columns, queries)
    for number, axes in enumerate(grid[:queries]):
        found = labels[:, number]
        possible = (found[0, 1:] != NONE).sum()
        strips.draw(axes, images[:, number], found, same_query=True)
        for y, right in zip(strips.middles(len(names)), (found[:, 1:] == found[:, :1]).sum(axis=1), strict=True):
            style = {"color": MUTED} if right == possible else {"color": MARK, "weight": "bold"}
            axes.text(strips.width, y, f"{right}/{possible}", ha="right", va="center", fontsize=7.5, **style)
        axes.set_yticks(strips.middles(len(names)), names if number % columns == 0 else [""] * len(names))
        axes.tick_params(length=0, labelsize=7, labelcolor=INK)
        axes.set_title(shown_name(class_names[found[0, 0]], WIDEST), fontsize=9, color=INK, loc="left", weight="bold")
    _write_note(figure, f"{note}those of another class. Numbers: how many are of the image's class.")
    return figure


def _parts(title, queries, height, room, columns=1):
    """The title of each page, and which of so many queries it shows: lines of one height in so much room."""
    lines = -(-queries // columns)
    pages = -(-lines // max(1, int(room / height)))
    each = -(-lines // pages) * columns
    for number in range(pages):
        part = f"{title} ({number + 1} of {pages})" if pages > 1 else title
        yield part, slice(number * each, (number + 1) * each)


def _inches(names, fontsize):
    """About the width of some names at the left of the page, with the margins."""
    return 0.3 + max(width_of(line) for name in names for line in name.split("\n")) * LETTER * fontsize / 72


def _write_note(figure, note):
    figure.supxlabel(textwrap.fill(note, int(figure.get_figwidth() * 14)), fontsize=8.5, color=MUTED, x=0.01, ha="left")


def similar_pages(title, names, images, classes, distances):
    """Some images, and beside each those most similar to it, the most similar first.

    Args:
        title: Of every page.
        names: Of the images, `(q,)`.
        images: `(q, 1 + k, height, width, channels)`, uint8: each image, and those similar to it.
        classes, distances: Names and numbers `(q, k)`, written below those similar.

    Returns:
        List of figures, as many as it takes for none to be too long for a page.
    """
    names, k = [shown_name(name, WIDEST) for name in names], images.shape[1] - 1
    room = min(WIDTH_OF_ONE - _inches(names, 9), LARGEST * (1 + k))
    side = room / (1 + AFTER_QUERY + k * (1 + GAP))
    strips = _Strips(images, room, below=TWO_LINES / side, beside=0)
    return [
        _similar(part, strips, *(found[shown] for found in (names, images, classes, distances)))
        for part, shown in _parts(title, len(names), strips.inches(1), HIGHEST - HEAD_OF_ONE)
    ]


def _similar(title, strips, names, images, classes, distances):
    figure = page((WIDTH_OF_ONE, strips.inches(len(names)) + HEAD_OF_ONE), title)
    axes = figure.add_subplot()
    strips.draw(axes, images, np.zeros(images.shape[:2], int))  # All of one class: none is wrong.
    axes.set_anchor("W")
    letters = int(strips.side * (1 + GAP) * strips.pixel * 72 / (LETTER * 7))
    for line, (of_line, away) in enumerate(zip(classes, distances, strict=True)):
        for x, name, distance in zip(strips.columns[1:], of_line, away, strict=True):
            middle, below = x + strips.side / 2, line * strips.line + strips.height + strips.side * 0.04
            text = f"{shown_name(name, letters)}\n{distance:.2f}"
            axes.text(middle, below, text, ha="center", va="top", fontsize=7, color=INK)
    axes.set_yticks(strips.middles(len(names)), names)
    axes.tick_params(length=0, labelsize=9, labelcolor=INK)
    _write_note(figure, SIMILAR_NOTE)
    return figure


class _Strips:
    """Strips of images one below the other, drawn as one picture: hundreds of axes would take minutes.

    Lengths are in pixels of the images, where nothing else is said.

    Args:
        images: `(q, 1 + k, height, side, channels)`, uint8: strips of this shape are drawn.
        room: Width on the page, in inches.
        below: Space below a strip, in widths of an image.
        beside: Space at the right of a strip, in widths of an image.
    """

    def __init__(self, images, room, below, beside):
        k, self.height, self.side = images.shape[1] - 1, *images.shape[2:4]
        gap, after_query, below, beside = (round(part * self.side) for part in (GAP, AFTER_QUERY, below, beside))
        self.columns = [0, *(self.side + after_query + i * (self.side + gap) for i in range(k))]
        self.width = self.columns[-1] + self.side + beside
        self.line = self.height + below
        self.pixel = room / self.width  # Inches.

    def inches(self, lines):
        """Height of some strips on the page."""
        return lines * self.line * self.pixel

    def middles(self, lines):
        """Where the middle of each strip is."""
        return [line * self.line + self.height / 2 for line in range(lines)]

    def draw(self, axes, images, labels, same_query=False):
        """Draws a strip per row, begun by its query; a query that all strips share is drawn once."""
        canvas = np.full((len(images) * self.line, self.width, images.shape[-1]), 255, np.uint8)
        for line, strip in enumerate(images):
            top = line * self.line
            for number, (column, image) in enumerate(zip(self.columns, strip, strict=True)):
                if labels[line][number] != NONE and (number or not (line and same_query)):
                    canvas[top : top + self.height, column : column + self.side] = image
        axes.imshow(canvas.squeeze(), cmap="gray", vmin=0, vmax=255, extent=(0, self.width, len(canvas), 0))
        axes.add_collection(self._frames(self.wrong(labels)), autolim=False)
        axes.set_xticks([])
        axes.spines[:].set_visible(False)

    def wrong(self, labels):
        """Left and upper edge, and class, of each neighbour of another class than its query."""
        return [
            (column, line * self.line, label)
            for line, (query, *found) in enumerate(labels)
            for column, label in zip(self.columns[1:], found, strict=True)
            if label not in (query, NONE)
        ]

    def _frames(self, wrong):
        """Frames around images, as wide as fits between two of them."""
        out = GAP / 4 * self.side
        frames = [Rectangle((x - out, y - out), self.side + 2 * out, self.height + 2 * out) for x, y, _ in wrong]
        width = 1.5 * out * self.pixel * 72
        return PatchCollection(frames, facecolor="none", edgecolor=MARK, linewidth=width, clip_on=False)
