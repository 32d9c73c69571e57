"""t-SNE and every other picture. Functions draw on the caller's axes or return a figure; none writes a file."""

import math
import textwrap

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import confusion_matrix

DPI = 160
INK, MUTED = "#222222", "#666666"
LONGEST_COLUMN = 8  # Histograms one above the other.
SAME, DIFFERENT = "#3f90da", "#e76300"  # Two of petroff10's colours, apart under every colour vision.
HALO = [patheffects.withStroke(linewidth=2.5, foreground="white")]
HOW_TO_READ = (
    "How to read t-SNE: who is next to whom means something. Sizes of clusters and the gaps between them mean "
    "nothing: t-SNE evens them out, so it cannot show that a loss makes classes tighter (the distance figure can). "
    "Maps of the same images start from the same layout."
)


def tsne(points, initialization, perplexity, iterations, seed):
    """Two-dimensional t-SNE coordinates of some points.

    Args:
        points: `(n, d)`; distances are Euclidean.
        initialization: `(n, 2)` first layout; give all embeddings of the same images the same
            one, so that their pictures compare.
        perplexity: Effective number of neighbours, below n.
        iterations: Number of gradient steps, at least 300: the first 250 are early exaggeration, and
            the divergence is known only after them.
        seed: Random state.

    Returns:
        Coordinates `(n, 2)` and the Kullback-Leibler divergence they end at.
    """
    model = TSNE(init=initialization, perplexity=perplexity, max_iter=iterations, random_state=seed, n_jobs=-1)
    return model.fit_transform(points), float(model.kl_divergence_)


def pca_layout(points):
    """First two principal components `(n, 2)`, scaled to the small spread that t-SNE starts from."""
    layout = PCA(2, random_state=0).fit_transform(points)
    return (layout / layout[:, 0].std() * 1e-4).astype(np.float32)


def rotated_to(coordinates, reference):
    """Coordinates, centred and rotated or mirrored to lie as the same points do in another picture."""
    centered = coordinates - coordinates.mean(axis=0)
    rotation, _ = orthogonal_procrustes(centered, reference - reference.mean(axis=0))
    return centered @ rotation


def class_colors(num_classes):
    """One colour per class: petroff10 (told apart by colour-blind readers) for up to ten."""
    if num_classes <= 10:
        return matplotlib.color_sequences["petroff10"][:num_classes]
    return matplotlib.colormaps["turbo"](np.linspace(0, 1, num_classes))


def draw_tsne(axes, coordinates, labels, class_names, mistakes=None, title="", caption=""):
    """Scatters a t-SNE map in the colours of the true classes: each class named at its medoid, mistakes as crosses."""
    colors = np.asarray(class_colors(len(class_names)))
    mistakes = np.zeros(len(labels), bool) if mistakes is None else mistakes
    right = np.random.default_rng(0).permutation(np.flatnonzero(~mistakes))  # No class is drawn over another.
    axes.scatter(*coordinates[right].T, s=7, c=colors[labels[right]], alpha=0.6, linewidths=0)
    axes.scatter(*coordinates[mistakes].T, s=26, c=colors[labels[mistakes]], marker="x", linewidths=1.3)
    # A square box around all points, so that every panel has the same shape.
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    half = 0.54 * (high - low).max()
    axes.set_xlim(*((low + high)[0] / 2 + np.array([-half, half])))
    axes.set_ylim(*((low + high)[1] / 2 + np.array([-half, half])))
    axes.set_box_aspect(1)
    for label, (x, y) in _label_places(coordinates, labels, class_names, half).items():
        axes.text(
            x, y, class_names[label], color=INK, fontsize=11, weight="bold", ha="center", va="center",
            path_effects=HALO,
        )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cccccc")
    axes.set_title(title, fontsize=13, color=INK, loc="left", weight="bold")
    axes.set_xlabel(caption, fontsize=10, color=MUTED, loc="left")


def _label_places(coordinates, labels, class_names, half):
    """Where each class is named: at the most central of its points whose name covers no other name.

    A real point, as the mean of a class may lie outside of it. `half` is half the width of the panel.
    """
    width, height = 0.055 * half, 0.1 * half  # Of a letter, and of a line, at the size the panels have.
    places = {}
    for label in np.unique(labels):
        points = coordinates[labels == label]
        distances = np.linalg.norm(points[:, None] - points[None], axis=-1).sum(axis=1)
        central = points[distances.argsort()]
        free = np.ones(len(central), bool)
        for other, place in places.items():
            letters = (len(class_names[label]) + len(class_names[other])) / 2
            free &= (np.abs(central - place) > (width * letters, height)).any(axis=1)
        places[label] = central[free.argmax()]  # The most central of all, if none is free.
    return places


def tsne_figure(title, **panel):
    """One t-SNE map with the note on how to read it."""
    figure = Figure(figsize=(6.4, 8), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    draw_tsne(figure.add_subplot(), title=textwrap.fill(title, 50), **panel)
    figure.supxlabel(textwrap.fill(HOW_TO_READ, 90), fontsize=8.5, color=MUTED, x=0.01, ha="left")
    return figure


def comparison_tsne_figure(title, panels, class_names, note):
    """t-SNE maps side by side, and one cell with the colours, the note and how to read it all.

    Args:
        title: Title of the figure.
        panels: List of dicts of `draw_tsne`'s arguments but `class_names`.
        class_names: One name per class.
        note: What all panels share, a paragraph for the last cell.
    """
    cells = len(panels) + 1
    columns = cells if cells <= 3 else min(6, math.ceil(math.sqrt(cells)))
    rows = -(-cells // columns)
    figure = Figure(figsize=(4.3 * columns, 5.0 * rows + 0.5), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=17, weight="bold", color=INK, x=0.01, ha="left")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08, hspace=0.03, wspace=0.02)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid, panels, strict=False):
        draw_tsne(axes, class_names=class_names, **panel | {"title": textwrap.fill(panel["title"], 34)})
    _draw_key(grid[len(panels)], class_names, note)
    return figure


def _draw_key(axes, class_names, note):
    handles = [
        Line2D([], [], marker="o", linestyle="", color=color, label=name)
        for name, color in zip(class_names, class_colors(len(class_names)), strict=True)
    ]
    handles.append(Line2D([], [], marker="x", linestyle="", color=INK, label="misclassified"))
    axes.legend(handles=handles, loc="upper left", ncols=2, fontsize=11, frameon=False, borderaxespad=0)
    text = "\n\n".join(textwrap.fill(paragraph, 50) for paragraph in (note, HOW_TO_READ))
    axes.text(0, 0, text, transform=axes.transAxes, fontsize=10.5, color=MUTED, va="bottom", linespacing=1.35)


def draw_distances(axes, bins, same, different, title="", scores=""):
    """Histograms of the distances between images of the same class and of different classes, as densities."""
    for counts, color, label in ((same, SAME, "same class"), (different, DIFFERENT, "different classes")):
        density = counts / max(counts.sum(), 1) / np.diff(bins)
        axes.stairs(density, bins, fill=True, color=color, alpha=0.55, label=label)
        axes.stairs(density, bins, color=color, linewidth=1)
    axes.set_xlim(bins[0], bins[-1])
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(colors=MUTED, labelsize=8)
    axes.set_title(textwrap.shorten(title, 42, placeholder=" …"), fontsize=10, color=INK, loc="left")
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
    figure = Figure(figsize=(8 if columns == 1 else 5 * columns, 1.35 * height + 1.6), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=12, weight="bold", color=INK, x=0.01, ha="left")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
    grid = figure.subplots(height, columns, sharex=True, squeeze=False).ravel()
    for axes in grid[len(rows) :]:
        axes.set_axis_off()
    for axes, row in zip(grid, rows, strict=False):
        draw_distances(axes, bins, **row)
    for axes in grid[max(0, len(rows) - columns) : len(rows)]:
        axes.tick_params(labelbottom=True)  # The last of each column, also where the column is shorter.
    grid[0].legend(loc="upper right", fontsize=8, frameon=False)
    figure.supxlabel(
        "Euclidean distance between two test images, on L2-normalised embeddings; every pair, each curve of area 1",
        fontsize=9,
        color=MUTED,
    )
    return figure


def confusion_figure(title, labels, predictions, class_names, classifier):
    """Confusion matrix in counts; the colour shows the share of the row's class, mistakes made visible."""
    counts = confusion_matrix(labels, predictions, labels=range(len(class_names)))
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    figure = Figure(figsize=(7, 6.8), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    # The square root lifts the few mistakes of a good classifier out of the white.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if shares[row, column] > 0.3 else INK if count else "#bbbbbb"
        axes.text(column, row, count, ha="center", va="center", fontsize=9, color=color)
    slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, class_names)) > 3 else {}
    axes.set_xticks(range(len(class_names)), class_names, **slant)
    axes.set_yticks(range(len(class_names)), class_names)
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"predicted by {classifier}", color=MUTED)
    axes.set_ylabel("true", color=MUTED)
    axes.set_title(textwrap.fill(title, 54), fontsize=11, color=INK, loc="left", weight="bold")
    return figure
