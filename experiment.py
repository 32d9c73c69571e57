"""One run, from a loss's name to its folder: train, evaluate, draw, log."""

import dataclasses
import time

import numpy as np
from keras.ops import convert_to_numpy

from dashboard import write_summary
from data import stratified_sample
from evaluation.classification import nearest_mean
from evaluation.closed_set import evaluate
from evaluation.geometry import neighbor_preservation
from evaluation.vectors import class_means, l2_normalize
from evaluation.verification import all_pairs
from models import embed, portable
from run_folder import save_arrays, save_figure, save_json, whole_file
from training import Failure, train
from visualize import (
    confusion_figure,
    distances_figure,
    pca_layout,
    rotated_to,
    tsne,
    tsne_figure,
)

TSNE_POINTS = 2000
QUICK_TSNE_POINTS = 600
TSNE_SEED = 0
DISTANCE_BINS = np.linspace(0, 2, 101)  # L2-normalised embeddings are at most 2 apart.
NEIGHBORS = 10
INDICES = {"test": "tsne_indices", "train": "tsne_train_indices"}  # Names of the sampled images in `embeddings.npz`.


def run_baseline(settings, data, folder, command):
    """Scores and draws the raw pixels as if they were embeddings: what every loss has to beat.

    Args:
        settings: `Settings` of any run of this command: the same images and t-SNE options.
        data: `Dataset`.
        folder: `RunFolder` of the baseline.
        command: The command line, for the record.
    """
    folder.start(baseline_settings(settings), command)
    start = time.perf_counter()
    train_pixels, test_pixels = (_pixels(split) for split in (data.train, data.test))
    scores = evaluate(train_pixels, data.train.labels, test_pixels, data.test.labels)
    maps, arrays = {}, {}
    for part, split in (("test", data.test), ("train", data.train)):
        indices = sample_indices(split, settings)
        points = l2_normalize(_pixels(split[indices]))
        layout = pca_layout(points)
        arrays[f"tsne_{part}"], maps[part] = _map(points, layout, settings)
        arrays |= {INDICES[part]: indices, f"tsne_{part}_layout": layout}
    arrays["same_pairs"], arrays["different_pairs"] = pair_distances(
        l2_normalize(test_pixels), data.test.labels, DISTANCE_BINS
    )
    save_arrays(folder.path / "embeddings.npz", **arrays, test_labels=data.test.labels)
    total = time.perf_counter() - start
    save_json(
        folder.path / "metrics.json",
        {
            "dataset": data.name,
            "loss": "raw_pixels",
            "quick": settings.quick,
            "status": "finished",
            "test": scores,
            "timing": {"total_seconds": total},
            "tsne": maps["test"],
            "tsne_train": maps["train"],
        },
    )


def baseline_settings(settings):
    """The settings that the baseline depends on."""
    return {
        "dataset": settings.dataset,
        "perplexity": settings.perplexity,
        "tsne_iterations": settings.tsne_iterations,
        "quick": settings.quick,
    }


def sample_indices(split, settings):
    """The images of a split that t-SNE shows: the same for every loss and seed."""
    return stratified_sample(split.labels, QUICK_TSNE_POINTS if settings.quick else TSNE_POINTS, TSNE_SEED)


def run(settings, data, baseline, folder, command, progress):
    """Trains, evaluates and draws one loss; `metrics.json` comes last and makes the run complete.

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
    metrics = {
        "dataset": data.name,
        "loss": settings.loss,
        "seed": settings.seed,
        "epochs": settings.epochs,
        "quick": settings.quick,
    }
    try:
        model, timing = train(settings, data, folder.path, progress)
    except Failure as failure:
        metrics |= {"status": "failed", "failure": str(failure)}
    else:
        metrics |= {"status": "finished", "failure": None}
        metrics |= _judge(settings, data, baseline, folder, model, timing, progress)
        metrics["timing"] = timing | {"total_seconds": time.perf_counter() - start}
    save_json(folder.path / "metrics.json", metrics)
    return metrics


def _judge(settings, data, baseline, folder, model, timing, progress):
    """Everything after training: scores, maps, pictures, files. Returns the entries of `metrics.json`."""
    progress.stage("embedding")
    embeddings = {"train": embed(model, data.train.images), "test": embed(model, data.test.images)}
    logits = None if model.classifier is None else convert_to_numpy(model.classifier.logits(embeddings["test"]))
    _save_model(folder, model)

    progress.stage("scoring")
    train, test = l2_normalize(embeddings["train"]), l2_normalize(embeddings["test"])
    means = class_means(train, data.train.labels)
    predictions = nearest_mean(test, means) if logits is None else np.argmax(logits, axis=1)
    scores = evaluate(embeddings["train"], data.train.labels, embeddings["test"], data.test.labels, logits)
    same, different = pair_distances(test, data.test.labels, DISTANCE_BINS)

    maps, arrays = _maps({"test": test, "train": train}, baseline, settings, progress)
    save_arrays(
        folder.path / "embeddings.npz",
        test_embeddings=embeddings["test"],
        test_labels=data.test.labels,
        test_predictions=predictions,
        class_means=means,
        same_pairs=same,
        different_pairs=different,
        **arrays,
    )

    progress.stage("drawing")
    figures = _figures(settings, data, scores, maps, arrays, predictions, (same, different))
    for name, figure in figures.items():
        save_figure(folder.path / f"{name}.png", figure)
    write_summary(
        folder.path,
        timing["best_epoch"] - 1,  # TensorBoard's scalars count epochs from 0.
        scalars={f"test/{name}": value for name, value in scores.items()},
        figures=figures,
    )
    return {"test": scores, "tsne": maps["test"], "tsne_train": maps["train"]}


def _maps(points, baseline, settings, progress):
    """t-SNE of the sampled test and training images: the facts by part, and the arrays to save."""
    maps, arrays = {}, {}
    for part in ("test", "train"):
        progress.stage(f"t-SNE of {part} images")
        indices = baseline[INDICES[part]]
        coordinates, maps[part] = _map(points[part][indices], baseline[f"tsne_{part}_layout"], settings)
        arrays[f"tsne_{part}"] = rotated_to(coordinates, baseline[f"tsne_{part}"])
        arrays[INDICES[part]] = indices
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


def _figures(settings, data, scores, maps, arrays, predictions, pairs):
    """The pictures of one run, by file name."""
    name = f"{'QUICK · ' if settings.quick else ''}{settings.loss} on {data.name}, seed {settings.seed}"
    wrong = predictions != data.test.labels
    labels = {"test": data.test.labels, "train": data.train.labels}
    figures = {
        f"tsne_{part}": tsne_figure(
            f"{name}: {part} images",
            coordinates=arrays[f"tsne_{part}"],
            labels=labels[part][arrays[INDICES[part]]],
            class_names=data.class_names,
            mistakes=wrong[arrays[INDICES["test"]]] if part == "test" else None,
            caption=f"{map_caption(maps[part])}{' · × misclassified' if part == 'test' else ''}\n"
            f"full space, all test images: {scores_line(scores)}",
        )
        for part in ("test", "train")
    }
    ratio = f"distance ratio {scores['distance_ratio']:.3f}"
    figures["distances"] = distances_figure(
        f"{name}: {ratio}", [{"same": pairs[0], "different": pairs[1]}], DISTANCE_BINS
    )
    figures["confusion"] = confusion_figure(
        f"{name}: {wrong.sum():,} of {len(wrong):,} test images wrong",
        data.test.labels,
        predictions,
        data.class_names,
        "the loss's own classifier" if scores["head_accuracy"] is not None else "the nearest class mean",
    )
    return figures


def scores_line(scores):
    """The headline scores in one line."""
    return (
        f"5-NN {scores['knn_accuracy']:.2%} · nearest mean {scores['center_accuracy']:.2%} · "
        f"MAP@R {scores['map_at_r']:.3f}"
    )


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
