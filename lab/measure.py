"""From a trained model, or raw pixels, to a `Run`: embeddings, scores, maps."""

import dataclasses

import numpy as np

from evaluation.retrieval import neighbors
from evaluation.tsne import tsne
from evaluation.vectors import l2_normalize, row_blocks
from lab.beside import beside
from lab.maps import STRIP, Selection, start_maps
from lab.pixels import pixel_vectors, reduced
from lab.protocols import PROTOCOLS
from lab.run import Run

MISTAKES = 24  # Of the surest, shown.
SHOWN_SIDE = 96  # Pixels, at most, of an image that is kept to be shown.


def measure(model, data, selection, settings, stage, tsne=tsne, film=None):
    """The `Run` of a model, a `MetricModel` or `Pixels`, judged once on the test images of a `Dataset`.

    `stage` is called with the name of each stage that begins; `tsne` makes a map, as that of `evaluation.tsne` does.
    The maps of a `Film` are made beside: it has them when it is drawn.
    """
    stage("embedding")
    embeddings = {part: model.embed(split.images) for part, split in data.parts.items()}
    judged = [part for part in embeddings if part != "train"]
    classifies = model.class_logits(embeddings["validation"][:1]) is not None
    logits = {part: Logits(model, embeddings[part]) for part in judged} if classifies else None
    maps, coordinates = {}, {}
    stage("scoring")
    with beside() as start:
        filmed = start(lambda: film.coordinates) if film and film.frames else None
        flat = settings.embedding_dim == 2  # Drawn as it is.
        drawn = None if flat else start_maps(start, embeddings, selection, settings, tsne)
        judgement = PROTOCOLS[settings.protocol].judge(data, embeddings, logits)
        arrays = judgement.arrays | selection.images(data) | _strips(data, embeddings, selection.queries)
        arrays |= _mistakes(data, judgement.arrays, selection.indices["test"])
        if drawn:
            stage("t-SNE")
            maps, coordinates = drawn()
        if filmed:
            filmed.result()
    state = {"directions": model.class_directions, "centers": model.shown_centers}
    return Run(
        settings=settings,
        class_names=data.shown_names,
        judged_names=data.judged_names,
        scores=judgement.scores,
        details=judgement.details,
        maps=maps,
        arrays=arrays | coordinates | {name: array for name, array in state.items() if array is not None},
    )


class Logits:
    """The scores `(n, C)` by a model's own classifier, made where they are asked for: all at once may be gigabytes."""

    def __init__(self, model, embeddings):
        self.model, self.embeddings = model, embeddings

    def __getitem__(self, rows):
        return self.model.class_logits(self.embeddings[rows])

    def argmax(self, axis):
        """The class of the largest score of each embedding; `axis` is 1."""
        return np.concatenate([part.argmax(axis) for part in self._parts()])

    def max(self, axis):
        """The largest score of each embedding; `axis` is 1."""
        return np.concatenate([part.max(axis) for part in self._parts()])

    def _parts(self):
        columns = self[:1].shape[1]
        return map(self.__getitem__, row_blocks(len(self.embeddings), columns) or [slice(0)])


class Pixels:
    """The raw pixels as if they were embeddings: what every loss has to beat."""

    class_directions = shown_centers = None

    def __init__(self, largest_part):
        self.largest_part = largest_part  # The number of its images: the vectors of all parts are alike.

    def embed(self, images):
        return pixel_vectors(images, self.largest_part)

    def class_logits(self, embeddings):
        return None


def measure_pixels(data, settings, stage, tsne=tsne):
    """The `Run` of the raw pixels, which also says which images every run of its split shows, and how maps lie."""
    selection = Selection.of_pixels(data, settings)
    run = measure(Pixels(max(map(len, data.parts.values()))), data, selection, settings, stage, tsne)
    left_out = "tsne_mistakes", "mistakes", "mistake_images"  # Of interest where something was learnt.
    arrays = {
        name: array
        for name, array in run.arrays.items()
        if name not in left_out and not name.endswith("_embeddings")  # The images are there already.
    }
    return dataclasses.replace(run, arrays=arrays | selection.arrays)


def _strips(data, embeddings, queries):
    """Arrays of some judged images and the nearest others: pictures `(k, 1 + STRIP, h, w, c)`, and their labels."""
    split, points = data.parts[data.judged_part], l2_normalize(embeddings[data.judged_part])
    strips = np.concatenate([queries[:, None], neighbors(points, queries, STRIP)], axis=1)
    return {"strip_images": reduced(split.images[strips], SHOWN_SIDE), "strip_labels": split.labels[strips]}


def _mistakes(data, arrays, shown):
    """Arrays of which test images shown are classified wrongly, and of the surest mistakes of all."""
    # Those of classes never seen, which come last, have no right answer.
    wrong = np.zeros(len(data.shown_labels), bool)
    wrong[: len(data.test)] = arrays["test_predictions"] != data.test.labels
    mistakes = np.flatnonzero(wrong)
    surest = mistakes[np.argsort(-arrays["test_errors"][mistakes], kind="stable")][:MISTAKES]
    images = reduced(data.test.images[surest], SHOWN_SIDE)
    return {"tsne_mistakes": wrong[shown], "mistakes": surest, "mistake_images": images}
