"""How an embedding moves while it is trained: snapshots of some images."""

import dataclasses
import functools
import math

import keras
import numpy as np

from evaluation.tsne import pca_layout, tsne
from evaluation.vectors import have_lengths, l2_normalize
from lab.maps import FILM_POINTS, film_maps, sample_indices
from lab.pixels import pixel_vectors

SHOWN = 10  # TensorBoard keeps no more pictures of a tag.
SMOOTH = 30  # Frames of a film of two-dimensional embeddings, at least.


@dataclasses.dataclass(frozen=True)
class Frame:
    """The embeddings `(n, d)` of some images when so many epochs, with their fraction, are over.

    And of the loss its class weights or proxies `(num_classes, k, d)` and learned centers `(num_classes, d)`, or None.
    """

    epochs: float
    embeddings: np.ndarray
    directions: np.ndarray | None
    centers: np.ndarray | None


FIELDS = tuple(field.name for field in dataclasses.fields(Frame))


class Film(keras.callbacks.Callback):
    """Keeps the embeddings of some images at moments evenly spread over the training, its end among them.

    t-SNE takes its time: it has at most ten, after whole epochs. Two-dimensional embeddings are drawn as they are, and
    have a smooth film. The images are a sample of a `Split`; of many classes some are `colored` (see `Selection`).
    `tsne` makes a map, as that of `evaluation.tsne` does.
    """

    def __init__(self, split, settings, colored=None, tsne=tsne):
        super().__init__()
        self.split = split[sample_indices(split.labels, settings, FILM_POINTS, colored)]
        self.colored = colored
        self.settings = settings
        self.tsne = tsne
        self.frames = []

    @property
    def state(self):
        """Dict of the frames so far: an array a field; empty without any."""
        columns = {name: [getattr(frame, name) for frame in self.frames] for name in FIELDS}
        return {name: np.stack(column) for name, column in columns.items() if column and column[0] is not None}

    @state.setter
    def state(self, state):
        count = len(state.get("epochs", ()))
        rows = zip(*(state.get(name, [None] * count) for name in FIELDS), strict=True)
        self.frames = [Frame(float(epochs), *rest) for epochs, *rest in rows]

    def on_train_begin(self, logs=None):
        epochs, self.steps_per_epoch = self.settings.epochs, self.params["steps"]
        if self.settings.embedding_dim == 2:
            moments = np.linspace(0, epochs, 1 + epochs * math.ceil(SMOOTH / epochs))[1:]
        else:
            moments = np.linspace(1, epochs, min(epochs, SHOWN)).round()
        self.due = (moments * self.steps_per_epoch).round().astype(int).tolist()

    def on_epoch_begin(self, epoch, logs=None):
        self.before = epoch * self.steps_per_epoch
        self.due = [due for due in self.due if due > self.before]  # The training may go on from here.

    def on_train_batch_end(self, batch, logs=None):
        step = self.before + min(batch + 1, self.steps_per_epoch)  # Keras counts whole calls of several steps.
        if self.due and step >= self.due[0]:
            self.due = [due for due in self.due if due > step]
            self._take(step)

    def _take(self, step):
        embeddings = self.model.embed(self.split.images)
        if have_lengths(embeddings):
            directions, centers = self.model.class_directions, self.model.shown_centers
            self.frames.append(Frame(step / self.steps_per_epoch, embeddings, directions, centers))

    @functools.cached_property
    def coordinates(self):
        """Where the images are in each frame `(k, n, 2)`: two-dimensional embeddings as they are, others by t-SNE."""
        embeddings = [frame.embeddings for frame in self.frames]
        if self.settings.embedding_dim > 2:
            layout = pca_layout(l2_normalize(pixel_vectors(self.split.images)))
            embeddings = film_maps(embeddings, layout, self.settings.perplexity, self.tsne)
        return np.stack(embeddings)

    @property
    def arrays(self):
        """Dict of what the film shows: `epochs` `(k,)`, `coordinates` `(k, n, 2)`, `labels` `(n,)`."""
        epochs = np.array([frame.epochs for frame in self.frames])
        return {"epochs": epochs, "coordinates": self.coordinates, "labels": self.split.labels}

    @property
    def ends(self):
        """Numbers of at most ten frames that were taken at the end of an epoch, the last among them."""
        ends = [number for number, frame in enumerate(self.frames) if frame.epochs == round(frame.epochs)]
        chosen = np.linspace(0, len(ends) - 1, min(len(ends), SHOWN)).round().astype(int)
        return [ends[i] for i in chosen]
