"""Labelled embeddings, and what loops over queries and ranks make of them."""

import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
RETRIEVAL = ("recall_at_1", "r_precision", "map_at_r")


def data(size, seed=0, classes=7, dim=5):
    """Overlapping classes of unequal size, in no order; every class occurs."""
    rng = np.random.default_rng(seed)
    shares = np.arange(1, classes + 1) / sum(range(1, classes + 1))
    labels = rng.permutation(np.concatenate([np.arange(classes), rng.choice(classes, size - classes, p=shares)]))
    return rng.normal(size=(classes, dim))[labels] + rng.normal(size=(size, dim)), labels


def ranked(embeddings, query, gallery=None):
    """Numbers of all items from the nearest to the farthest; without a gallery, all others."""
    if gallery is None:
        others, point = [i for i in range(len(embeddings)) if i != query], embeddings[query]
    else:
        others, embeddings, point = list(range(len(gallery))), gallery, embeddings[query]
    distances = [float(d) for d in np.linalg.norm(embeddings - point, axis=1)]
    return sorted(others, key=distances.__getitem__)


def retrieval_by_loops(embeddings, labels):
    """The definitions of Musgrave et al., one query and one rank at a time."""
    first, r_precision, map_at_r = [], [], []
    for query, label in enumerate(labels):
        r = sum(1 for other in labels if other == label) - 1
        if r == 0:
            continue
        found = [labels[i] == label for i in ranked(embeddings, query)[:r]]
        first.append(1 if found[0] else 0)
        r_precision.append(sum(found) / r)
        map_at_r.append(sum(sum(found[: i + 1]) / (i + 1) for i in range(r) if found[i]) / r)
    return {name: sum(s) / len(s) for name, s in zip(RETRIEVAL, (first, r_precision, map_at_r), strict=True)}


def vote(embeddings, labels, gallery, gallery_labels):
    """Majority among the 5 nearest of each item, None where two classes share it."""
    winners = []
    for query in range(len(labels)):
        near = [int(gallery_labels[i]) for i in ranked(embeddings, query, gallery)[:5]]
        best = [label for label in set(near) if near.count(label) == max(map(near.count, near))]
        winners.append(best[0] if len(best) == 1 else None)
    return winners


def peak_memory(work):
    """The most memory, in bytes, that a process held that ran some Python code in the project's folder."""
    # A process starts with the peak of the one that started it, hence one between this and the measured.
    measure = (
        "import resource, subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", measure, work]
    peak = int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    return peak * (1 if sys.platform == "darwin" else 1024)
