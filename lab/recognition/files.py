"""Image files, read as those of the training were, and embedded."""

import dataclasses

import numpy as np

from lab.errors import InputError
from lab.sources.found import shown
from lab.sources.images import BrokenImage, read_images

from .trained import AT_A_TIME

NAMED = 5  # Of the files that cannot be read.


@dataclasses.dataclass(frozen=True)
class Embedded:
    """Image files by a network: their `paths`, and `embeddings` `(n, d)`."""

    paths: list
    embeddings: np.ndarray


def embed_files(trained, files, log):
    """Reads and embeds image files; those that cannot be read are named and left out.

    Returns:
        `Embedded`.

    Raises:
        InputError: If none of them can be read.
    """
    paths, embeddings, broken = [], [], {}
    for start in log.track(range(0, len(files), AT_A_TIME), -(-len(files) // AT_A_TIME), "embedding"):
        part = files[start : start + AT_A_TIME]
        found = dict(zip(part, read_images(part, trained.image_shape), strict=True))
        broken |= {path: reason for path, reason in found.items() if isinstance(reason, BrokenImage)}
        images = {path: image for path, image in found.items() if path not in broken}
        if images:
            paths += images
            embeddings.append(trained.embedder.predict_on_batch(np.stack(list(images.values()))))
    if broken:
        log.say(_left_out(broken))
    if not paths:
        raise InputError("none of the images can be read")
    return Embedded(paths, np.concatenate(embeddings))


def _left_out(broken):
    named = [f"  {shown(str(path))}: {reason}" for path, reason in list(broken.items())[:NAMED]]
    more = [f"  and {len(broken) - NAMED:,} more"] if len(broken) > NAMED else []
    return "\n".join([f"Left out, {len(broken):,} that cannot be read:", *named, *more])
