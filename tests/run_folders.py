"""Folders of runs as training leaves them, written in an instant."""

import json

import numpy as np

from scores import SCORES
from scoring import DISTANCE_BINS, ROC_FARS
from tsne_maps import INDICES, STRIP

SETTINGS = {
    "dataset": "digits",
    "protocol": "closed",
    "split": None,
    "epochs": 2,
    "embedding_dim": 64,
    "quick": False,
    "loss": "softmax",
    "seed": 0,
    "overrides": {},
}
FACTS = {"n": 20, "perplexity": 5, "iterations": 300, "seed": 0, "kl_divergence": 1.0, "neighbor_preservation": 0.5}


def write_run(folder, loss="softmax", status="finished", score=0.5, name=None, **settings):
    """A run's folder as training leaves it, with one number for every score."""
    settings = SETTINGS | {"loss": loss} | settings
    split = settings["split"]
    unit = f"seed-{settings['seed']}" if split is None else f"split-{split}-seed-{settings['seed']}"
    swept = settings.get("sweep")
    path = folder / (f"{swept}={settings['overrides'][swept]:g}" if swept else loss) / (name or unit)
    if loss == "raw_pixels":
        path = folder / loss if split is None else folder / loss / f"split-{split}"
    path.mkdir(parents=True)
    metrics = {
        "status": status,
        "protocol": settings["protocol"],
        "split": split,
        "timing": {},
        "tsne": FACTS,
        "class_names": list("0123456789"),
        "judged_names": list("0123456789"),
    }
    if loss != "raw_pixels":
        metrics["seed"] = settings["seed"]
    if status == "failed":
        metrics["failure"] = "diverged: the loss is nan in epoch 1. Known remedies: a lower --learning-rate."
    else:
        metrics |= {"test": dict.fromkeys(SCORES[settings["protocol"]], score), "timing": {"train_seconds": 1.0}}
    (path / "config.json").write_text(json.dumps({"settings": settings, "command": "python main.py"}))
    (path / "metrics.json").write_text(json.dumps(metrics))
    counts = np.ones(len(DISTANCE_BINS) - 1)
    np.savez(
        path / "embeddings.npz",
        same_pairs=counts,
        different_pairs=counts,
        tsne_test=np.random.default_rng(0).normal(size=(20, 2)),
        tsne_test_labels=np.arange(20) % 10,
        class_means=np.eye(10),
        roc_fars=ROC_FARS,
        roc_tars=np.sqrt(ROC_FARS),
        strip_images=np.zeros((10, 1 + STRIP, 4, 4, 1), "uint8"),
        strip_labels=np.arange(10)[:, None] + np.zeros(1 + STRIP, int),
        **{INDICES["test"]: np.arange(20)},
    )
    return path
