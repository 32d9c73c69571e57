"""Two-dimensional embeddings as they are, with the class weights and centers of the loss."""

import io

import numpy as np
from matplotlib.lines import Line2D
from PIL import Image

from .names import name_classes
from .style import (
    INK,
    MUTED,
    REST,
    as_hex,
    class_colors,
    colors_of,
    grid_shape,
    known_colors_of,
    page,
    panels,
    rest_note,
    wrapped,
)

KEY_WIDTH = 6  # Inches that the key takes in one line.
FRAME_MILLISECONDS, LAST_MILLISECONDS = 180, 2500  # Of a film that is smooth.
FILM_MILLISECONDS, REST_MILLISECONDS = 4000, 1500  # Of all of a film of few frames, and of its last.


def draw_features(
    axes, points, labels, class_names, directions=None, centers=None, half=None, title="", caption="", colors=None
):
    """Scatters two-dimensional embeddings in the colours of their classes.

    Args:
        axes: Axes.
        points: `(n, 2)`.
        labels: Class numbers `(n,)`.
        class_names: One name per class.
        directions: Class weights or proxies `(num_classes, k, 2)`, drawn as arrows to the edge; or None.
        centers: Learned centers `(num_classes, 2)`, drawn as crosses; or None.
        half: Half the width of the panel, around 0. If None, all points fit.
        title: Title of the panel.
        caption: Line below the panel.
        colors: One colour per class; those in `REST` have neither name, arrow nor cross. If None, those of
            `class_colors`.
    """
    points, labels = np.asarray(points), np.asarray(labels)
    colors = as_hex(class_colors(len(class_names)) if colors is None else colors)
    half = half or 1.1 * np.abs(points).max() or 1
    axes.axhline(0, color="#e6e6e6", linewidth=0.8, zorder=0)
    axes.axvline(0, color="#e6e6e6", linewidth=0.8, zorder=0)
    rest, told_apart = colors[labels] == REST, colors != REST
    # What is not told apart lies behind, and is small.
    for shown, size in ((rest, 0.5), (~rest, 2)) if rest.any() else ((~rest, 1),):
        order = np.random.default_rng(0).permutation(np.flatnonzero(shown))  # No class is drawn over another.
        axes.scatter(*points[order].T, s=5 * size, c=colors[labels[order]], alpha=0.5, linewidths=0)
    if directions is not None:
        for color, of_class in zip(colors[told_apart], directions[told_apart], strict=True):
            for x, y in 0.94 * half * of_class / np.maximum(np.linalg.norm(of_class, axis=-1, keepdims=True), 1e-12):
                axes.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1.1})
    if centers is not None:
        kept = told_apart[: len(centers)]
        axes.scatter(
            *centers[kept].T, s=70, c=colors[: len(centers)][kept], marker="P", edgecolors="white", linewidths=1.2,
            zorder=4,
        )  # fmt: skip
    axes.set_xlim(-half, half)
    axes.set_ylim(-half, half)
    name_classes(axes, points[~rest], labels[~rest], class_names, fontsize=8 if rest.any() else 9.5)
    axes.set_box_aspect(1)
    axes.tick_params(colors=MUTED, labelsize=7.5, length=2)
    axes.locator_params(nbins=5)
    axes.spines[:].set_color("#cccccc")
    axes.set_title(wrapped(title, 34), fontsize=11, color=INK, loc="left", weight="bold")
    axes.set_xlabel(caption, fontsize=9, color=MUTED, loc="left")


def features_figure(title, **panel):
    """One picture of two-dimensional embeddings: arguments of `draw_features`."""
    figure = page((6.4, 7.05), title)
    draw_features(figure.add_subplot(), **panel)
    note = rest_note(panel.get("colors") or ())
    _draw_key(figure, panel.get("directions") is not None, panel.get("centers") is not None, note)
    return figure


def comparison_features_figure(title, runs):
    """The two-dimensional embeddings of some `Run`s, a dict by name, side by side, each on its own scale."""
    rows, columns = grid_shape(len(runs))
    figure = page((3.9 * columns, 4.2 * rows + 0.9), title, fontsize=14)
    grid = panels(figure, rows, columns, len(runs))
    shown = [features_of(run) for run in runs.values()]
    for axes, (name, run), panel in zip(grid, runs.items(), shown, strict=False):
        draw_features(axes, **panel, title=name, caption=run.protocol.line(run.scores))
    arrows, crosses = (any(panel.get(kind) is not None for panel in shown) for kind in ("directions", "centers"))
    notes = "Each panel has its own scale." if len(runs) > 1 else "", rest_note(shown[0]["colors"])
    _draw_key(figure, arrows, crosses, " ".join(filter(None, notes)))
    return figure


def features_of(run):
    """What `draw_features` shows of the test images of a `Run`: of those never seen, if there are no others."""
    arrays = run.arrays
    if not len(arrays["test_labels"]):
        points, labels, first = arrays["unknown_embeddings"], arrays["unknown_labels"], len(run.known_names)
        return {"points": points, "labels": labels, "class_names": run.judged_names, "colors": colors_of(run)[first:]}
    return {
        "points": arrays["test_embeddings"],
        "labels": arrays["test_labels"],
        "class_names": run.known_names,
        "directions": arrays.get("directions"),
        "centers": arrays.get("centers"),
        "colors": known_colors_of(run),
    }


def _draw_key(figure, arrows, crosses, note):
    image = {"marker": "o", "markersize": 4, "label": "image, in the colour of its class"}
    handles = [Line2D([], [], linestyle="", color=MUTED, **image)]
    if arrows:
        arrow = {"marker": r"$\rightarrow$", "markersize": 12, "label": "class weight (direction)"}
        handles.append(Line2D([], [], linestyle="", color=MUTED, **arrow))
    if crosses:
        handles.append(Line2D([], [], marker="P", linestyle="", color=MUTED, markersize=8, label="center"))
    columns = 3 if figure.get_figwidth() > KEY_WIDTH else 1
    key = figure.legend(
        handles=handles, loc="outside lower left", ncols=columns, fontsize=9, frameon=False, labelcolor=INK,
        columnspacing=1.2, title=note or None, title_fontsize=9, alignment="left",
    )  # fmt: skip
    key.get_title().set_color(MUTED)


def animation(pngs, smooth=True):
    """An animated GIF of pictures of one size, the last shown longer; if it is not `smooth`, of four seconds in all."""
    frames = [Image.open(io.BytesIO(png)).convert("RGB") for png in pngs]
    # One palette for all, that colours do not flicker: of all, as the colours of one may be gone in another.
    strip = np.concatenate([np.asarray(frame)[::3, ::3] for frame in frames])
    palette = Image.fromarray(strip).quantize(200)
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    moving, last = len(frames) - 1, LAST_MILLISECONDS
    each = FRAME_MILLISECONDS
    if not smooth:
        # GIF counts in hundredths of a second: the last frame has what is left over.
        each = (FILM_MILLISECONDS - REST_MILLISECONDS) // max(moving, 1) // 10 * 10
        last = FILM_MILLISECONDS - moving * each
    durations = [each] * moving + [last]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return content.getvalue()
