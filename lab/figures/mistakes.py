"""What does a classifier take for something else, and is surest of?"""

import textwrap

from .style import INK, MARK, MUTED, page, panels

COLUMNS = 8
SIDE, NAMES = 0.95, 0.25  # Inches of an image with the room around it, and of its names.


def mistakes_figure(title, run):
    """The surest mistakes of a `Run`, one at least: images, each with its class and what it was taken for."""
    images, mistakes = run.arrays["mistake_images"], run.arrays["mistakes"]
    labels, predictions = (run.arrays[f"test_{name}"][mistakes] for name in ("labels", "predictions"))
    long_names = max(map(len, run.known_names)) > 3
    rows = -(-len(images) // COLUMNS)
    figure = page((COLUMNS * SIDE, rows * (SIDE + NAMES) + 0.9), title, hspace=0.02)
    grid = panels(figure, rows, COLUMNS, used=0)
    for axes, image, label, prediction in zip(grid, images, labels, predictions, strict=False):
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        size = 7.5 if long_names else 10
        axes.set_title(run.known_names[label], fontsize=size, color=INK, pad=2)
        axes.text(
            0.5, -0.04, run.known_names[prediction], fontsize=size, color=MARK, ha="center", va="top",
            transform=axes.transAxes,
        )  # fmt: skip
    note = f"Above: the class; below: what {run.classifier} takes it for. The surest first."
    figure.supxlabel(textwrap.fill(note, int(14 * COLUMNS * SIDE)), fontsize=8.5, color=MUTED, x=0.01, ha="left")
    return figure
