"""What does a classifier take for something else, and is surest of?"""

import textwrap

from .names import shown_name
from .style import INK, MARK, MUTED, page, panels

COLUMNS = 8
SIDE, NAMES = 0.95, 0.25  # Inches of an image with the room around it, and of its names.
WIDEST = 12  # Letters of a name.


def mistakes_figure(title, run):
    """The surest mistakes of a `Run`, one at least: images, each with its class and what it was taken for."""
    images, mistakes = run.arrays["mistake_images"], run.arrays["mistakes"]
    labels, predictions = (run.arrays[f"test_{name}"][mistakes] for name in ("labels", "predictions"))
    above, below = ([shown_name(run.known_names[i], WIDEST) for i in found] for found in (labels, predictions))
    size = 7.5 if max(map(len, run.known_names)) > 3 else 10
    rows = -(-len(images) // COLUMNS)
    figure = page((COLUMNS * SIDE, rows * (SIDE + NAMES) + 0.9), title, hspace=0.02)
    grid = panels(figure, rows, COLUMNS, used=0)
    for axes, image, label, prediction in zip(grid, images, above, below, strict=False):
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        axes.set_title(label, fontsize=size, color=INK, pad=2)
        axes.text(
            0.5, -0.04, prediction, fontsize=size, color=MARK, ha="center", va="top",
            transform=axes.transAxes,
        )  # fmt: skip
    note = f"Above: the class; below: what {run.classifier} takes it for. The surest first."
    figure.supxlabel(textwrap.fill(note, int(14 * COLUMNS * SIDE)), fontsize=8.5, color=MUTED, x=0.01, ha="left")
    return figure
