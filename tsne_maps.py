"""Which images every run shows, and its t-SNE maps: of the same images, from the same layouts."""

import concurrent.futures
import time

import numpy as np
from threadpoolctl import threadpool_limits

from data import stratified_sample
from evaluation.geometry import neighbor_preservation
from evaluation.retrieval import contested
from evaluation.vectors import l2_normalize
from visualize import pca_layout, rotated_to, tsne

POINTS, FILM_POINTS, QUICK_POINTS = 2000, 800, 600
SEED = 0
STRIP = 8  # Neighbours shown of each query.
FILM_ITERATIONS = 300
INDICES = {"test": "tsne_indices", "train": "tsne_train_indices"}  # Names of the sampled images in `embeddings.npz`.


def sample_indices(labels, settings, points=POINTS):
    """The images of a part that t-SNE shows."""
    return stratified_sample(labels, min(QUICK_POINTS, points) if settings.quick else points, SEED)


def _mapped(data, points):
    """Labels and points of the images that each map is drawn from."""
    tested = [points[part] for part in ("test", "unknown") if part in points]
    return {"test": (data.shown[0].labels, np.concatenate(tested)), "train": (data.train.labels, points["train"])}


def select(data, points, settings):
    """Arrays of what every run shows: which images are mapped, the maps' first layouts, the queries of the strips.

    Args:
        data: `Dataset`.
        points: Dict from a part to the L2-normalised pixels of its images.
        settings: `Settings` of any run.
    """
    arrays = {}
    for part, (labels, mapped) in _mapped(data, points).items():
        arrays[INDICES[part]] = sample_indices(labels, settings)
        arrays[f"tsne_{part}_layout"] = pca_layout(mapped[arrays[INDICES[part]]])
    judged, _ = data.judged
    arrays["queries"] = contested(points[judged], data.parts[judged].labels, STRIP)
    return arrays


def draw_maps(data, points, selection, settings):
    """t-SNE of the selected test and training images.

    Args:
        data: `Dataset`.
        points: Dict from a part to its L2-normalised embeddings.
        selection: Arrays of `select`; maps that are among them already say how these are to lie.
        settings: `Settings`.

    Returns:
        Dict from `test` and `train` to the facts of its map, and a dict of arrays to save.
    """
    chosen = {part: mapped[selection[INDICES[part]]] for part, (_, mapped) in _mapped(data, points).items()}
    # t-SNE holds no lock while it computes: two maps take little longer than one. Two at once do not restore the
    # number of threads that matrix products have in this process, which it changes for itself.
    with threadpool_limits(limits=None), concurrent.futures.ThreadPoolExecutor() as pool:
        found = {
            part: pool.submit(_map, mapped, selection[f"tsne_{part}_layout"], settings)
            for part, mapped in chosen.items()
        }
    maps, arrays = {}, {}
    for part, (labels, _) in _mapped(data, points).items():
        coordinates, maps[part] = found[part].result()
        indices = selection[INDICES[part]]
        arrays[f"tsne_{part}"] = rotated_to(coordinates, selection.get(f"tsne_{part}", coordinates))
        arrays |= {INDICES[part]: indices, f"tsne_{part}_labels": labels[indices]}
    return maps, arrays


def _map(points, layout, settings):
    """t-SNE of some points, and how far to trust it."""
    start = time.perf_counter()
    coordinates, divergence = tsne(points, layout, settings.perplexity, settings.tsne_iterations, SEED)
    return coordinates, {
        "n": len(points),
        "perplexity": settings.perplexity,
        "iterations": settings.tsne_iterations,
        "seed": SEED,
        "kl_divergence": divergence,
        "neighbor_preservation": neighbor_preservation(points, coordinates),
        "seconds": time.perf_counter() - start,
    }


def film_maps(frames, layout, settings):
    """t-SNE of the embeddings of some images after one epoch after another, each begun where the last one ended.

    Args:
        frames: List of `Frame`.
        layout: First layout of all `(n, 2)`.
        settings: `Settings`.

    Returns:
        List of coordinates `(n, 2)`.
    """
    maps = []
    for frame in frames:
        points = l2_normalize(frame.embeddings)
        start = maps[-1] if maps else layout
        # Exaggeration would scatter what the last map has laid out.
        exaggeration = 1.0 if maps else 12.0
        coordinates, _ = tsne(points, start, settings.perplexity, FILM_ITERATIONS, SEED, exaggeration)
        maps.append(coordinates.astype(np.float32))
    return maps
