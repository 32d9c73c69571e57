"""Which losses differ from softmax, and by how much? Paired differences with their intervals, a line a loss."""

import textwrap

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from evaluation.significance import Interval
from lab.settings import REFERENCE

from .style import DIFFERENT, INK, LETTER, MUTED, SAME, page, stacked, wrapped

LINE, GAP = 0.15, 0.7  # Inches of a line of a label; lines between two losses.
COLUMN, LABEL_SIZE, NUMBER_SIZE = 2.15, 8.5, 8  # Inches of a column; points.
NARROWEST = 7.2  # Inches that the key takes.
# Half of an axis shows at least the smallest difference that matters, of a fraction in percent and of any other score,
# so that chance does not fill it; and at most so many times what most losses take, so that one does not squeeze all.
SMALLEST, SMALLEST_OF_PERCENT, LARGEST = 0.01, 0.005, 3

BETTER, WORSE, UNDECIDED, SOFTMAX, MEAN, ALONE = LOOKS = (
    {"label": "better than softmax", "color": SAME, "marker": ">"},
    {"label": "worse than softmax", "color": DIFFERENT, "marker": "<"},
    {"label": "not distinguishable from softmax", "color": MUTED, "marker": "o", "markerfacecolor": "white"},
    {"label": "softmax, the reference", "color": INK, "marker": "o"},
    {"label": "mean with the loss's own 95 % interval", "color": INK, "marker": "o"},
    {"label": "a single number, without an interval", "color": MUTED, "marker": "o", "markerfacecolor": "white"},
)
DOT = {"markersize": 5.5, "markeredgewidth": 1.4, "linestyle": ""}
TESTED = (
    "Marks are differences to softmax, run by run; numbers beside them are means over {units}. Right is better. The "
    "intervals of a column hold together with 95 % (Bonferroni). At an edge, an arrow says that an interval goes on, a "
    "number that the difference lies beyond. No mark: raw pixels, fewer than two {units} in common with softmax, or no "
    "such score."
)
OF_ONE = (
    "Scores of one {unit}: one {unit} tells nothing from chance, however large a difference looks. Right is better. At "
    "an edge, a number says that the score lies beyond. Raw pixels have numbers alone."
)
UNTESTED = (
    "Means over {units}, each with its own 95 % interval: nothing is compared. Right is better. At an edge, an arrow "
    "says that an interval goes on, a number that the mean lies beyond."
)


def intervals_figure(title, results):
    """The headline scores of `Results` against softmax, a line a loss and a column a score; right is always better.

    Differences have the intervals of the test that decides. Where there is nothing to test, for want of softmax or of
    a second seed, the means are shown, each with its own interval. A score that no loss has has no column.
    """
    names = [name for name in results.protocol.headlines if any(row.scores(name) for row in results.losses)]
    tested = any(results.against_softmax(name) for name in names)
    labels = [_label(row) for row in results.rows]
    places, lines = stacked(labels, GAP)
    letters = max(len(line) for label in labels for line in label.split("\n"))
    width = max(NARROWEST, 0.3 + letters * LETTER * LABEL_SIZE / 72 + COLUMN * len(names))
    figure = page((width, LINE * lines + 2), title, wspace=0.04)
    grid = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    grid[0].set_ylim(lines, 0)
    grid[0].set_yticks(places, labels)
    drawn = [_draw_column(axes, results, name, places, tested) for axes, name in zip(grid, names, strict=True)]
    note = TESTED if tested else OF_ONE if results.most_units < 2 else UNTESTED
    note = note.format(unit=results.protocol.unit, units=results.protocol.units)
    _draw_key(figure, textwrap.fill(note, int(13 * width)), [look for look in LOOKS if any(look in d for d in drawn)])
    return figure


def _label(row):
    name = wrapped(row.first.name, 36)
    return f"{name}\nfailed: {row.failures}" if row.failed else name


def _draw_column(axes, results, name, places, tested):
    """Draws what is known of a score, and gives the looks that it took."""
    score = results.protocol.scores[name]
    marks = _differences(results, name) if tested else _means(results, name)
    middle, half = _scale([found for found, _ in marks.values()], score, tested)
    # A t-interval of two values may go far beyond what a score, or a difference of two, can be.
    least, most = np.subtract(score.limits, score.limits[::-1]) if tested else score.limits
    low, high = max(middle - half, least), min(middle + half, most)
    axes.set_xlim(*(low, high)[:: score.better])  # Right is better.
    axes.set_xticks([tick for tick in _ticks(middle, half) if low <= tick <= high])
    if tested:
        axes.axvline(0, color=INK, linewidth=1, zorder=1)
    means = [row.interval(name) for row in results.rows]
    numbers = ["–" if mean is None else score.text(mean.mean) for mean in means]
    room = 6 + LETTER * NUMBER_SIZE * max(map(len, numbers))
    for row, place, number in zip(results.rows, places, numbers, strict=True):
        axes.axhline(place, color="#eeeeee", linewidth=0.8, zorder=0)
        axes.annotate(
            number, (1, place), (room, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
            ha="right", va="center", fontsize=NUMBER_SIZE, color=INK, annotation_clip=False,
        )  # fmt: skip
        if row.key in marks:
            _draw_mark(axes, place, *marks[row.key], lambda value: score.text(value, "+" if tested else ""))
    _style(axes, score, "+" if tested else "")
    return [look for _, look in marks.values()]


def _differences(results, name):
    """Dict from a row's key to its `Interval` around softmax and how that looks."""
    better = results.protocol.scores[name].better
    found = {REFERENCE: (Interval(0, np.nan), SOFTMAX)}
    for key, comparison in results.against_softmax(name).items():
        verdict = BETTER if better * comparison.difference.mean > 0 else WORSE
        found[key] = comparison.difference, verdict if comparison.distinguishable else UNDECIDED
    return found


def _means(results, name):
    """The same of the means of the losses, which nothing is said of."""
    means = {row.key: row.interval(name) for row in results.losses}
    return {
        key: (mean, ALONE if np.isnan(mean.half_width) else MEAN) for key, mean in means.items() if mean is not None
    }


def _scale(intervals, score, tested):
    """The middle of an axis and half its width."""
    middle = 0 if tested else np.median([found.mean for found in intervals])
    reaches = [abs(found.mean - middle) + np.nan_to_num(found.half_width) for found in intervals]
    usual = np.median([reach for reach in reaches if reach > 0] or [0])
    smallest = SMALLEST_OF_PERCENT if score.percent else SMALLEST
    return middle, 1.1 * max(smallest, min(max(reaches), LARGEST * usual))


def _ticks(middle, half):
    """Two or three round numbers on an axis."""
    power = 10 ** np.floor(np.log10(half))
    step = power * max(digit for digit in (1, 2, 5) if digit * power <= half)
    ticks = step * (np.round(middle / step) + np.arange(-1, 2))
    return ticks[abs(ticks - middle) <= half]


def _draw_mark(axes, place, found, look, text):
    """A mean and its interval: a bar beyond an edge is an arrow there, a mean beyond it a mark with its number."""
    low, high = sorted(axes.get_xlim())
    half = np.nan_to_num(found.half_width)
    if half:
        ends = np.clip([found.mean - half, found.mean + half], low, high)
        axes.plot(ends, [place, place], color=look["color"], linewidth=1.6, solid_capstyle="butt")
    mean = np.clip(found.mean, low, high)
    axes.plot([mean], [place], **look | DOT, clip_on=False)
    if mean != found.mean:
        _beside_edge(axes, place, mean, 8, text(found.mean))
        return
    for edge, beyond in ((low, found.mean - half < low), (high, found.mean + half > high)):
        if beyond:
            _beside_edge(axes, place, edge, 9, arrowprops={"arrowstyle": "->", "color": look["color"], "shrinkB": 0})


def _beside_edge(axes, place, edge, points, text="", arrowprops=None):
    """A text so far inside of an edge, above the bar, or an arrow from there to it."""
    at_right = edge == axes.get_xlim()[1]
    axes.annotate(
        text, (edge, place), (-points if at_right else points, 0), textcoords="offset points",
        ha="right" if at_right else "left", va="bottom", fontsize=NUMBER_SIZE, color=INK, arrowprops=arrowprops,
    )  # fmt: skip


def _style(axes, score, sign):
    scale = 100 if score.percent else 1
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{scale * value:{sign if value else ''}g}"))
    axes.grid(axis="x", color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#cccccc")
    axes.tick_params(axis="x", colors=MUTED, labelsize=8)
    axes.tick_params(axis="y", length=0, pad=6, labelsize=LABEL_SIZE, labelcolor=INK)
    axes.set_xlabel("better →", fontsize=8, color=MUTED, loc="right")
    axes.set_title(score.header, fontsize=10, color=INK, loc="left", weight="bold")


def _draw_key(figure, note, looks):
    legend = figure.legend(
        handles=[Line2D([], [], **look | DOT) for look in looks], loc="outside lower left", ncols=len(looks),
        fontsize=8.5, frameon=False, labelcolor=INK, title=note, title_fontsize=8.5, alignment="left",
    )  # fmt: skip
    legend.get_title().set_color(MUTED)
