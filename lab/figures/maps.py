"""t-SNE maps."""

import textwrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .names import MANY, WIDEST, name_classes, shown_name, width_of
from .style import (
    DPI,
    INK,
    MUTED,
    REST,
    as_hex,
    balanced,
    class_colors,
    classes_tested,
    colors_of,
    grid_shape,
    page,
    panels,
    rest_note,
)

HOW_TO_READ = (
    "How to read t-SNE: who is next to whom means something. Sizes of clusters and the gaps between them mean "
    "nothing: t-SNE evens them out, so it cannot show that a loss makes classes tighter (the distance figure can)."
)
FEW = 100  # Points of a map, which are larger.
ROOMY = 12  # Lines of a key of large letters.
NARROW = 12  # Letters of a name of which three fit beside each other in a key.
COLOR = "Colour: the true class."
SAME_LAYOUT = "Maps of the same images start from the same layout."
MISCLASSIFIED = (
    "Misclassified: by the loss's own classifier or, where it has none, by the nearest class mean. "
    "Raw pixels show none."
)


def draw_tsne(axes, coordinates, labels, class_names, mistakes=None, title="", caption="", colors=None):
    """Scatters a t-SNE map in the colours of the true classes: each class named among its points, mistakes as crosses.

    Args:
        axes: Axes of matplotlib.
        coordinates: `(n, 2)`, as `tsne` gives them.
        labels: Class numbers `(n,)`.
        class_names: One name per class.
        mistakes: Booleans `(n,)`: which are misclassified; or None.
        title: Title of the panel.
        caption: Lines below the panel.
        colors: One colour per class; those in `REST` are not named. If None, those of `class_colors`.
    """
    coordinates, labels = np.asarray(coordinates), np.asarray(labels)
    colors = as_hex(class_colors(len(class_names)) if colors is None else colors)
    mistakes = np.zeros(len(labels), bool) if mistakes is None else np.asarray(mistakes, bool)
    rest = colors[labels] == REST
    # What is not told apart lies behind, and is small.
    few = len(labels) < FEW
    for shown, size in ((rest, 0.5), (~rest, 2)) if rest.any() else ((~rest, 3 if few else 1),):
        right = np.random.default_rng(0).permutation(np.flatnonzero(shown & ~mistakes))  # No class is over another.
        wrong = np.flatnonzero(shown & mistakes)
        axes.scatter(*coordinates[right].T, s=7 * size, c=colors[labels[right]], alpha=0.6, linewidths=0)
        size = min(size, 1)
        axes.scatter(*coordinates[wrong].T, s=26 * size, c=colors[labels[wrong]], marker="x", linewidths=1.3 * size)
    # A square box around all points, so that every panel has the same shape.
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    half = 0.54 * (high - low).max()
    axes.set_xlim(*((low + high)[0] / 2 + np.array([-half, half])))
    axes.set_ylim(*((low + high)[1] / 2 + np.array([-half, half])))
    axes.set_box_aspect(1)
    # A name would cover few, near points.
    form = {"fontsize": 8 if rest.any() else 11, "above": few or bool(rest.any())}
    name_classes(axes, coordinates[~rest], labels[~rest], class_names, **form)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cccccc")
    axes.set_title(title, fontsize=13, color=INK, loc="left", weight="bold")
    axes.set_xlabel(caption, fontsize=10, color=MUTED, loc="left")


def color_note(colors):
    """What the colours of a map mean, by those of all classes that it is of."""
    return f"{COLOR} {rest_note(colors)}".rstrip()


def tsne_figure(title, caption="", note=f"{COLOR} {HOW_TO_READ} {SAME_LAYOUT}", **panel):
    """One t-SNE map with the note on how to read it; `panel` has the other arguments of `draw_tsne`."""
    lines = [wrapped for line in caption.splitlines() for wrapped in textwrap.wrap(line, 78)]
    note = textwrap.fill(note, 90)
    title = balanced(title, 50)
    height = 7.15 + 0.2 * title.count("\n") + 0.17 * len(lines) + 0.14 * note.count("\n")
    figure = Figure(figsize=(6.4, height), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    draw_tsne(figure.add_subplot(), title=title, caption="\n".join(lines), **panel)
    figure.supxlabel(note, fontsize=8.5, color=MUTED, x=0.01, ha="left")
    return figure


def comparison_tsne_figure(title, runs, note):
    """The maps of test images of `Run`s, a dict by name, and a cell with the colours, a note and how to read them."""
    first = next(iter(runs.values()))
    class_names = first.class_names
    rows, columns = grid_shape(len(runs) + 1)
    names = [textwrap.fill(name, 34) for name in runs]
    lines = 1 + max(name.count("\n") for name in names)
    figure = page((4.3 * columns, (4.65 + 0.2 * lines) * rows + 0.5), title, fontsize=17, hspace=0.03, wspace=0.02)
    grid = panels(figure, rows, columns, len(runs))
    for axes, name, run in zip(grid, names, runs.values(), strict=False):
        caption = f"{run.protocol.line(run.scores)}\n{run.maps['test'].trust}"
        labels, mistakes = run.arrays["tsne_test_labels"], run.arrays.get("tsne_mistakes")
        draw_tsne(axes, run.arrays["tsne_test"], labels, class_names, mistakes, name, caption, colors_of(run))
    tested = classes_tested(first)
    marked = len(first.arrays["test_labels"]) > 0
    _draw_key(grid[len(runs)], class_names[tested], colors_of(first)[tested], marked, note)
    return figure


def _draw_key(axes, class_names, colors, marked, note):
    keyed = [
        (color, shown_name(name, WIDEST)) for name, color in zip(class_names, colors, strict=True) if color != REST
    ]
    if len(keyed) < len(class_names):
        keyed.append((REST, "another class"))
    # A name that begins with an underscore would have no line.
    handles = [
        Line2D([], [], marker="o", linestyle="", color=color, label=f" {name}" if name.startswith("_") else name)
        for color, name in keyed
    ]
    if marked:
        handles.append(Line2D([], [], marker="x", linestyle="", color=INK, label="misclassified"))
    form = {"ncols": 2, "fontsize": 11 if len(keyed) <= ROOMY else 8}
    if len(keyed) > ROOMY and max(width_of(name) for _, name in keyed) <= NARROW:
        form["ncols"] = 3
    if len(keyed) > MANY + 1:
        form = {"ncols": 4, "fontsize": 6.5, "labelspacing": 0.2, "handletextpad": 0, "columnspacing": 0.5}
    axes.legend(handles=handles, loc="upper left", frameon=False, borderaxespad=0, **form)
    paragraphs = f"{color_note(colors)} {MISCLASSIFIED if marked else ''}", note, f"{HOW_TO_READ} {SAME_LAYOUT}"
    text = "\n\n".join(textwrap.fill(paragraph, 56) for paragraph in paragraphs)
    axes.text(0, 0, text, transform=axes.transAxes, fontsize=9.5, color=MUTED, va="bottom", linespacing=1.25)
