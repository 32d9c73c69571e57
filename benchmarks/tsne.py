"""Processor time of t-SNE maps and how good they are, beside openTSNE and other steps of scikit-learn.

    pip install -r benchmarks/requirements.txt
    python main.py
    python benchmarks/tsne.py runs/mnist

Draws the map of test images of every loss in a folder of results anew, from the same layout: as the project does; by
scikit-learn with 750 steps of a higher learning rate; by openTSNE with its defaults, which are 750 steps too. Each has
one thread. Prints the seconds of CPU, and the Kullback-Leibler divergence over all pairs: scikit-learn's own, which the
project shows, is an approximation. Maps of the same algorithm, begun a rounding error apart, differ by up to 0.01: look
at the means.
"""

import argparse
import pathlib
import sys
import time

import numpy as np
from openTSNE import TSNE, affinity
from sklearn.manifold import TSNE as SklearnTSNE
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from evaluation.tsne import tsne
from evaluation.vectors import l2_normalize, squared_distances

PERPLEXITY = 30


def faster_steps(points, layout):
    rate = max(50, len(points) / 4)
    return SklearnTSNE(init=layout, perplexity=PERPLEXITY, learning_rate=rate, max_iter=750).fit_transform(points)


def open_tsne(points, layout):
    return TSNE(
        initialization=layout.astype(np.float64),
        perplexity=PERPLEXITY,
        neighbors="exact",
        negative_gradient_method="bh",
        random_state=0,
    ).fit(points)


METHODS = {
    "project": lambda points, layout: tsne(points, layout, PERPLEXITY)[0],
    "scikit-learn, 750 steps": faster_steps,
    "openTSNE": open_tsne,
}


def divergence(attraction, coordinates):
    """Kullback-Leibler divergence of a map `(n, 2)` over all pairs; `attraction` is the sparse matrix `(n, n)`."""
    similar = 1 / (1 + squared_distances(coordinates, coordinates))
    np.fill_diagonal(similar, 0)
    pairs = attraction.tocoo()
    shares = similar[pairs.row, pairs.col] / similar.sum()
    return float((pairs.data * np.log(pairs.data / shares)).sum())


def shown(found):
    """Seconds and divergence of each method, in words."""
    return "; ".join(f"{name} {s:.1f} s, KL {kl:.4f}" for name, (s, kl) in zip(METHODS, found, strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=pathlib.Path, help="the folder of results")
    runs = parser.parse_args().runs
    layout = np.load(runs / "raw_pixels" / "embeddings.npz")["tsne_test_layout"]
    totals = []
    for file in sorted(runs.glob("*/seed-0/embeddings.npz")):
        arrays = np.load(file)
        points = l2_normalize(arrays["test_embeddings"][arrays["tsne_indices"]])
        attraction = affinity.PerplexityBasedNN(points, PERPLEXITY, method="exact").P
        found = []
        for draw in METHODS.values():
            start = time.process_time()
            coordinates = np.asarray(draw(points, layout), np.float64)
            found.append((time.process_time() - start, divergence(attraction, coordinates)))
        totals.append(found)
        print(file.parts[-3], shown(found))
    print("mean", shown(np.mean(totals, axis=0)))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
