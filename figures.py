"""The pictures of one run."""

import numpy as np

from evaluation.geometry import NEIGHBORS
from options import loss_name
from scores import JUDGED, judged_text, scores_line
from scoring import DISTANCE_BINS
from visualize import (
    HOW_TO_READ,
    confusion_figure,
    distances_figure,
    features_figure,
    mistakes_figure,
    neighbors_figure,
    roc_figure,
    tsne_figure,
)

MISTAKES = 24  # Worst ones shown.
UNSEEN_NOTE = "* classes never seen in training; MAP@R and 5-shot are of them, AUROC is of the others against them."


def _name(settings, data):
    name = loss_name(settings.loss, settings.overrides)
    return f"{'QUICK · ' if settings.quick else ''}{name} on {data.name}, {settings.unit}"


def run_figures(settings, data, scores, maps, arrays, classifier):
    """The pictures of one run, by file name."""
    figures = _map_figures(settings, data, scores, maps, arrays, classifier)
    figures |= _judged_figures(settings, data, scores, arrays)
    figures |= _classified_figures(settings, data, arrays, classifier)
    if settings.embedding_dim == 2:
        images = "test images of known classes" if settings.protocol == "open" else "test images"
        figures["features"] = features_figure(
            f"{_name(settings, data)}, {images}: {judged_text(settings.protocol, scores, 'nearest_mean')}",
            points=arrays["test_embeddings"],
            labels=data.test.labels,
            class_names=data.class_names,
            directions=arrays.get("directions"),
            centers=arrays.get("centers"),
        )
    return figures


def _map_figures(settings, data, scores, maps, arrays, classifier):
    """The t-SNE maps of test and training images."""
    name = _name(settings, data)
    unseen = f"\n{UNSEEN_NOTE}" if settings.protocol == "open" else ""
    full_space = f"\nfull space, all test images: {scores_line(settings.protocol, scores)}{unseen}"
    map_at_r = judged_text(settings.protocol, scores, "map_at_r")
    titles = {"test": f"{name}, test images: {map_at_r}", "train": f"{name}, training images"}
    crosses = {"test": f"\n× misclassified by {classifier}", "train": ""}
    return {
        f"tsne_{part}": tsne_figure(
            titles[part],
            coordinates=arrays[f"tsne_{part}"],
            labels=arrays[f"tsne_{part}_labels"],
            class_names=data.shown[1],
            mistakes=arrays["tsne_mistakes"] if part == "test" else None,
            caption=f"{map_caption(maps[part])}{crosses[part]}{full_space}",
        )
        for part in titles
    }


def _judged_figures(settings, data, scores, arrays):
    """How far the judged images are from each other, of the classes never seen where there are any."""
    name = f"{_name(settings, data)}{', classes never seen' if settings.protocol == 'open' else ''}"
    eer, tar = (judged_text(settings.protocol, scores, role) for role in ("eer", "tar_at_far_1e-3"))
    histograms = {"same": arrays["same_pairs"], "different": arrays["different_pairs"]}
    query, found = arrays["strip_labels"][:, :1], arrays["strip_labels"][:, 1:]
    right = f"{(found == query).sum()} of {found.size} neighbours of the same class"
    return {
        "distances": distances_figure(f"{name}: {eer}", [histograms], DISTANCE_BINS),
        "roc": roc_figure(f"{name}: {tar}", [roc_curve(settings.loss, settings.protocol, arrays, scores)]),
        "neighbors": strips_figure(f"{name}: {right}", [(settings.loss, arrays)], data.judged[1]),
    }


def _classified_figures(settings, data, arrays, classifier):
    """What the test images of known classes are taken for, and the worst mistakes, if there are any."""
    name, images, labels = _name(settings, data), data.test.images, data.test.labels
    predictions, errors = arrays["test_predictions"], arrays["test_errors"]
    wrong = np.flatnonzero(predictions != labels)
    title = f"{name}: {len(wrong):,} of {len(labels):,} test images wrong"
    figures = {"confusion": confusion_figure(title, labels, predictions, data.class_names, classifier)}
    worst = wrong[np.argsort(-errors[wrong], kind="stable")][:MISTAKES]
    if len(worst):
        figures["mistakes"] = mistakes_figure(
            f"{name}: the {len(worst)} worst of {len(wrong):,} mistakes",
            images[worst],
            labels[worst],
            predictions[worst],
            data.class_names,
            f"Above: the class; below: what {classifier} takes it for. The surest first.",
        )
    return figures


def film_figure(settings, data, epochs, coordinates, labels, first):
    """The map of some validation images after so many epochs; `first` of a film or not."""
    begun = "begun from a PCA of the pixels" if first else "begun where the map before it ended"
    return tsne_figure(
        f"{_name(settings, data)}: validation images {_progress(settings, epochs)}",
        coordinates=coordinates,
        labels=labels,
        class_names=data.class_names,
        caption=f"n {len(labels):,} · perplexity {settings.perplexity:g} · {begun}",
        note=HOW_TO_READ,
    )


def film_features_figure(settings, data, frame, labels, half=None):
    """The two-dimensional embeddings of some validation images at a moment of the training."""
    return features_figure(
        f"{_name(settings, data)}: validation images {_progress(settings, frame.epochs)}",
        points=frame.embeddings,
        labels=labels,
        class_names=data.class_names,
        directions=frame.directions,
        centers=frame.centers,
        half=half,
    )


def _progress(settings, epochs):
    return f"after {epochs:.3g} of {settings.epochs} epochs"


def roc_curve(name, protocol, arrays, scores):
    """The curve of one embedding, for `roc_figure`, from its `embeddings.npz` and scores."""
    eer = scores[JUDGED[protocol]["eer"]]
    return {"name": name, "fars": arrays["roc_fars"], "tars": arrays["roc_tars"], "eer": eer}


def strips_figure(title, embeddings, class_names):
    """The nearest neighbours that some embeddings find of the same images.

    Args:
        title: Title of the figure.
        embeddings: List of a name and the arrays of `embeddings.npz`.
        class_names: Names of the judged classes.
    """
    images = np.stack([arrays["strip_images"] for _, arrays in embeddings])  # (losses, queries, 1 + STRIP, h, w, c)
    labels = np.stack([arrays["strip_labels"] for _, arrays in embeddings])
    numbers = np.arange(labels.size).reshape(labels.shape)
    rows = [{"name": name, "neighbors": n[:, 1:]} for (name, _), n in zip(embeddings, numbers, strict=True)]
    flat = images.reshape(-1, *images.shape[3:]), labels.ravel()
    return neighbors_figure(title, rows, numbers[0, :, 0], *flat, class_names)


def map_caption(facts):
    """What a t-SNE map was made with and how far to trust it, in one line."""
    return (
        f"n {facts['n']:,} · perplexity {facts['perplexity']:g} · t-SNE seed {facts['seed']} · "
        f"KL {facts['kl_divergence']:.2f} · {NEIGHBORS} nearest kept {facts['neighbor_preservation']:.0%}"
    )
