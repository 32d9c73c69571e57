"""The pictures: of a run, of its training, of all losses side by side; and what draws them on anyone's own axes.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from visualize import draw_tsne, tsne

digits = load_digits()
coordinates, divergence = tsne(digits.data)  # Or embeddings of your own, (n, d).
figure, axes = plt.subplots()
draw_tsne(axes, coordinates, digits.target, digits.target_names)
figure.savefig("digits.png")
"""

import dataclasses
import functools

from evaluation.geometry import NEIGHBORS
from evaluation.tsne import tsne
from lab.figures.class_means import class_means_figure
from lab.figures.confusion import MOST_ROWS, confusion_figure
from lab.figures.distances import distances_figure, draw_distances
from lab.figures.features import animation, comparison_features_figure, draw_features, features_figure, features_of
from lab.figures.intervals import intervals_figure
from lab.figures.maps import HOW_TO_READ, SAME_LAYOUT, color_note, comparison_tsne_figure, draw_tsne, tsne_figure
from lab.figures.mistakes import mistakes_figure
from lab.figures.neighbors import NONE, neighbors_pages, strip_labels
from lab.figures.roc import roc_figure
from lab.figures.style import (
    FIGURE_SPACE,
    as_png,
    class_colors,
    classes_tested,
    colors_of,
    known_colors_of,
    some_colors,
)

__all__ = [
    "CAPTIONS",
    "Picture",
    "class_colors",
    "comparison_pictures",
    "draw_distances",
    "draw_features",
    "draw_tsne",
    "run_pictures",
    "training_pictures",
    "tsne",
]

FILM_DPI = 80
# What a comparison may have, in the order of the summary.
CAPTIONS = {
    "comparison_tsne.png": "t-SNE of the same test images",
    "comparison_distances.png": "Distances between images of the same class and of different classes",
    "comparison_scores.png": "Scores of every loss",
    "comparison_roc.png": "Verification ROC, pairs of the same class accepted over pairs of different classes accepted",
    "comparison_class_means.png": "Distances between the class means",
    "comparison_features.png": "Two-dimensional embeddings as they are",
    "comparison_neighbors.png": "The same images and their nearest neighbours",
}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture: name and bytes of its file, and the epoch, from 1, that it shows the end of; None for the result."""

    file: str
    content: bytes
    epoch: int | None = None


def run_pictures(run):
    """List of the `Picture`s of a `Run`; empty for one that failed."""
    if run.failure:
        return []
    alone, heading = {run.settings.loss: run}, _heading(run)
    judged, text = f"{heading}{run.protocol.judged}", functools.partial(run.protocol.text, run.scores)
    labels, alike = run.arrays["test_labels"], "{} of {}".format(*_right(run))
    wrong = int((run.arrays["test_predictions"] != labels).sum())
    titles = {"test": f"{heading}, test images: {text('map_at_r')}", "train": f"{heading}, training images"}
    drawn = {f"tsne_{part}": _map(run, part, titles[part]) for part in run.maps} | {
        "distances": distances_figure(f"{judged}: {text('eer')}", alone, named=False),
        "roc": roc_figure(f"{judged}: {text('tar_at_far_1e-3')}", alone),
        **_numbered("neighbors", neighbors_pages(f"{judged}: {alike} neighbours of the same class", alone)),
    }
    if len(labels) and (wrong or len(run.known_names) <= MOST_ROWS):
        drawn["confusion"] = confusion_figure(f"{heading}: {wrong:,} of {len(labels):,} test images wrong", run)
    if wrong:
        drawn["mistakes"] = mistakes_figure(f"{heading}: {_worst(len(run.arrays['mistakes']), wrong)}", run)
    if run.settings.embedding_dim == 2:
        known = f"{heading}, {run.protocol.known}: {text('nearest_mean')}" if len(labels) else None
        drawn["features"] = features_figure(known or f"{judged}: {text('map_at_r')}", **features_of(run))
    return [Picture(f"{name}.png", as_png(figure)) for name, figure in drawn.items()]


def training_pictures(film, run):
    """List of the `Picture`s of a `Film`: an animation, moments of it, and of a run that failed its flat end."""
    if not film.frames:
        return []
    flat = run.settings.embedding_dim == 2
    drawn = _flat_frames(film, run) if flat else _map_frames(film, run)
    pngs = [as_png(figure, FILM_DPI) for figure in drawn]
    name = f"{'features' if flat else 'tsne'}_over_training.png"
    pictures = [Picture("training.gif", animation(pngs, smooth=flat))]
    pictures += [Picture(name, pngs[number], epoch=round(film.frames[number].epochs)) for number in film.ends]
    if run.failure and flat:
        pictures.append(Picture("features.png", as_png(_frame(film, run, film.frames[-1]))))
    return pictures


def comparison_pictures(results):
    """List of the `Picture`s that compare the losses, each by one run; empty without a run that finished."""
    which, shown = results.shown()
    if not shown:
        return []
    losses = {name: run for name, run in shown.items() if run.role != "baseline"}
    stamp = f"{results.title}{which}"
    known = ", classes trained on" if results.protocol.judged else ""
    drawn = {
        "distances": distances_figure(_titled(stamp, "distances"), shown),
        "roc": roc_figure(_titled(stamp, "roc"), shown),
        **_numbered("neighbors", neighbors_pages(_titled(stamp, "neighbors"), shown)),
        "class_means": class_means_figure(_titled(f"{stamp}{known}", "class_means"), shown),
    }
    if losses:
        drawn["scores"] = intervals_figure(f"{results.title}: {_finding(results)}", results)
    if results.settings.embedding_dim > 2:
        drawn["tsne"] = comparison_tsne_figure(_titled(stamp, "tsne"), shown, _note(shown))
    elif losses:
        has_known = len(next(iter(losses.values())).arrays["test_labels"])
        what = f"{stamp}, {results.protocol.known}" if has_known else stamp
        drawn["features"] = comparison_features_figure(_titled(what, "features"), losses)
    return [Picture(f"comparison_{name}.png", as_png(figure)) for name, figure in drawn.items()]


def _titled(what, name):
    """The title of a comparison: what it is of, and its caption."""
    caption = CAPTIONS[f"comparison_{name}.png"]
    return f"{what}: {caption[0].lower()}{caption[1:]}"


def _finding(results):
    """What the intervals tell, in words."""
    found = {name: results.against_softmax(name) for name in results.protocol.headlines}
    counts = [
        f"{results.protocol.scores[name].title} {sum(c.distinguishable for c in others.values())} of {len(others)}"
        for name, others in found.items()
        if others
    ]
    if counts:
        return f"losses that differ from softmax: {', '.join(counts)}"
    if results.most_units < 2:
        return f"scores of one {results.protocol.unit}, too few to tell a difference from chance"
    return "means with their 95 % intervals"


def _heading(run):
    settings = run.settings
    return f"{'QUICK · ' if settings.quick else ''}{settings.name} on {settings.dataset}, {settings.unit}"


def _worst(shown, wrong):
    """Which of the mistakes are shown, in words."""
    if wrong == 1:
        return "the only mistake"
    return f"all {wrong:,} mistakes" if shown == wrong else f"the {shown} worst of {wrong:,} mistakes"


def _right(run):
    """How many of the neighbours shown are of the class of their image, and how many are shown."""
    labels = strip_labels(run)
    return int((labels[:, 1:] == labels[:, :1]).sum()), int((labels[:, 1:] != NONE).sum())


def _numbered(name, figures):
    """Dict of figures by name, with a number if there are several."""
    if len(figures) == 1:
        return {name: figures[0]}
    return {f"{name}_{number}": figure for number, figure in enumerate(figures, 1)}


def _map(run, part, title):
    """The t-SNE map of test or training images."""
    facts, tested = run.maps[part], part == "test"
    marked = tested and len(run.arrays["test_labels"])
    caption = (
        f"n {facts.n:,} · perplexity {facts.perplexity:g} · t-SNE seed {facts.seed} · {facts.trust}\n"
        f"{f'× misclassified by {run.classifier}' if marked else ''}\n"
        f"full space, all test images: {run.protocol.line(run.scores)}\n{run.protocol.map_note}"
    )
    colors = colors_of(run)
    shown = colors[classes_tested(run)] if tested else known_colors_of(run)
    return tsne_figure(
        title,
        caption=caption,
        note=f"{color_note(shown)} {HOW_TO_READ} {SAME_LAYOUT}",
        coordinates=run.arrays[f"tsne_{part}"],
        labels=run.arrays[f"tsne_{part}_labels"],
        class_names=run.class_names,
        colors=colors,
        mistakes=run.arrays["tsne_mistakes"] if tested else None,
    )


def _note(runs):
    """What the maps of some runs share."""
    run = next(iter(runs.values()))
    facts = run.maps["test"]
    return (
        f"{facts.n:,} test images, perplexity {facts.perplexity:g}, {facts.iterations:,} iterations, t-SNE seed "
        f"{facts.seed}; embeddings L2-normalised. KL and the share of the {NEIGHBORS} nearest neighbours kept say how "
        "faithful a panel is. The scores are measured on all test images in the full space: they decide, not the "
        f"picture. {run.protocol.map_note}"
    ).rstrip()


def _map_frames(film, run):
    """The map of some validation images at one moment after another."""
    labels, colors = film.split.labels, _film_colors(film, run)
    for number, (frame, coordinates) in enumerate(zip(film.frames, film.coordinates, strict=True)):
        begun = "begun where the map before it ended" if number else "begun from a PCA of the pixels"
        yield tsne_figure(
            _moment(film, run, frame),
            caption=f"n {len(labels):,} · perplexity {run.settings.perplexity:g} · {begun}",
            note=f"{color_note(colors)} {HOW_TO_READ}",
            coordinates=coordinates,
            labels=labels,
            class_names=run.known_names,
            colors=colors,
        )


def _film_colors(film, run):
    """The colours of the classes trained on, as in the maps of the result; a run that failed has none."""
    if film.colored is None:
        return known_colors_of(run)
    return some_colors(len(run.class_names), film.colored)[: len(run.known_names)]


def _flat_frames(film, run):
    """Two-dimensional embeddings at one moment after another, on one scale."""
    half = 1.05 * abs(film.coordinates).max()
    return (_frame(film, run, frame, half) for frame in film.frames)


def _frame(film, run, frame, half=None):
    return features_figure(
        _moment(film, run, frame),
        points=frame.embeddings,
        labels=film.split.labels,
        class_names=run.known_names,
        colors=_film_colors(film, run),
        directions=frame.directions,
        centers=frame.centers,
        half=half,
    )


def _moment(film, run, frame):
    """The title of a frame: as wide in every frame of a film, so that it breaks into the same lines."""
    total, decimals = run.settings.epochs, 2 if any(each.epochs % 1 for each in film.frames) else 0
    done = f"{frame.epochs:.{decimals}f}".rjust(len(f"{total:.{decimals}f}"), FIGURE_SPACE)
    return f"{_heading(run)}: validation images after {done} of {total} epochs"
