"""Runs as a training leaves them, made in an instant; folders of them are written by the project itself."""

import numpy as np

from lab.maps import STRIP, MapFacts
from lab.protocols import DISTANCE_BINS, PROTOCOLS, ROC_FARS
from lab.run import Run, Training
from lab.run_folder import RunFolder
from lab.settings import PIXELS, Settings

NAMES = tuple("0123456789")
FACTS = MapFacts(n=20, perplexity=5, iterations=300, seed=0, kl_divergence=1.0, neighbor_preservation=0.5, seconds=1.0)
COUNTS = np.ones(len(DISTANCE_BINS) - 1)
ARRAYS = {
    "test_embeddings": np.eye(10, 64)[np.arange(20) % 10],
    "test_labels": np.arange(20) % 10,
    "test_predictions": np.arange(20) % 10,
    "test_errors": np.zeros(20),
    "class_means": np.eye(10, 64),
    "same_pairs": COUNTS,
    "different_pairs": COUNTS,
    "roc_fars": ROC_FARS,
    "roc_tars": np.sqrt(ROC_FARS),
    "tsne_test": np.random.default_rng(0).normal(size=(20, 2)),
    "tsne_test_labels": np.arange(20) % 10,
    "tsne_indices": np.arange(20),
    "tsne_mistakes": np.zeros(20, bool),
    "tsne_train": np.random.default_rng(1).normal(size=(20, 2)),
    "tsne_train_labels": np.arange(20) % 10,
    "tsne_train_indices": np.arange(20),
    "strip_images": np.zeros((10, 1 + STRIP, 4, 4, 1), "uint8"),
    "strip_labels": np.arange(10)[:, None] + np.zeros(1 + STRIP, int),
    "mistakes": np.arange(0),
    "mistake_images": np.zeros((0, 4, 4, 1), "uint8"),
}

OF_PIXELS = {
    "queries": np.arange(10),
    "tsne_test_layout": ARRAYS["tsne_test"],
    "tsne_train_layout": ARRAYS["tsne_train"],
}


def make_run(loss="softmax", score=0.5, failure=None, arrays=None, **settings):
    """A `Run` with one number for every score.

    Args:
        loss: Name of the loss, or `"raw_pixels"`.
        score: The number, or a dict from a score's name to one.
        failure: What went wrong; None if nothing did.
        arrays: Dict of arrays in place of those of `ARRAYS`.
        settings: In place of `digits`, seed 0 and two epochs.
    """
    settings = Settings(**{"dataset": "digits", "loss": loss, "seed": 0, "epochs": 2} | settings)
    settings = settings.of_pixels() if loss == PIXELS else settings
    if failure:
        return Run(settings, NAMES, NAMES, failure=failure)
    names = PROTOCOLS[settings.protocol].scores
    return Run(
        settings,
        NAMES,
        NAMES,
        scores=score if isinstance(score, dict) else dict.fromkeys(names, score),
        maps={} if settings.embedding_dim == 2 else {"test": FACTS, "train": FACTS},
        arrays=ARRAYS | (OF_PIXELS if loss == PIXELS else {}) | (arrays or {}),
        training=None if loss == PIXELS else Training(2, 0.5, train_seconds=1.0, images_per_second=100.0),
        stages={"scoring": 1.0},
        total_seconds=2.0,
    )


def write_run(folder, loss="softmax", name=None, **run):
    """Writes the folder of a run as a training leaves it, and gives its path.

    Args:
        folder: Folder of the data set.
        loss: Name of the loss, or `"raw_pixels"`.
        name: Name of the run's folder, in place of its own.
        run: As `make_run` takes it.
    """
    run = make_run(loss, **run)
    path = folder / run.settings.folder
    run_folder = RunFolder(path.with_name(name) if name else path)
    run_folder.start(run.settings, "python main.py")
    run_folder.save(run)
    return run_folder.path
