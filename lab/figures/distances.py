"""Histograms of the distances between images."""

import numpy as np

from lab.protocols import DISTANCE_BINS

from .style import DIFFERENT, INK, MUTED, SAME, page, panels, wrapped

LONGEST_COLUMN = 8  # Histograms one above the other.
LONGEST_NAME = 42  # Letters on a line beside the scores.
DISTANCES = "Euclidean distance between two test images, on L2-normalised embeddings; every pair, each curve of area 1"
OWN_HEIGHTS = ".\nEach panel has a height of its own: compare where the curves lie, not how high they are."


def draw_distances(axes, bins, same, different, title="", scores="", below=False):
    """Histograms of the distances between images of the same class and of different classes, as densities.

    Args:
        axes: Axes.
        bins: Limits of the bins `(k + 1,)`, ascending.
        same, different: Numbers `(k,)` of the pairs of images of one class, and of two, in each bin.
        title: Title of the panel.
        scores: Words beside the title.
        below: Whether they are below it, where the panel is narrow.
    """
    for counts, color, label in ((same, SAME, "same class"), (different, DIFFERENT, "different classes")):
        density = counts / max(counts.sum(), 1) / np.diff(bins)
        axes.stairs(density, bins, fill=True, color=color, alpha=0.55, label=label)
        axes.stairs(density, bins, color=color, linewidth=1)
    axes.set_xlim(bins[0], bins[-1])
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(colors=MUTED, labelsize=8)
    axes.set_title(title, fontsize=10, color=INK, loc="left", pad=17 if below and scores else None)
    if below:
        axes.annotate(
            scores, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", fontsize=9, color=MUTED
        )
    else:
        axes.set_title(scores, fontsize=9, color=MUTED, loc="right")


def distances_figure(title, runs, named=True):
    """Distance histograms of some `Run`s, a dict by name, on one shared axis; each `named`, with its scores, or not."""
    columns = 1 if len(runs) <= LONGEST_COLUMN else 3
    height = -(-len(runs) // columns)
    runs = {wrapped(name, LONGEST_NAME): run for name, run in runs.items()}
    more = max(name.count("\n") for name in runs) if named else 0  # Lines.
    high = 0.17 * more + (1.35 if columns == 1 else 1.6)
    size = (8 if columns == 1 else 5 * columns), high * height + 1.6
    figure = page(size, title, h_pad=0.06)
    grid = panels(figure, height, columns, len(runs), sharex=True)
    for axes, (name, run) in zip(grid, runs.items(), strict=False):
        words = {"title": name, "scores": run.protocol.line(run.scores), "below": columns > 1} if named else {}
        draw_distances(axes, DISTANCE_BINS, run.arrays["same_pairs"], run.arrays["different_pairs"], **words)
    for axes in grid[max(0, len(runs) - columns) : len(runs)]:
        axes.tick_params(labelbottom=True)  # The last of each column, also where the column is shorter.
    # Above the last panel of the first row and its words: inside of it, a histogram could lie under the key.
    room = 4 if columns > 1 else 2.6 if named else 0.3
    room += 1.5 * more
    last = grid[min(columns, len(runs)) - 1]
    last.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=room, ncols=2, fontsize=8, frameon=False)
    figure.supxlabel(f"{DISTANCES}{OWN_HEIGHTS if len(runs) > 1 else ''}", fontsize=9, color=MUTED)
    return figure
