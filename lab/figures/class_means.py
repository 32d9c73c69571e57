"""How far apart are the classes?"""

import textwrap

import numpy as np
from matplotlib import patheffects
from matplotlib.patches import Rectangle
from scipy.spatial.distance import cdist, pdist, squareform

from lab.colored import TOLD_APART

from .names import WIDEST, shown_name, width_of
from .style import INK, MARK, MUTED, grid_shape, page, panels, wrapped

FRAME = [patheffects.withStroke(linewidth=4, foreground="white")]  # Seen on every colour of the map.
FARTHEST = 2  # Two vectors of length 1 are at most so far apart.
SCALE = (
    "Euclidean distance between class means of L2-normalised embeddings;\n"
    "framed, and named below: the nearest two classes"
)
SOME = " of the {shown} shown,\nof {all:,}: a seeded choice, each beside\nthe class nearest to it by {first}"
MOST_ROWS = 20


def class_means_figure(title, runs):
    """Heat maps of the distances between class means, a panel a `Run` of a dict by name, on one scale of colours.

    The nearest two classes of each panel are framed, and named below it. Of many classes some are shown, each beside
    the one that the first run has nearest to it.
    """
    first, run = next(iter(runs.items()))
    shown = _shown(run)
    class_names = [shown_name(run.known_names[number], WIDEST) for number in shown]
    rows, columns = grid_shape(len(runs))
    names = 0.06 * max(map(width_of, class_names))  # Inches, of the longest.
    size = max(5.2, 2.15 * columns + names + 0.4), 2.68 * rows + names + 1.3
    figure = page(size, title, hspace=0.04, wspace=0.02)
    grid = panels(figure, rows, columns, len(runs))
    for number, (axes, (name, run)) in enumerate(zip(grid, runs.items(), strict=False)):
        image = _draw_means(axes, name, squareform(pdist(run.arrays["class_means"][shown])), class_names)
        _name_classes(axes, class_names, number % columns == 0, number + columns >= len(runs))
    bar = figure.colorbar(image, ax=grid, location="bottom", shrink=0.5, aspect=40, pad=0.02)
    some = SOME.format(shown=len(shown), all=len(run.known_names), first=first)
    bar.set_label(f"{SCALE}{some if len(shown) < len(run.known_names) else ''}", color=MUTED, fontsize=9)
    bar.ax.tick_params(colors=MUTED, labelsize=8)
    bar.outline.set_visible(False)
    return figure


def _shown(run):
    """Numbers of the classes that have a row: of many, some that are told apart in maps, each with its nearest."""
    means = run.arrays["class_means"]
    if len(means) <= MOST_ROWS:
        return np.arange(len(means))
    colored = run.arrays.get("colored_classes", np.arange(TOLD_APART))
    chosen = colored[colored < len(means)][::2]
    distances = cdist(means[chosen], means)
    distances[np.arange(len(chosen)), chosen] = np.inf
    return np.array(list(dict.fromkeys(np.stack([chosen, distances.argmin(axis=1)], axis=1).ravel().tolist())))


def _draw_means(axes, name, distances, class_names):
    itself = np.eye(len(class_names), dtype=bool)  # Blank: no distance.
    image = axes.imshow(np.ma.masked_array(distances, itself), cmap="viridis", vmin=0, vmax=FARTHEST)
    apart = np.where(itself, np.inf, distances)
    first, second = sorted(map(int, np.unravel_index(apart.argmin(), apart.shape)))
    for x, y in ((first, second), (second, first)):
        axes.add_patch(
            Rectangle(
                (x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=MARK, linewidth=2, clip_on=False, path_effects=FRAME
            )
        )
    nearest = f"{class_names[first]} – {class_names[second]}: {distances[first][second]:.2f}"
    axes.set_title(wrapped(name, 24), fontsize=9, color=INK, loc="left", weight="bold")
    axes.set_xlabel(textwrap.fill(nearest, 32), fontsize=7.5, color=MUTED, loc="left")
    return image


def _name_classes(axes, class_names, at_left, at_bottom):
    """Class names on the outer sides of the grid alone."""
    slant = {"rotation": 90} if max(map(width_of, class_names)) > 3 else {}
    axes.set_xticks(range(len(class_names)), class_names if at_bottom else [""] * len(class_names), **slant)
    axes.set_yticks(range(len(class_names)), class_names if at_left else [""] * len(class_names))
    axes.tick_params(length=0, labelsize=7, labelcolor=MUTED)
    axes.spines[:].set_visible(False)
