"""Names of classes among their points."""

import math
import unicodedata

import numpy as np
from matplotlib import patheffects
from scipy.spatial.distance import cdist

from .style import INK, LETTER

HALO = [patheffects.withStroke(linewidth=2.5, foreground="white")]
LINE = 1.1  # Height of a letter over the size of its font.
MANY = 20  # With more classes names are smaller, and those are left out that would cover others.
WIDEST = 20  # Letters of a name.
NEAR = 0.1  # Side of the square around a point in which its class is counted, as a share of the panel.


def shown_name(name, widest):
    """A class's name as pictures have it: on one line, shortened in the middle if it is wider than so many letters."""
    text = " ".join(str(name).split())  # It may be a number.
    if width_of(text) > widest:
        begin = _of_width(text, (widest - 1) // 2)
        end = _of_width(text[::-1], widest - 1 - width_of(begin))[::-1]
        text = f"{begin}…{end}"
    return text.replace("$", r"\$")  # Or what is between two of them would be set as a formula.


def width_of(text):
    """Width in letters: those of Chinese, Japanese and Korean take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _of_width(text, width):
    """The beginning of a text that is no wider."""
    widths = np.cumsum([width_of(letter) for letter in text])
    return text[: np.searchsorted(widths, width, "right")]


def name_classes(axes, points, labels, class_names, fontsize, above=False):
    """Names each class where its points are, or just above; names stay inside of the square panel and apart.

    Of more classes than can be named, those are named whose names can be read.
    """
    named = np.unique(labels)
    fontsize *= math.sqrt(MANY / max(MANY, len(named)))
    shown = {label: shown_name(class_names[label], WIDEST) for label in named}
    frame = np.array([axes.get_xlim(), axes.get_ylim()])
    # Panels grow when the figure is laid out, never shrink: the names take less room than is kept for them.
    point = np.ptp(frame[0]) / min(axes.bbox.size) * axes.get_figure().dpi / 72
    sizes = {label: fontsize * point * np.array([LETTER * width_of(name), LINE]) for label, name in shown.items()}
    for label, place in _places(points, labels, sizes, frame, 0 if len(class_names) > MANY else math.inf).items():
        if above:
            place = np.add(place, (0, min(sizes[label][1], frame[1, 1] - place[1] - sizes[label][1] / 2)))
        axes.text(
            *place, shown[label], color=INK, fontsize=fontsize, weight="bold", ha="center", va="center", zorder=5,
            path_effects=HALO,
        )  # fmt: skip


def _places(points, labels, sizes, frame, most):
    """Where each class is named: at the most central of its points whose name covers least of the other names.

    A real point, as the mean of a class may lie outside of it, and one of the quarter that lies densest, as a name at a
    stray one would seem to belong to nothing. `sizes` are the width and the height of each name, `frame` the limits
    `(2, 2)` of the axes, which names do not leave. A name of which more than a share `most` is covered has no place.
    """
    places = {}
    for label, size in sizes.items():
        own = points[labels == label]
        around = np.maximum(size, NEAR * np.ptp(frame, axis=1))
        beside = (cdist(own / around, own / around, "chebyshev") < 0.5).sum(axis=1)
        dense = beside >= np.quantile(beside, 0.75)
        central = own[dense][cdist(own[dense], own).sum(axis=1).argsort()]
        candidates = np.clip(central, frame[:, 0] + size / 2, frame[:, 1] - size / 2)
        covered = np.zeros(len(candidates))
        for other, place in places.items():
            shared = (size + sizes[other]) / 2 - np.abs(candidates - place)
            covered += shared.clip(0).prod(axis=1)
        covered = (covered / size.prod()).round(6)
        if covered.min() <= most:
            places[label] = candidates[covered.argmin()]
    return places
