"""What does an embedding take for alike? Some images and their nearest neighbours."""

import textwrap

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from .style import INK, LETTER, MARK, MUTED, page, wrapped

WIDTH_OF_ONE, WIDTH = 7.5, 10.5  # Inches of the page, for one embedding and for several.
MOST_ROWS_OF_TWO = 12  # With more losses, three queries are side by side, or the page would be too long.
GAP, AFTER_QUERY, CLASS_NAME, COUNT = 0.16, 0.4, 0.36, 1.3  # Room between and beside images, in sides of an image.
NOTE = (
    "Left: of each class, a test image that raw pixels are in doubt about (about half of its nearest are of its "
    "class). Then its nearest neighbours among the other test images, the nearest first. Framed: "
)


def neighbors_figure(title, rows, queries, images, labels, class_names):
    """Some images and the nearest neighbours that embeddings find of them; those of other classes are framed.

    Of one embedding, every query has a strip of large images, the class of each wrong neighbour written below it.
    Of several, every query has a block with a strip per embedding, its number of right neighbours written beside it.

    Args:
        title: Title of the figure.
        rows: List of dicts, one per embedding: `name`; `neighbors` `(q, k)`, the numbers of the images nearest to
            each query, the nearest first.
        queries: Numbers of images `(q,)`.
        images: `(n, side, side, 1)` or `(n, side, side, 3)`, uint8.
        labels: Class numbers `(n,)`.
        class_names: One name per class.

    Raises:
        ValueError: If an embedding has no neighbours of one of the queries, or another number of them.
    """
    neighbors = [np.asarray(row["neighbors"]) for row in rows]
    expected = (len(queries), neighbors[0].shape[-1])
    for row, found in zip(rows, neighbors, strict=True):
        if found.shape != expected:
            raise ValueError(f"{row['name']}: neighbours of shape {found.shape}, not {expected}")
    if len(rows) == 1:
        return _one(title, neighbors[0], queries, images, labels, class_names)
    return _comparison(title, [row["name"] for row in rows], neighbors, queries, images, labels, class_names)


def _one(title, neighbors, queries, images, labels, class_names):
    names = [class_names[labels[query]] for query in queries]
    room = WIDTH_OF_ONE - _inches(names, 9)
    strips = _Strips(images, labels, neighbors.shape[1], room, below=CLASS_NAME, beside=0)
    figure = page((WIDTH_OF_ONE, strips.inches(len(queries)) + 1.35), title)
    axes = figure.add_subplot()
    strips.draw(axes, queries, neighbors)
    for x, y, label in strips.wrong(queries, neighbors):
        middle, below = x + strips.side / 2, y + strips.side * 1.08
        axes.text(middle, below, class_names[label], ha="center", va="top", fontsize=7, color=MARK)
    axes.set_yticks(strips.middles(len(queries)), names)
    axes.tick_params(length=0, labelsize=9, labelcolor=INK)
    _write_note(figure, f"{NOTE}those of another class, which is named.")
    return figure


def _comparison(title, names, neighbors, queries, images, labels, class_names):
    k = neighbors[0].shape[1]
    names = [wrapped(name, 40) for name in names]
    columns = min(len(queries), 2 if len(names) <= MOST_ROWS_OF_TWO else 3)
    lines = -(-len(queries) // columns)
    strips = _Strips(images, labels, k, (WIDTH - _inches(names, 7)) / columns, below=GAP, beside=COUNT)
    figure = page((WIDTH, lines * (strips.inches(len(names)) + 0.4) + 1), title)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(queries) :]:
        axes.set_axis_off()
    for number, (axes, query) in enumerate(zip(grid, queries, strict=False)):
        found = np.stack([of_loss[number] for of_loss in neighbors])
        strips.draw(axes, [query], found)
        for y, right in zip(strips.middles(len(names)), (labels[found] == labels[query]).sum(axis=1), strict=True):
            style = {"color": MUTED} if right == k else {"color": MARK, "weight": "bold"}
            axes.text(strips.width, y, f"{right}/{k}", ha="right", va="center", fontsize=7.5, **style)
        axes.set_yticks(strips.middles(len(names)), names if number % columns == 0 else [""] * len(names))
        axes.tick_params(length=0, labelsize=7, labelcolor=INK)
        axes.set_title(class_names[labels[query]], fontsize=9, color=INK, loc="left", weight="bold")
    _write_note(figure, f"{NOTE}those of another class. Numbers: how many are of the image's class.")
    return figure


def _inches(names, fontsize):
    """About the width of some names at the left of the page, with the margins."""
    return 0.3 + max(len(line) for name in names for line in name.split("\n")) * LETTER * fontsize / 72


def _write_note(figure, note):
    figure.supxlabel(textwrap.fill(note, int(figure.get_figwidth() * 14)), fontsize=8.5, color=MUTED, x=0.01, ha="left")


class _Strips:
    """Strips of images one below the other, drawn as one picture: hundreds of axes would take minutes.

    Lengths are in pixels of the images, where nothing else is said.

    Args:
        images: `(n, side, side, channels)`, uint8.
        labels: Class numbers `(n,)`.
        k: Neighbours in a strip.
        room: Width on the page, in inches.
        below: Space below a strip, in sides of an image.
        beside: Space at the right of a strip, in sides of an image.
    """

    def __init__(self, images, labels, k, room, below, beside):
        self.images, self.labels, self.side = images, labels, images.shape[1]
        gap, after_query, below, beside = (round(part * self.side) for part in (GAP, AFTER_QUERY, below, beside))
        self.columns = [0, *(self.side + after_query + i * (self.side + gap) for i in range(k))]
        self.width = self.columns[-1] + self.side + beside
        self.line = self.side + below
        self.pixel = room / self.width  # Inches.

    def inches(self, lines):
        """Height of some strips on the page."""
        return lines * self.line * self.pixel

    def middles(self, lines):
        """Where the middle of each strip is."""
        return [line * self.line + self.side / 2 for line in range(lines)]

    def draw(self, axes, queries, neighbors):
        """Draws a strip per row of `neighbors`, each begun by its query; a single query is that of all strips."""
        canvas = np.full((len(neighbors) * self.line, self.width, self.images.shape[-1]), 255, np.uint8)
        for line, query in enumerate(queries):
            self._paste(canvas, 0, line, query)
        for line, found in enumerate(neighbors):
            for column, index in zip(self.columns[1:], found, strict=True):
                self._paste(canvas, column, line, index)
        axes.imshow(canvas.squeeze(), cmap="gray", vmin=0, vmax=255, extent=(0, self.width, len(canvas), 0))
        axes.add_collection(self._frames(self.wrong(queries, neighbors)), autolim=False)
        axes.set_xticks([])
        axes.spines[:].set_visible(False)

    def wrong(self, queries, neighbors):
        """Left and upper edge, and class, of each neighbour of another class than its query."""
        own = np.broadcast_to(self.labels[queries], len(neighbors))
        return [
            (column, line * self.line, self.labels[index])
            for line, found in enumerate(neighbors)
            for column, index in zip(self.columns[1:], found, strict=True)
            if self.labels[index] != own[line]
        ]

    def _frames(self, wrong):
        """Frames around images, as wide as fits between two of them."""
        out = GAP / 4 * self.side
        frames = [Rectangle((x - out, y - out), self.side + 2 * out, self.side + 2 * out) for x, y, _ in wrong]
        width = 1.5 * out * self.pixel * 72
        return PatchCollection(frames, facecolor="none", edgecolor=MARK, linewidth=width, clip_on=False)

    def _paste(self, canvas, column, line, index):
        top = line * self.line
        canvas[top : top + self.side, column : column + self.side] = self.images[index]
