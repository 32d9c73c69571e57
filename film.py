"""How an embedding moves while it is trained: snapshots of some images, and the pictures of them."""

import dataclasses
import math

import keras
import numpy as np

from evaluation.vectors import have_lengths, l2_normalize
from figures import film_features_figure, film_figure
from health import class_directions, shown_centers
from models import embed
from run_folder import png
from tsne_maps import film_maps
from visualize import pca_layout

SHOWN = 10  # TensorBoard keeps no more pictures of a tag.
SMOOTH = 30  # Frames of a film of two-dimensional embeddings, at least.
DPI = 80


@dataclasses.dataclass(frozen=True)
class Frame:
    """The embeddings `(n, d)` of some images at one moment of the training.

    Args:
        epochs: How many epochs are over, with their fraction.
        embeddings: `(n, d)`.
        directions: Class weights or proxies of the loss `(num_classes, k, d)`, or None.
        centers: Learned centers `(num_classes, d)`, or None.
    """

    epochs: float
    embeddings: np.ndarray
    directions: np.ndarray | None
    centers: np.ndarray | None


class Film(keras.callbacks.Callback):
    """Keeps the embeddings of some images at moments evenly spread over the training, its end among them.

    t-SNE takes its time: it has at most ten, after whole epochs. Two-dimensional embeddings are drawn as they are, and
    have a smooth film.

    Args:
        split: `Split` of the images.
        settings: `Settings` of the run.
        steps_per_epoch: Steps of an epoch.
    """

    def __init__(self, split, settings, steps_per_epoch):
        super().__init__()
        self.split, self.settings, self.steps_per_epoch = split, settings, steps_per_epoch
        epochs = settings.epochs
        if settings.embedding_dim == 2:
            moments = np.linspace(0, epochs, 1 + epochs * math.ceil(SMOOTH / epochs))[1:]
        else:
            moments = np.linspace(1, epochs, min(epochs, SHOWN)).round()
        self.due = (moments * steps_per_epoch).round().astype(int).tolist()
        self.frames = []

    def on_epoch_begin(self, epoch, logs=None):
        self.before = epoch * self.steps_per_epoch

    def on_train_batch_end(self, batch, logs=None):
        step = self.before + min(batch + 1, self.steps_per_epoch)  # Keras counts whole calls of several steps.
        if self.due and step >= self.due[0]:
            self.due = [due for due in self.due if due > step]
            self._take(step)

    def _take(self, step):
        embeddings = embed(self.model, self.split.images)
        if have_lengths(embeddings):
            directions, centers = class_directions(self.model), shown_centers(self.model)
            self.frames.append(Frame(step / self.steps_per_epoch, embeddings, directions, centers))


def draw_film(film, data):
    """Draws each frame: two-dimensional embeddings as they are, others by t-SNE, each map begun where the last ended.

    Args:
        film: `Film` that has watched a training; it has a frame at least.
        data: `Dataset`.

    Returns:
        List of PNGs, and dict of the arrays they show: `epochs` `(k,)`, `coordinates` `(k, n, 2)`, `labels` `(n,)`.
    """
    settings, frames, labels = film.settings, film.frames, film.split.labels
    if settings.embedding_dim == 2:
        coordinates = np.stack([frame.embeddings for frame in frames])
        half = 1.05 * np.abs(coordinates).max()
        figures = (film_features_figure(settings, data, frame, labels, half) for frame in frames)
    else:
        coordinates = np.stack(film_maps(frames, pca_layout(l2_normalize(film.split.pixels)), settings))
        figures = (
            film_figure(settings, data, frame.epochs, places, labels, first=frame is frames[0])
            for frame, places in zip(frames, coordinates, strict=True)
        )
    arrays = {"epochs": np.array([frame.epochs for frame in frames]), "coordinates": coordinates, "labels": labels}
    return [png(figure, DPI) for figure in figures], arrays


def after_epochs(film):
    """Numbers of at most ten frames that were taken at the end of an epoch, the last among them."""
    ends = [number for number, frame in enumerate(film.frames) if frame.epochs == round(frame.epochs)]
    chosen = np.linspace(0, len(ends) - 1, min(len(ends), SHOWN)).round().astype(int)
    return [ends[i] for i in chosen]
