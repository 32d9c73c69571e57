"""Images of known classes that new ones are compared with: those of the training, or a gallery of one's own."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from evaluation.vectors import class_means, l2_normalize
from lab.errors import InputError
from lab.sources.folder import list_folder
from lab.sources.found import in_order, shown
from lab.sources.images import read_images

from .files import embed_files

INSTEAD = "or give others to compare with by --gallery"


@dataclasses.dataclass(frozen=True)
class References:
    """Images whose classes are known.

    Args:
        what: What they are called.
        class_names: Names of their classes.
        labels: Integers `(n,)`.
        points: L2-normalised embeddings `(n, d)`.
        images: Function from numbers of images `(m,)` to these, uint8 `(m, height, width, channels)`.
    """

    what: str
    class_names: tuple
    labels: np.ndarray
    points: np.ndarray
    images: Callable

    @property
    def means(self):
        """Mean of the embeddings of each class, `(C, d)`."""
        return class_means(self.points, self.labels)


def read_gallery(trained, folder, log):
    """The `References` in a folder with a folder of images for each class: of all parts, if it has some.

    Raises:
        InputError: If there is no such folder, or no image in the folder of a class.
    """
    if not folder.is_dir():
        raise InputError(f"--gallery: there is no folder {folder}")
    try:
        of_file = {pathlib.Path(row.path): shown(row.label) for row in list_folder(folder, log.say, is_data_set=False)}
    except InputError as error:
        raise InputError(f"--gallery: {error}") from error
    found = embed_files(trained, list(of_file), log)
    classes = [of_file[path] for path in found.paths]
    names = in_order(set(classes))
    numbers = {name: number for number, name in enumerate(names)}

    def images(chosen):
        return np.stack(list(read_images([found.paths[number] for number in chosen], trained.image_shape)))

    labels = np.array([numbers[name] for name in classes])
    return References(f"images of {folder}", tuple(names), labels, l2_normalize(found.embeddings), images)


def read_training(trained, load, log):
    """The `References` that a run was trained on.

    Args:
        trained: `Trained`.
        load: `load_dataset`.
        log: `Log`.

    Raises:
        InputError: If the data set cannot be read, or is another one now.
    """
    settings = trained.run.settings
    try:
        data = load(trained.source, log.say, settings.quick, trained.image_shape[:2], log.track)
    except InputError as error:
        raise InputError(f"--neighbors: {error}. Bring back the images of the training, {INSTEAD}") from error
    if data.content != settings.content:
        raise InputError(
            f"--neighbors: {trained.source} has other images than the run was trained on. Bring back those, {INSTEAD}"
        )
    known = set(trained.class_names)
    data = data.hold_out([number for number, name in enumerate(data.class_names) if name not in known])
    points = l2_normalize(trained.embed(data.train.images, log.track))
    return References("training images", data.class_names, data.train.labels, points, data.train.images.__getitem__)
