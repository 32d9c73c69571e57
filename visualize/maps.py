"""t-SNE: coordinates, and the maps drawn of them."""

import textwrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from .names import name_classes
from .style import DPI, INK, MUTED, class_colors, grid_shape, page

HOW_TO_READ = (
    "How to read t-SNE: who is next to whom means something. Sizes of clusters and the gaps between them mean "
    "nothing: t-SNE evens them out, so it cannot show that a loss makes classes tighter (the distance figure can)."
)
SAME_LAYOUT = "Maps of the same images start from the same layout."
MISCLASSIFIED = (
    "Misclassified: by the loss's own classifier or, where it has none, by the nearest class mean. "
    "Raw pixels show none."
)


def tsne(points, initialization, perplexity, iterations, seed, exaggeration=12.0):
    """Two-dimensional t-SNE coordinates of some points.

    Args:
        points: `(n, d)`; distances are Euclidean.
        initialization: `(n, 2)` first layout; give all embeddings of the same images the same
            one, so that their pictures compare.
        perplexity: Effective number of neighbours, below n.
        iterations: Number of gradient steps, at least 300: the first 250 are early exaggeration, and
            the divergence is known only after them.
        seed: Random state.
        exaggeration: Of the attraction in the first 250 steps.

    Returns:
        Coordinates `(n, 2)` and the Kullback-Leibler divergence they end at.
    """
    model = TSNE(
        init=initialization, perplexity=perplexity, early_exaggeration=exaggeration, max_iter=iterations,
        random_state=seed, n_jobs=1,
    )  # fmt: skip
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
    name_classes(axes, coordinates, labels, class_names, fontsize=11)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cccccc")
    axes.set_title(title, fontsize=13, color=INK, loc="left", weight="bold")
    axes.set_xlabel(caption, fontsize=10, color=MUTED, loc="left")


def tsne_figure(title, caption="", note=f"{HOW_TO_READ} {SAME_LAYOUT}", **panel):
    """One t-SNE map with the note on how to read it; `panel` has the other arguments of `draw_tsne`."""
    lines = [wrapped for line in caption.splitlines() for wrapped in textwrap.wrap(line, 78)]
    figure = Figure(figsize=(6.4, 7.7 + 0.17 * len(lines)), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    draw_tsne(figure.add_subplot(), title=textwrap.fill(title, 50), caption="\n".join(lines), **panel)
    figure.supxlabel(textwrap.fill(note, 90), fontsize=8.5, color=MUTED, x=0.01, ha="left")
    return figure


def comparison_tsne_figure(title, panels, class_names, note):
    """t-SNE maps side by side, and one cell with the colours, the note and how to read it all.

    Args:
        title: Title of the figure.
        panels: List of dicts of `draw_tsne`'s arguments but `class_names`.
        class_names: One name per class.
        note: What all panels share, a paragraph for the last cell.
    """
    rows, columns = grid_shape(len(panels) + 1)
    figure = page((4.3 * columns, 5.0 * rows + 0.5), title, fontsize=17, hspace=0.03, wspace=0.02)
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
    paragraphs = MISCLASSIFIED, note, f"{HOW_TO_READ} {SAME_LAYOUT}"
    text = "\n\n".join(textwrap.fill(paragraph, 56) for paragraph in paragraphs)
    axes.text(0, 0, text, transform=axes.transAxes, fontsize=9.5, color=MUTED, va="bottom", linespacing=1.25)
