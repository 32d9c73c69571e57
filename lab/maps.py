"""Which images every run shows, and the t-SNE maps of them: of the same images, from the same layouts."""

import dataclasses
import time

import numpy as np

from evaluation.geometry import NEIGHBORS, neighbor_preservation
from evaluation.retrieval import contested
from evaluation.tsne import pca_layout, rotated_to, tsne
from evaluation.vectors import l2_normalize
from lab.batches import stratified_sample
from lab.colored import colored_classes
from lab.pixels import pixel_vectors

POINTS, FILM_POINTS, QUICK_POINTS = 2000, 800, 600
SEED = 0
STRIP = 8  # Neighbours shown of each query.
FILM_ITERATIONS = 300
INDICES = {"test": "tsne_indices", "train": "tsne_train_indices"}  # Names of the sampled images in `embeddings.npz`.


def sample_indices(labels, settings, points=None, colored=None):
    """The images of a part that t-SNE shows; of the `colored` among many classes as many as half of the points."""
    points = points or POINTS
    points = min(QUICK_POINTS, points) if settings.quick else points
    told_apart = np.isin(labels, [] if colored is None else colored)
    if told_apart.all() or not told_apart.any():
        return stratified_sample(labels, points, SEED)
    colored, others = np.flatnonzero(told_apart), np.flatnonzero(~told_apart)
    colored = colored[stratified_sample(labels[colored], min(len(colored), points // 2), SEED)]
    others = others[stratified_sample(labels[others], min(len(others), points - len(colored)), SEED)]
    return np.sort(np.concatenate([colored, others]))


@dataclasses.dataclass(frozen=True)
class Selection:
    """What every run of a split shows. The maps are of test images (`test`) and of training images (`train`).

    Args:
        indices: Dict from a map to the numbers of its images `(n,)`, ascending.
        layouts: Dict from a map to its first layout `(n, 2)`: a PCA of the pixels.
        queries: Numbers of the judged images whose neighbours are shown.
        references: Dict from a map to the coordinates `(n, 2)` that it is turned to; empty for the raw pixels.
        colored: `colored_classes` of the data set.
    """

    indices: dict
    layouts: dict
    queries: np.ndarray
    references: dict
    colored: np.ndarray | None = None

    @classmethod
    def of_pixels(cls, data, settings):
        """Chooses by the pixels of a `Dataset`."""
        colored, largest = colored_classes(data), max(map(len, data.parts.values()))
        labels = {"test": data.shown_labels, "train": data.train.labels}
        indices = {name: sample_indices(found, settings, colored=colored) for name, found in labels.items()}
        images = {"test": data.shown_images(indices["test"]), "train": data.train.images[indices["train"]]}
        layouts = {name: pca_layout(l2_normalize(pixel_vectors(found, largest))) for name, found in images.items()}
        judged, first = data.parts[data.judged_part], 0 if data.unseen is None else data.num_classes
        asked = np.unique(judged.labels) if colored is None else colored[colored >= first] - first
        queries = contested(l2_normalize(pixel_vectors(judged.images, largest)), judged.labels, STRIP, asked)
        return cls(indices, layouts, queries, references={}, colored=colored)

    @classmethod
    def of_arrays(cls, arrays):
        """As the raw pixels have kept it: see `arrays`."""
        return cls(
            indices={name: arrays[key] for name, key in INDICES.items()},
            layouts={name: arrays[f"tsne_{name}_layout"] for name in INDICES},
            queries=arrays["queries"],
            references={name: arrays[f"tsne_{name}"] for name in INDICES},
            colored=arrays.get("colored_classes"),
        )

    @property
    def arrays(self):
        """Dict of what the raw pixels keep, beside their maps, for all others."""
        layouts = {f"tsne_{name}_layout": layout for name, layout in self.layouts.items()}
        return layouts | {INDICES[name]: indices for name, indices in self.indices.items()} | {"queries": self.queries}

    def images(self, data):
        """Dict of the numbers and the labels of the images of each map, and of many classes of those told apart."""
        labels = {"test": data.shown_labels, "train": data.train.labels}
        numbers = {INDICES[name]: indices for name, indices in self.indices.items()}
        numbers |= {} if self.colored is None else {"colored_classes": self.colored}
        return numbers | {f"tsne_{name}_labels": labels[name][indices] for name, indices in self.indices.items()}


@dataclasses.dataclass(frozen=True)
class MapFacts:
    """What a t-SNE map was made with, and how far to trust it."""

    n: int
    perplexity: float
    iterations: int
    seed: int
    kl_divergence: float
    neighbor_preservation: float
    seconds: float

    @property
    def trust(self):
        """How far to trust it, in words."""
        return f"KL {self.kl_divergence:.2f} · {NEIGHBORS} nearest kept {self.neighbor_preservation:.0%}"


def start_maps(start, embeddings, selection, settings, tsne=tsne):
    """t-SNE of the selected test and training images, from their embeddings in a dict by part, L2-normalised.

    `start` is of `beside`; `tsne` makes a map, as that of `evaluation.tsne` does.

    Returns:
        Function that waits for them: it gives a dict from a map to its `MapFacts`, and one of the coordinates to save.
    """
    tested = np.concatenate([embeddings[part] for part in ("test", "unseen") if part in embeddings])
    found = {"test": tested, "train": embeddings["train"]}
    chosen = {name: l2_normalize(found[name][indices]) for name, indices in selection.indices.items()}
    started = {name: start(_map, points, selection.layouts[name], settings, tsne) for name, points in chosen.items()}

    def drawn():
        facts, arrays = {}, {}
        for name, future in started.items():
            coordinates, facts[name] = future.result()
            arrays[f"tsne_{name}"] = rotated_to(coordinates, selection.references.get(name, coordinates))
        return facts, arrays

    return drawn


def _map(points, layout, settings, tsne):
    """t-SNE of some points, and its `MapFacts`."""
    start = time.perf_counter()
    coordinates, divergence = tsne(points, layout, settings.perplexity, settings.tsne_iterations, SEED)
    return coordinates, MapFacts(
        n=len(points),
        perplexity=settings.perplexity,
        iterations=settings.tsne_iterations,
        seed=SEED,
        kl_divergence=divergence,
        neighbor_preservation=neighbor_preservation(points, coordinates),
        seconds=time.perf_counter() - start,
    )


def film_maps(embeddings, layout, perplexity, tsne=tsne):
    """t-SNE `(n, 2)` of the same images by one embedding `(n, d)` after another, each begun where the last ended.

    `tsne` makes a map, as that of `evaluation.tsne` does.
    """
    maps = []
    for points in map(l2_normalize, embeddings):
        start = maps[-1] if maps else layout
        # Exaggeration would scatter what the last map has laid out.
        exaggeration = 1.0 if maps else 12.0
        coordinates, _ = tsne(points, start, perplexity, FILM_ITERATIONS, SEED, exaggeration)
        maps.append(coordinates.astype(np.float32))
    return maps
