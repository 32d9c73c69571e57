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
    name = _name(settings, data)
    line = scores_line(settings.protocol, scores)
    unseen = f"\n{UNSEEN_NOTE}" if settings.protocol == "open" else ""
    judged = f"{name}{', classes never seen' if unseen else ''}"
    predictions = arrays["test_predictions"]
    wrong = predictions != data.test.labels
    nearest_mean, map_at_r, eer, tar = (
        judged_text(settings.protocol, scores, role) for role in ("nearest_mean", "map_at_r", "eer", "tar_at_far_1e-3")
    )
    crosses = {"test": f"\n× misclassified by {classifier}", "train": ""}
    titles = {"test": f"{name}, test images: {map_at_r}", "train": f"{name}, training images"}
    figures = {
        f"tsne_{part}": tsne_figure(
            titles[part],
            coordinates=arrays[f"tsne_{part}"],
            labels=arrays[f"tsne_{part}_labels"],
            class_names=data.shown[1],
            mistakes=arrays["tsne_mistakes"] if part == "test" else None,
            caption=f"{map_caption(maps[part])}{crosses[part]}\nfull space, all test images: {line}{unseen}",
        )
        for part in ("test", "train")
    }
    figures["distances"] = distances_figure(
        f"{judged}: {eer}", [{"same": arrays["same_pairs"], "different": arrays["different_pairs"]}], DISTANCE_BINS
    )
    figures["roc"] = roc_figure(f"{judged}: {tar}", [roc_curve(settings.loss, settings.protocol, arrays, scores)])
    query, found = arrays["strip_labels"][:, :1], arrays["strip_labels"][:, 1:]
    right = (found == query).sum()
    figures["neighbors"] = strips_figure(
        f"{judged}: {right} of {found.size} neighbours of the same class",
        [(settings.loss, arrays)],
        data.judged[1],
    )
    if settings.embedding_dim == 2:
        figures["features"] = features_figure(
            f"{name}, test images{' of known classes' if unseen else ''}: {nearest_mean}",
            points=arrays["test_embeddings"],
            labels=data.test.labels,
            class_names=data.class_names,
            directions=arrays.get("directions"),
            centers=arrays.get("centers"),
        )
    figures["confusion"] = confusion_figure(
        f"{name}: {wrong.sum():,} of {len(wrong):,} test images wrong",
        data.test.labels,
        predictions,
        data.class_names,
        classifier,
    )
    worst = np.flatnonzero(wrong)
    worst = worst[np.argsort(-arrays["test_errors"][worst], kind="stable")][:MISTAKES]
    if len(worst):
        figures["mistakes"] = mistakes_figure(
            f"{name}: the {len(worst)} worst of {wrong.sum():,} mistakes",
            data.test.images[worst],
            data.test.labels[worst],
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
