"""One run, from a loss's name to its folder: train, judge, draw, log."""

import dataclasses
import time

import numpy as np
from keras.ops import convert_to_numpy

from data import Batches
from evaluation.retrieval import neighbors
from evaluation.vectors import l2_normalize, squared_distances
from figures import film_features_figure, run_figures
from film import Film, after_epochs, draw_film
from health import class_directions, shown_centers
from models import embed, portable
from run_folder import png, save_arrays, save_bytes, save_json, save_table, whole_file
from scoring import judge
from training import Failure, train
from tsne_maps import FILM_POINTS, INDICES, STRIP, draw_maps, sample_indices, select
from visualize import animation


def run_baseline(settings, data, folder, command, progress):
    """Judges the raw pixels as if they were embeddings: what every loss has to beat.

    Its `embeddings.npz` also says which images every run shows, and where their maps start from.

    Args:
        settings: `Settings` of any run of this command: the same images and t-SNE options.
        data: `Dataset`.
        folder: `RunFolder` of the baseline.
        command: The command line, for the record.
        progress: Object with `stage(name)`.
    """
    folder.start(baseline_settings(settings), command)
    start = time.perf_counter()
    stages = Stages(progress)
    stages.start("scoring")
    pixels = {part: split.pixels for part, split in data.parts.items()}
    judgement = judge(data, pixels, None)
    stages.start("t-SNE")
    points = {part: l2_normalize(found) for part, found in pixels.items()}
    selection = select(data, points, settings)
    maps, arrays = draw_maps(data, points, selection, settings)
    kept = {name: array for name, array in judgement.arrays.items() if not name.endswith("_embeddings")}
    save_arrays(folder.path / "embeddings.npz", **(selection | arrays | kept | _strips(data, points, selection)))
    metrics = _facts(data, settings) | {"loss": "raw_pixels", "status": "finished"} | _results(judgement, maps)
    metrics["timing"] = {"stages": stages.end(), "total_seconds": time.perf_counter() - start}
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


class Stages:
    """What is done after training, one after the other: says it, and keeps how many seconds each took."""

    def __init__(self, progress):
        self.progress = progress
        self.begun = []

    def start(self, name):
        self.progress.stage(name)
        self.begun.append((name, time.perf_counter()))

    def end(self):
        """Dict from the stages to their seconds."""
        times = [begun for _, begun in self.begun] + [time.perf_counter()]
        return {name: later - begun for (name, begun), later in zip(self.begun, times[1:], strict=True)}


def run(settings, data, baseline, folder, command, progress, dashboard=None):
    """Trains, judges and draws one loss; `metrics.json` comes last and makes the run complete.

    A run that diverges or collapses is recorded as failed.

    Args:
        settings: `Settings` of the run.
        data: `Dataset`.
        baseline: Arrays of the baseline's folder.
        folder: `RunFolder` of the run.
        command: The command line, for the record.
        progress: Object with `batches(count)`, `epoch(number, logs)` and `stage(name)`.
        dashboard: The module `dashboard`, or None to do without TensorBoard.

    Returns:
        The content of `metrics.json`.
    """
    start = time.perf_counter()
    folder.start(dataclasses.asdict(settings), command)
    filmed = data.validation[sample_indices(data.validation.labels, settings, FILM_POINTS)]
    film = Film(filmed, settings, len(Batches(data.train, settings.seed, settings.sampler)))
    metrics = _facts(data, settings) | {"loss": settings.loss, "seed": settings.seed, "epochs": settings.epochs}
    try:
        model, training = train(settings, data, folder.path, progress, film, dashboard)
    except Failure as failure:
        metrics |= {"status": "failed", "failure": str(failure)}
        pictures = _save_film(film, data, folder)
        if settings.embedding_dim == 2 and film.frames:
            last = film_features_figure(settings, data, film.frames[-1], filmed.labels)
            save_bytes(folder.path / "features.png", png(last))
        if dashboard:
            dashboard.write_run(folder, metrics, pictures=pictures)
    else:
        stages = Stages(progress)
        results, arrays, pngs = _judge(settings, data, baseline, folder, model, stages)
        metrics |= {"status": "finished", "failure": None} | training | results
        stages.start("film")
        pictures = _save_film(film, data, folder)
        stages.start("TensorBoard")
        if dashboard:
            step = training["best_epoch"] - 1  # TensorBoard's scalars count epochs from 0.
            pictures += [(name, step, content) for name, content in pngs.items()]
            dashboard.write_projector(folder.path, **_projected(data, arrays))
            dashboard.write_run(folder, metrics, step, pictures, arrays)
        metrics["timing"] |= {"stages": stages.end(), "total_seconds": time.perf_counter() - start}
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


def _judge(settings, data, baseline, folder, model, stages):
    """Everything after training: scores, maps, pictures, files.

    Returns:
        The entries of `metrics.json`, the arrays of `embeddings.npz`, and a dict from a picture's name to its PNG.
    """
    stages.start("embedding")
    embeddings = {part: embed(model, split.images) for part, split in data.parts.items()}
    logits = None
    if model.classifier is not None:
        logits = {part: convert_to_numpy(model.classifier.logits(found)) for part, found in embeddings.items()}
    _save_model(folder, model)

    stages.start("scoring")
    judgement = judge(data, embeddings, logits)
    points = {part: l2_normalize(found) for part, found in embeddings.items()}

    stages.start("t-SNE")
    maps, arrays = draw_maps(data, points, baseline, settings)
    arrays |= judgement.arrays | _strips(data, points, baseline) | _state(model)
    arrays["tsne_mistakes"] = _mistakes(data, arrays["test_predictions"])[arrays[INDICES["test"]]]
    save_arrays(folder.path / "embeddings.npz", **arrays)
    for part in maps:
        _save_map(folder.path / f"tsne_{part}.csv", part, arrays, data.shown[1])

    stages.start("drawing")
    classifier = "the nearest class mean" if logits is None else "the loss's own classifier"
    figures = run_figures(settings, data, judgement.scores, maps, arrays, classifier)
    pngs = {name: png(figure) for name, figure in figures.items()}
    for name, content in pngs.items():
        save_bytes(folder.path / f"{name}.png", content)
    return _results(judgement, maps), arrays, pngs


def _state(model):
    """Arrays of the class weights and centers of the loss, as far as it has them."""
    state = {"directions": class_directions(model), "centers": shown_centers(model)}
    return {name: array for name, array in state.items() if array is not None}


def _mistakes(data, predictions):
    """Which of the test images shown are classified wrongly; an unknown class has no right answer."""
    wrong = np.zeros(len(data.shown[0]), bool)  # Unknown classes come last.
    wrong[: len(predictions)] = predictions != data.test.labels
    return wrong


def _strips(data, points, selection):
    """Arrays of some judged images and the nearest others: pictures `(k, 1 + STRIP, h, w, c)`, and their labels."""
    judged, _ = data.judged
    queries, split = selection["queries"], data.parts[judged]
    strips = np.concatenate([queries[:, None], neighbors(points[judged], queries, STRIP)], axis=1)
    return {"strip_images": split.images[strips], "strip_labels": split.labels[strips]}


def _save_map(path, part, arrays, class_names):
    """Writes a t-SNE map as CSV, for anyone who wants to draw it in another way."""
    columns = zip(arrays[INDICES[part]], arrays[f"tsne_{part}_labels"], *arrays[f"tsne_{part}"].T, strict=True)
    rows = [{"image": i, "class": class_names[label], "x": f"{x:.4f}", "y": f"{y:.4f}"} for i, label, x, y in columns]
    save_table(path, rows, ("image", "class", "x", "y"))


def _save_film(film, data, folder):
    """Saves the film of a training as a GIF, and its coordinates; returns what TensorBoard shows: tag, epoch, PNG."""
    if not film.frames:
        return []
    pngs, arrays = draw_film(film, data)
    save_bytes(folder.path / "training.gif", animation(pngs))
    save_arrays(folder.path / "training.npz", **arrays)
    tag = "features_over_training" if film.settings.embedding_dim == 2 else "tsne_over_training"
    return [(tag, round(film.frames[i].epochs) - 1, pngs[i]) for i in after_epochs(film)]  # Counted from 0.


def _projected(data, arrays):
    """What the projector shows of the images of the t-SNE map: arguments of `write_projector`."""
    shown, names = data.shown
    names = [f"digit {name}" if name[0].isdecimal() else name for name in names]  # A number would be no label.
    indices = arrays[INDICES["test"]]
    tested = np.concatenate([arrays[f"{part}_embeddings"] for part in ("test", "unknown") if part in data.parts])
    embeddings, labels = l2_normalize(tested[indices]), shown.labels[indices]
    distances = np.sqrt(squared_distances(embeddings, arrays["class_means"]))
    known = labels < data.num_classes
    predictions = distances.argmin(axis=1)
    predictions[known] = arrays["test_predictions"][indices[known]]
    centers = np.where(known, labels, predictions)  # Of an unknown class, the nearest.
    correct = np.where(known, np.where(labels == predictions, "yes", "no"), "class never seen")
    return {
        "embeddings": embeddings,
        "layout": arrays["tsne_test"],
        "images": shown.images[indices],
        "columns": {
            "class": [names[label] for label in labels],
            "predicted": [names[label] for label in predictions],
            "correct": correct.tolist(),
            "distance to class mean": [f"{x:.4f}" for x in distances[np.arange(len(centers)), centers]],
            "test image": indices.tolist(),
        },
    }


def _save_model(folder, model):
    """Saves the embedder for use anywhere, and all weights, those of the losses included."""
    with whole_file(folder.path / "embedder.keras") as path:
        portable(model.embedder).save(path)
    with whole_file(folder.path / "weights.weights.h5") as path:
        model.save_weights(path)
