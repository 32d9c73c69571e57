"""Verification: which share of the pairs of one class is accepted, at which share of false accepts?"""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .style import INK, MUTED, page, stacked, wrapped

KEY_FAR = 1e-3  # The curves are listed by their TAR here.
MOST_COLORS = 10  # With more curves, those in the middle are grey.
EXTREMES = 3  # So many of the best and of the worst then keep their colours.
COLORS = ("#3f90da", "#bd1f01", "#832db6", "#ffa90e", "#a96b59", "#e76300", "#92dadd", "#b9ac70")  # petroff10
DASHES = ("-", "--", "-.")
IN_BETWEEN = {"color": "#c4c4c4", "linewidth": 0.8, "zorder": 1.5}
PERCENTAGES = (0.1, 0.3, 1, 3, 10, 25, 50, 75, 90, 97, 99, 99.7, 99.9, 99.97)
LINE = 0.18  # Inches from one line of the key to the next.
COLUMNS = 0.25, 0.39  # Right ends of the key's numbers.
NOTE = (
    f"In colour: the {EXTREMES} best and the {EXTREMES} worst losses by their TAR at FAR $10^{{-3}}$, besides "
    "softmax (black) and raw pixels (dotted). Grey: those between."
)
# The same for every picture, so that two can be laid side by side.
FAR_LIMITS, TAR_LIMITS = (1e-5, 1), (0.001, 0.9997)
SMALLEST = 1e-6  # The logit of 0 and of 1 is infinite.


def roc_figure(title, runs):
    """Verification ROC curves of `Run`s, a dict by name, and a key in the order of the TAR at FAR 1e-3.

    All such figures have the same scales.
    """
    names, runs = zip(*sorted(runs.items(), key=lambda item: _key_tar(item[1]), reverse=True), strict=True)
    names = [wrapped(name, 36) for name in names]
    places, lines = stacked(names)
    height = max(6.4, LINE * (lines + 2) + 1.2)
    figure = page((11, height), title)
    axes, key = figure.subplots(1, 2, width_ratios=(1.35, 1))
    styles = _styles([run.role for run in runs])
    for run, style in zip(runs, styles, strict=True):
        axes.plot(run.arrays["roc_fars"], np.clip(run.arrays["roc_tars"], SMALLEST, 1 - SMALLEST), **style)
    _draw_scales(axes)
    key.set_axis_off()
    key.set_xlim(0, 1)
    key.set_ylim((height - 1.2) / LINE, 0)
    for x, heading in zip(COLUMNS, ("TAR at\nFAR $10^{-3}$", "EER"), strict=True):
        key.text(x, 1.8, heading, ha="right", va="bottom", fontsize=8.5, color=MUTED)
    for run, name, style, place in zip(runs, names, styles, places + 2, strict=True):
        _draw_key_row(key, place, name, style, (_key_tar(run), run.scores[run.protocol.roles["eer"]]))
    if IN_BETWEEN in styles:
        figure.supxlabel(NOTE, fontsize=8.5, color=MUTED, x=0.01, ha="left")
    return figure


def _key_tar(run):
    return float(run.arrays["roc_tars"][np.isclose(run.arrays["roc_fars"], KEY_FAR, rtol=1e-6).argmax()])


def _styles(roles):
    """How each curve is drawn, for their roles from the best to the worst."""
    special = {
        "reference": {"color": INK, "linestyle": "-", "linewidth": 2.4, "zorder": 3},
        "baseline": {"color": MUTED, "linestyle": ":", "linewidth": 1.8},
    }
    if roles.count("reference") > 1:  # Values of softmax's arguments: all would be the same line.
        del special["reference"]
    others = [i for i, role in enumerate(roles) if role not in special]
    colored = others if len(roles) <= MOST_COLORS else others[:EXTREMES] + others[-EXTREMES:]
    return [
        special.get(role) or (_colored(colored.index(i)) if i in colored else IN_BETWEEN)
        for i, role in enumerate(roles)
    ]


def _colored(number):
    return {"color": COLORS[number % len(COLORS)], "linestyle": DASHES[number % len(DASHES)], "linewidth": 1.5}


def _draw_scales(axes):
    axes.set_xscale("log")
    axes.set_xlim(FAR_LIMITS)
    # It spreads out what is next to 0 and to 1 alike: on MNIST all are next to 1.
    axes.set_yscale("logit")
    axes.set_ylim(TAR_LIMITS)
    axes.yaxis.set_major_locator(FixedLocator([percentage / 100 for percentage in PERCENTAGES]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda tar, _: f"{100 * tar:.4g}%"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axvline(KEY_FAR, color=MUTED, linewidth=0.8)
    axes.grid(color="#e8e8e8", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#cccccc")
    axes.tick_params(colors=MUTED, labelsize=9)
    axes.set_xlabel("false accept rate (FAR): pairs of different classes taken for one", color=MUTED)
    axes.set_ylabel("true accept rate (TAR): pairs of one class found; logit scale", color=MUTED)


def _draw_key_row(key, place, name, style, rates):
    in_between = style is IN_BETWEEN
    color = MUTED if in_between else INK
    key.add_line(Line2D([0, 0.075], [place, place], **style))
    key.text(COLUMNS[-1] + 0.04, place, name, va="center_baseline", fontsize=8.5, color=color, linespacing=1.1)
    for x, rate in zip(COLUMNS, rates, strict=True):
        key.text(x, place, f"{rate:.2%}", ha="right", va="center_baseline", fontsize=8.5, color=color)
