"""One run, from a loss's name to its folder: train, judge, draw, log."""

import dataclasses
import time

import numpy as np
from keras.ops import convert_to_numpy

from dashboard import write_summary
from data import stratified_sample
from evaluation.geometry import neighbor_preservation
from evaluation.retrieval import contested, neighbors
from evaluation.vectors import l2_normalize
from models import embed, portable
from run_folder import save_arrays, save_figure, save_json, whole_file
from scores import scores_line
from scoring import DISTANCE_BINS, judge
from training import Failure, train
from visualize import (
    confusion_figure,
    distances_figure,
    neighbors_figure,
    pca_layout,
    roc_figure,
    rotated_to,
    tsne,
    tsne_figure,
)

TSNE_POINTS = 2000
QUICK_TSNE_POINTS = 600
TSNE_SEED = 0
NEIGHBORS = 10
STRIP = 8  # Neighbours shown of each query.
UNSEEN_NOTE = "* classes never seen in training; MAP@R and 5-shot are of them, AUROC is of the others against them."
INDICES = {"test": "tsne_indices", "train": "tsne_train_indices"}  # Names of the sampled images in `embeddings.npz`.


def run_baseline(settings, data, folder, command):
    """Judges the raw pixels as if they were embeddings: what every loss has to beat.

    Its `embeddings.npz` also says which images every run shows, and where their maps start from.

    Args:
        settings: `Settings` of any run of this command: the same images and t-SNE options.
        data: `Dataset`.
        folder: `RunFolder` of the baseline.
        command: The command line, for the record.
    """
    folder.start(baseline_settings(settings), command)
    start = time.perf_counter()
    pixels = {part: _pixels(split) for part, split in data.parts.items()}
    judgement = judge(data, pixels, None)
    points = {part: l2_normalize(found) for part, found in pixels.items()}
    selection = _selection(data, points, settings)
    maps, arrays = _maps(data, points, selection, settings)
    kept = {name: array for name, array in judgement.arrays.items() if not name.endswith("_embeddings")}
    save_arrays(folder.path / "embeddings.npz", **(selection | arrays | kept | _strips(data, points, selection)))
    metrics = _facts(data, settings) | {"loss": "raw_pixels", "status": "finished"} | _results(judgement, maps)
    metrics["timing"] = {"total_seconds": time.perf_counter() - start}
    save_json(folder.path / "metrics.json", metrics)


def baseline_settings(settings):
    """The settings that the baseline depends on."""
    return {
        "dataset": settings.dataset,
        "protocol": settings.protocol,
        "split": settings.split,
        "perplexity": settings.perplexity,
        "tsne_iterations": settings.tsne_iterations,
        "quick": settings.quick,
    }


def run(settings, data, baseline, folder, command, progress):
    """Trains, judges and draws one loss; `metrics.json` comes last and makes the run complete.

    A run that diverges or collapses is recorded as failed.

    Args:
        settings: `Settings` of the run.
        data: `Dataset`.
        baseline: Arrays of the baseline's folder.
        folder: `RunFolder` of the run.
        command: The command line, for the record.
        progress: Object with `batches(count)`, `epoch(number, logs)` and `stage(name)`.

    Returns:
        The content of `metrics.json`.
    """
    start = time.perf_counter()
    folder.start(dataclasses.asdict(settings), command)
    write_summary(folder.path, 0, texts={"config": _config_text(folder)})
    metrics = _facts(data, settings) | {"loss": settings.loss, "seed": settings.seed, "epochs": settings.epochs}
    try:
        model, training = train(settings, data, folder.path, progress)
    except Failure as failure:
        metrics |= {"status": "failed", "failure": str(failure)}
    else:
        best_step = training["best_epoch"] - 1  # TensorBoard's scalars count epochs from 0.
        results = _judge(settings, data, baseline, folder, model, best_step, progress)
        metrics |= {"status": "finished", "failure": None} | training | results
        metrics["timing"]["total_seconds"] = time.perf_counter() - start
    save_json(folder.path / "metrics.json", metrics)
    return metrics


def _facts(data, settings):
    """What `metrics.json` says of the data."""
    return {
        "dataset": data.name,
        "protocol": settings.protocol,
        "split": settings.split,
        "quick": settings.quick,
        "class_names": list(data.shown[1]),
        "judged_names": list(data.judged[1]),
    }


def _results(judgement, maps):
    """What `metrics.json` says of embeddings."""
    return {"test": judgement.scores} | judgement.details | {"tsne": maps["test"], "tsne_train": maps["train"]}


def _judge(settings, data, baseline, folder, model, best_step, progress):
    """Everything after training: scores, maps, pictures, files. Returns the entries of `metrics.json`."""
    progress.stage("embedding")
    embeddings = {part: embed(model, split.images) for part, split in data.parts.items()}
    logits = None
    if model.classifier is not None:
        logits = {part: convert_to_numpy(model.classifier.logits(found)) for part, found in embeddings.items()}
    _save_model(folder, model)

    progress.stage("scoring")
    judgement = judge(data, embeddings, logits)
    points = {part: l2_normalize(found) for part, found in embeddings.items()}

    maps, arrays = _maps(data, points, baseline, settings, progress.stage)
    arrays |= judgement.arrays | _strips(data, points, baseline)
    arrays["tsne_mistakes"] = _mistakes(data, arrays["test_predictions"])[arrays[INDICES["test"]]]
    save_arrays(folder.path / "embeddings.npz", **arrays)

    progress.stage("drawing")
    classifier = "the nearest class mean" if logits is None else "the loss's own classifier"
    figures = _figures(settings, data, judgement.scores, maps, arrays, classifier)
    for name, figure in figures.items():
        save_figure(folder.path / f"{name}.png", figure)
    write_summary(
        folder.path,
        best_step,
        scalars={f"test/{name}": value for name, value in judgement.scores.items()},
        figures=figures,
    )
    return _results(judgement, maps)


def sample_indices(labels, settings):
    """The images of a part that t-SNE shows: the same for every loss and seed."""
    return stratified_sample(labels, QUICK_TSNE_POINTS if settings.quick else TSNE_POINTS, TSNE_SEED)


def _mapped(data, points):
    """Labels and points of the images that each map is drawn from."""
    tested = [points[part] for part in ("test", "unknown") if part in points]
    return {"test": (data.shown[0], np.concatenate(tested)), "train": (data.train.labels, points["train"])}


def _selection(data, points, settings):
    """Arrays of what every run shows: which images are mapped, the maps' first layouts, the queries of the strips."""
    arrays = {}
    for part, (labels, mapped) in _mapped(data, points).items():
        arrays[INDICES[part]] = sample_indices(labels, settings)
        arrays[f"tsne_{part}_layout"] = pca_layout(mapped[arrays[INDICES[part]]])
    judged, _ = data.judged
    arrays["queries"] = contested(points[judged], data.parts[judged].labels, STRIP)
    return arrays


def _maps(data, points, selection, settings, stage=lambda name: None):
    """t-SNE of the sampled test and training images: the facts by part, and the arrays to save."""
    maps, arrays = {}, {}
    for part, (labels, mapped) in _mapped(data, points).items():
        stage(f"t-SNE of {part} images")
        indices = selection[INDICES[part]]
        coordinates, maps[part] = _map(mapped[indices], selection[f"tsne_{part}_layout"], settings)
        arrays[f"tsne_{part}"] = rotated_to(coordinates, selection.get(f"tsne_{part}", coordinates))
        arrays |= {INDICES[part]: indices, f"tsne_{part}_labels": labels[indices]}
    return maps, arrays


def _map(points, layout, settings):
    """t-SNE of some points, and how far to trust it."""
    start = time.perf_counter()
    coordinates, divergence = tsne(points, layout, settings.perplexity, settings.tsne_iterations, TSNE_SEED)
    return coordinates, {
        "n": len(points),
        "perplexity": settings.perplexity,
        "iterations": settings.tsne_iterations,
        "seed": TSNE_SEED,
        "kl_divergence": divergence,
        "neighbor_preservation": neighbor_preservation(points, coordinates, NEIGHBORS),
        "seconds": time.perf_counter() - start,
    }


def map_caption(facts):
    """What a t-SNE map was made with and how far to trust it, in one line."""
    return (
        f"n {facts['n']:,} · perplexity {facts['perplexity']:g} · t-SNE seed {facts['seed']} · "
        f"KL {facts['kl_divergence']:.2f} · {NEIGHBORS} nearest kept {facts['neighbor_preservation']:.0%}"
    )


def _mistakes(data, predictions):
    """Which of the test images shown are classified wrongly; an unknown class has no right answer."""
    wrong = np.zeros(len(data.shown[0]), bool)
    wrong[: len(predictions)] = predictions != data.test.labels
    return wrong


def _strips(data, points, selection):
    """Arrays of some judged images and the nearest others: pictures `(k, 1 + STRIP, h, w, c)`, and their labels."""
    judged, _ = data.judged
    queries, split = selection["queries"], data.parts[judged]
    strips = np.concatenate([queries[:, None], neighbors(points[judged], queries, STRIP)], axis=1)
    return {"strip_images": split.images[strips], "strip_labels": split.labels[strips]}


def _figures(settings, data, scores, maps, arrays, classifier):
    """The pictures of one run, by file name."""
    name = f"{'QUICK · ' if settings.quick else ''}{settings.loss} on {data.name}, {settings.unit}"
    line = scores_line(settings.protocol, scores)
    unseen = f"\n{UNSEEN_NOTE}" if settings.protocol == "open" else ""
    judged = f"{name}{', classes never seen' if unseen else ''}"
    predictions = arrays["test_predictions"]
    wrong = predictions != data.test.labels
    figures = {
        f"tsne_{part}": tsne_figure(
            f"{name}: {part} images",
            coordinates=arrays[f"tsne_{part}"],
            labels=arrays[f"tsne_{part}_labels"],
            class_names=data.shown[1],
            mistakes=arrays["tsne_mistakes"] if part == "test" else None,
            caption=f"{map_caption(maps[part])}{' · × misclassified' if part == 'test' else ''}\n"
            f"full space, all test images: {line}{unseen}",
        )
        for part in ("test", "train")
    }
    figures["distances"] = distances_figure(
        f"{judged}: {line}", [{"same": arrays["same_pairs"], "different": arrays["different_pairs"]}], DISTANCE_BINS
    )
    figures["roc"] = roc_figure(
        f"{judged}: are two images of the same class?", [roc_curve(settings.loss, arrays, scores)]
    )
    figures["neighbors"] = strips_figure(
        f"{judged}: images and their nearest neighbours", [(settings.loss, arrays)], data.judged[1]
    )
    figures["confusion"] = confusion_figure(
        f"{name}: {wrong.sum():,} of {len(wrong):,} test images wrong",
        data.test.labels,
        predictions,
        data.class_names,
        classifier,
    )
    return figures


def roc_curve(name, arrays, scores):
    """The curve of one embedding, for `roc_figure`, from its `embeddings.npz` and scores."""
    eer = scores["eer"] if "eer" in scores else scores["unseen_eer"]
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


def _save_model(folder, model):
    """Saves the embedder for use anywhere, and all weights, those of the losses included."""
    with whole_file(folder.path / "embedder.keras") as path:
        portable(model.embedder).save(path)
    with whole_file(folder.path / "weights.weights.h5") as path:
        model.save_weights(path)


def _pixels(split):
    return split.images.reshape(len(split), -1).astype(np.float32) / 255


def _config_text(folder):
    """`config.json` as Markdown."""
    return f"```\n{(folder.path / 'config.json').read_text()}```"
