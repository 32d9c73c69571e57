"""What a run has worked out before it ended, and need not work out again if it is stopped."""

import joblib

from evaluation.tsne import tsne
from lab.files import read_sealed, save_sealed
from lab.machine import source_code, versions

MAPS = "tsne-*.backup"  # In the folder of a run, until it ended.


def kept_tsne(path, *arguments):
    """As `tsne` of some arguments; a map that the run in a folder has made before is read, not made again.

    Its name says all that it follows from, so that another is never taken for it. A damaged one is made again.
    """
    file = path / MAPS.replace("*", joblib.hash((arguments, versions(), source_code())))
    found = read_sealed(file)
    if found is None:
        coordinates, divergence = tsne(*arguments)
        save_sealed(file, {"coordinates": coordinates, "divergence": divergence})
        return coordinates, divergence
    return found["coordinates"], float(found["divergence"])
