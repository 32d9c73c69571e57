"""Histograms of the distances between images."""

import textwrap

import numpy as np

from .style import DIFFERENT, INK, MUTED, SAME, page

LONGEST_COLUMN = 8  # Histograms one above the other.


def draw_distances(axes, bins, same, different, title="", scores="", below=False):
    """Histograms of the distances between images of the same class and of different classes, as densities.

    The scores are beside the title, or `below` it.
    """
    for counts, color, label in ((same, SAME, "same class"), (different, DIFFERENT, "different classes")):
        density = counts / max(counts.sum(), 1) / np.diff(bins)
        axes.stairs(density, bins, fill=True, color=color, alpha=0.55, label=label)
        axes.stairs(density, bins, color=color, linewidth=1)
    axes.set_xlim(bins[0], bins[-1])
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(colors=MUTED, labelsize=8)
    name = textwrap.shorten(title, 42, placeholder=" …")
    axes.set_title(name, fontsize=10, color=INK, loc="left", pad=17 if below and scores else None)
    if below:
        axes.annotate(
            scores, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", fontsize=9, color=MUTED
        )
    else:
        axes.set_title(scores, fontsize=9, color=MUTED, loc="right")


def distances_figure(title, rows, bins):
    """Distance histograms of one or more embeddings on one shared axis.

    Args:
        title: Title of the figure.
        rows: List of dicts of `draw_distances`' arguments but `bins`.
        bins: Bin edges of all histograms.
    """
    columns = 1 if len(rows) <= LONGEST_COLUMN else 3
    height = -(-len(rows) // columns)
    size = (8, 1.35 * height + 1.6) if columns == 1 else (5 * columns, 1.6 * height + 1.6)
    figure = page(size, title, h_pad=0.06)
    grid = figure.subplots(height, columns, sharex=True, squeeze=False).ravel()
    for axes in grid[len(rows) :]:
        axes.set_axis_off()
    for axes, row in zip(grid, rows, strict=False):
        draw_distances(axes, bins, below=columns > 1, **row)
    for axes in grid[max(0, len(rows) - columns) : len(rows)]:
        axes.tick_params(labelbottom=True)  # The last of each column, also where the column is shorter.
    # Above the last panel of the first row and its words: inside of it, a histogram could lie under the key.
    words = 4 if columns > 1 else 2.6 if rows[0].get("title") else 0.3
    last = grid[min(columns, len(rows)) - 1]
    last.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=words, ncols=2, fontsize=8, frameon=False)
    figure.supxlabel(
        "Euclidean distance between two test images, on L2-normalised embeddings; every pair, each curve of area 1",
        fontsize=9,
        color=MUTED,
    )
    return figure
