"""Which classes does a classifier take for which?"""

import textwrap

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from .style import DPI, INK, MUTED


def confusion_figure(title, run):
    """Confusion matrix of a `Run`, in counts; the colour shows the share of the row's class, mistakes made visible."""
    class_names = run.known_names
    labels, predictions = run.arrays["test_labels"], run.arrays["test_predictions"]
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
    axes.set_xlabel(f"predicted by {run.classifier}", color=MUTED)
    axes.set_ylabel("true", color=MUTED)
    axes.set_title(textwrap.fill(title, 54), fontsize=11, color=INK, loc="left", weight="bold")
    return figure
