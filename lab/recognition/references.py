"""Images of known classes that new ones are compared with: those of the training, or a gallery of one's own."""

import dataclasses
from collections.abc import Callable

import numpy as np

from evaluation.vectors import class_means, l2_normalize
from lab.errors import InputError
from lab.sources.found import in_order, shown
from lab.sources.images import read_images
from lab.sources.tree import image_files

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
    """The `References` in a folder with a folder of images for each class.

    Raises:
        InputError: If there is no such folder, or no image in the folder of a class.
    """
    if not folder.is_dir():
        raise InputError(f"--gallery: there is no folder {folder}")
    files = image_files(folder, log.say)
    inside = [file for file in files if file.parent != folder]
    if not inside:
        raise InputError(f"--gallery: {folder} needs a folder of images for each class, as {folder}/NAME/image.png")
    if len(inside) < len(files):
        log.say(f"Left out, {len(files) - len(inside):,} images of {folder} that are in the folder of no class")
    found = embed_files(trained, inside, log)
    classes = [shown(path.parent.relative_to(folder).as_posix()) for path in found.paths]
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
    size = settings.image_size and tuple(map(int, settings.image_size.split("x")))
    try:
        data = load(trained.source, log.say, settings.quick, size, log.track)
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
