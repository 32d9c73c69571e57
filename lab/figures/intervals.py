"""Is a difference more than chance? Means and their intervals, a line a loss."""

import textwrap

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .style import INK, LETTER, MUTED, SAME, page, stacked, wrapped

LINE, GAP = 0.15, 0.7  # Inches of a line of a label; lines between two losses.
COLUMN, LABEL_SIZE = 2.1, 8.5  # Inches of a column; points.
NARROWEST = 7.2  # Inches that the key takes.
NOTE = (
    "Dots are means over {units}, bars their 95 % intervals; what has one run has no bar, a loss without such a score "
    "no dot. Differences are judged run by run, so that bars may overlap. Arrows point to raw pixels off the scale."
)
COLORS = {"baseline": MUTED, "reference": INK, "loss": SAME}
DOT = {"marker": "o", "markersize": 5.5, "markeredgewidth": 1.4}


def intervals_figure(title, results):
    """Means of the headline scores of `Results` with their 95 % intervals, a line a loss and a column a score.

    Filled dots are distinguishable from softmax. A score that no loss has has no column.
    """
    names = [name for name in results.protocol.headlines if any(row.scores(name) for row in results.losses)]
    labels = [_label(row) for row in results.rows]
    places, lines = stacked(labels, GAP)
    letters = max(len(line) for label in labels for line in label.split("\n"))
    width = max(NARROWEST, 0.3 + letters * LETTER * LABEL_SIZE / 72 + COLUMN * len(names))
    figure = page((width, LINE * lines + 1.8), title, wspace=0.04)
    grid = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    grid[0].set_ylim(lines, 0)
    grid[0].set_yticks(places, labels)
    for axes, name in zip(grid, names, strict=True):
        _draw_column(axes, results, name, places)
    _draw_key(figure, textwrap.fill(NOTE.format(units=results.protocol.units), int(13 * width)))
    return figure


def _label(row):
    name = wrapped(row.first.name, 36)
    return f"{name}\nfailed: {row.failures}" if row.failed else name


def _draw_column(axes, results, name, places):
    score, found = results.protocol.scores[name], results.against_softmax(name)
    low, high = _scale([row.interval(name) for row in results.losses])
    for row, place in zip(results.rows, places, strict=True):
        axes.axhline(place, color="#eeeeee", linewidth=0.8, zorder=0)
        interval = row.interval(name)
        if interval is None:
            continue
        if row.first.role == "reference":
            axes.axvline(interval.mean, color=INK, linewidth=1, zorder=1)
        if low <= interval.mean <= high:
            distinguishable = row.key in found and found[row.key].distinguishable
            _draw_interval(
                axes, place, interval, distinguishable or row.first.role == "reference", COLORS[row.first.role]
            )
        else:
            _draw_arrow(axes, place, interval.mean > high, score.text(interval.mean))
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: score.text(number)))
    axes.grid(axis="x", color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#cccccc")
    axes.tick_params(axis="x", colors=MUTED, labelsize=8)
    axes.tick_params(axis="y", length=0, labelsize=LABEL_SIZE, labelcolor=INK)
    axes.set_title(score.header, fontsize=10, color=INK, loc="left", weight="bold")


def _scale(intervals):
    """Limits that hold all means and bars of the losses, with some room."""
    known = [(found.mean, np.nan_to_num(found.half_width)) for found in intervals if found is not None]
    low, high = min(mean - half for mean, half in known), max(mean + half for mean, half in known)
    room = 0.06 * (high - low) or 0.01 * abs(high) or 1
    return low - room, high + room


def _draw_interval(axes, place, score, filled, color):
    if score.half_width > 0:  # Not NaN.
        ends = [score.mean - score.half_width, score.mean + score.half_width]
        axes.plot(ends, [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
    axes.plot([score.mean], [place], color=color, markerfacecolor=color if filled else "white", **DOT)


def _draw_arrow(axes, place, at_right, number):
    """An arrow at the edge, to a value beyond it."""
    edge, inside, side = (1, -1, "right") if at_right else (0, 1, "left")
    axes.annotate(
        number, (edge, place), (14 * inside, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
        ha=side, va="center", fontsize=8, color=MUTED, annotation_clip=False,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        arrowprops={"arrowstyle": "->", "color": MUTED, "shrinkA": 1, "shrinkB": 0},
    )  # fmt: skip


def _draw_key(figure, note):
    undecided = "not distinguishable, or too few runs to say"
    handles = [
        Line2D([], [], linestyle="", color=SAME, label="distinguishable from softmax", **DOT),
        Line2D([], [], linestyle="", color=SAME, label=undecided, markerfacecolor="white", **DOT),
        Line2D([], [], color=INK, linewidth=1, label="mean of softmax"),
    ]
    legend = figure.legend(
        handles=handles, loc="outside lower left", ncols=3, fontsize=8.5, frameon=False, labelcolor=INK,
        title=note, title_fontsize=8.5, alignment="left",
    )  # fmt: skip
    legend.get_title().set_color(MUTED)
