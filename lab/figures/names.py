"""Names of classes among their points."""

import numpy as np
from matplotlib import patheffects
from scipy.spatial.distance import cdist

from .style import INK, LETTER

HALO = [patheffects.withStroke(linewidth=2.5, foreground="white")]
LINE = 1.1  # Height of a letter over the size of its font.


def name_classes(axes, points, labels, class_names, fontsize):
    """Names each class where its points are; names stay inside of the square panel and apart from each other."""
    class_names = list(map(str, class_names))  # They may be numbers.
    frame = np.array([axes.get_xlim(), axes.get_ylim()])
    # Panels grow when the figure is laid out, never shrink: the names take less room than is kept for them.
    point = np.ptp(frame[0]) / min(axes.bbox.size) * axes.get_figure().dpi / 72
    sizes = {
        label: fontsize * point * np.array([LETTER * len(class_names[label]), LINE]) for label in np.unique(labels)
    }
    for label, place in _places(points, labels, sizes, frame).items():
        axes.text(
            *place, class_names[label], color=INK, fontsize=fontsize, weight="bold", ha="center", va="center", zorder=5,
            path_effects=HALO,
        )  # fmt: skip


def _places(points, labels, sizes, frame):
    """Where each class is named: at the most central of its points whose name covers no other name.

    A real point, as the mean of a class may lie outside of it. If none is free, above or below the most central.
    `sizes` are the width and the height of each name, `frame` the limits `(2, 2)` of the axes.
    """
    places = {}
    for label, size in sizes.items():
        candidates = _candidates(points[labels == label], size[1])
        candidates = np.clip(candidates, frame[:, 0] + size / 2, frame[:, 1] - size / 2)
        room = np.ones(len(candidates))  # Less than one where the name would cover another.
        for other, place in places.items():
            apart = np.abs(candidates - place) / (size + sizes[other]) * 2
            room = np.minimum(room, apart.max(axis=1).round(6))
        places[label] = candidates[room.argmax()]
    return places


def _candidates(points, line):
    """The points, the most central first, then places some lines above and below it."""
    central = points[cdist(points, points).sum(axis=1).argsort()]
    beside = [central[0] + [0, sign * number * line] for number in range(1, 20) for sign in (1, -1)]
    return np.concatenate([central, beside])
