"""What does a classifier take for something else, and is surest of?"""

import textwrap

from .style import INK, MARK, MUTED, page

COLUMNS = 8
SIDE = 0.95  # Inches of an image with the room around it.


def mistakes_figure(title, images, labels, predictions, class_names, note):
    """Images that were classified wrongly, each with its class and what it was taken for.

    Args:
        title: Title of the figure.
        images: `(n, side, side, 1)` or `(n, side, side, 3)`, uint8.
        labels: Class numbers `(n,)`.
        predictions: What they were taken for, class numbers `(n,)`.
        class_names: One name per class.
        note: Line below.
    """
    long_names = max(map(len, class_names)) > 3
    rows = max(1, -(-len(images) // COLUMNS))
    figure = page((COLUMNS * SIDE, rows * (SIDE + (0.42 if long_names else 0.25)) + 0.9), title, hspace=0.02)
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, label, prediction in zip(grid, images, labels, predictions, strict=False):
        axes.imshow(image.squeeze(), cmap="gray_r" if image.shape[-1] == 1 else None, vmin=0, vmax=255)
        size = 7.5 if long_names else 10
        axes.set_title(class_names[label], fontsize=size, color=INK, pad=2)
        axes.text(
            0.5, -0.04, class_names[prediction], fontsize=size, color=MARK, ha="center", va="top",
            transform=axes.transAxes,
        )  # fmt: skip
    figure.supxlabel(textwrap.fill(note, int(14 * COLUMNS * SIDE)), fontsize=8.5, color=MUTED, x=0.01, ha="left")
    return figure
