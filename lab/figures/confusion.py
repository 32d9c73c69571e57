"""Which classes does a classifier take for which?"""

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from .names import WIDEST, shown_name, width_of
from .style import DPI, INK, MUTED, balanced

MOST_ROWS = 25  # With more classes,
CONFUSED = 20  # these are shown: those confused most.
ROOMY = 15  # So many rows and columns fit on the page; more need a larger one.
OTHERS = "others"


def confusion_figure(title, run):
    """Confusion matrix of a `Run`, in counts; the colour shows the share of the row's class, mistakes made visible.

    Of many classes those confused most, all others together in a last row and column.
    """
    labels, predictions = run.arrays["test_labels"], run.arrays["test_predictions"]
    num_classes = len(run.known_names)
    chosen = np.arange(num_classes)
    if num_classes > MOST_ROWS:
        chosen = most_confused(labels, predictions)
        title = f"{title}; the {len(chosen)} most confused of {num_classes:,} classes"
    class_names = [shown_name(run.known_names[number], WIDEST) for number in chosen]
    counts, shares = _counted(labels, predictions, chosen, num_classes)
    class_names += [OTHERS] * (len(counts) - len(chosen))
    scale = max(1, len(counts) / ROOMY)
    figure = Figure(figsize=(7 * scale, 6.8 * scale), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    # The square root lifts the few mistakes of a good classifier out of the white.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if row < len(chosen) or column < len(chosen):  # The others among themselves are not of interest.
            color = "white" if shares[row, column] > 0.3 else INK if count else "#bbbbbb"
            axes.text(column, row, count, ha="center", va="center", fontsize=9, color=color)
    slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(width_of, class_names)) > 3 else {}
    axes.set_xticks(range(len(class_names)), class_names, **slant)
    axes.set_yticks(range(len(class_names)), class_names)
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    others = f"\n{OTHERS}: the {num_classes - len(chosen):,} classes without a row of their own, together"
    axes.set_xlabel(f"predicted by {run.classifier}{others * (len(counts) > len(chosen))}", color=MUTED)
    axes.set_ylabel("true", color=MUTED)
    axes.set_title(balanced(title, int(54 * scale)), fontsize=11, color=INK, loc="left", weight="bold")
    return figure


def most_confused(labels, predictions):
    """Numbers of the classes that are taken for each other most often, two by two, the most frequent first."""
    wrong = labels != predictions
    pairs = np.sort(np.stack([labels[wrong], predictions[wrong]], axis=1), axis=1)
    pairs, counts = np.unique(pairs, axis=0, return_counts=True)
    by_frequency = pairs[np.argsort(-counts, kind="stable")]
    return np.array(list(dict.fromkeys(by_frequency.ravel().tolist()))[:CONFUSED])


def _counted(labels, predictions, chosen, num_classes):
    """How often each of some classes is taken for each, with all others as one more, and the shares of the rows."""
    places = np.full(num_classes, len(chosen))
    places[chosen] = np.arange(len(chosen))
    kinds = len(chosen) + (len(chosen) < num_classes)
    counts = confusion_matrix(places[labels], places[predictions], labels=range(kinds))
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    shares[len(chosen) :, len(chosen) :] = 0
    return counts, shares
