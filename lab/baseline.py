"""The raw pixels are measured once for all folders of results: their `Run` is kept where data sets are."""

import contextlib
import json

import joblib
import numpy as np

from lab.files import keep_last_used, read_sealed, remove_leftovers, save_sealed
from lab.machine import environment, source_code
from lab.run import Run
from lab.sources.cache import datasets_folder


def kept_pixels(settings, data):
    """The `Run` of the raw pixels of a `Dataset` that was kept; None if there is none, or it is damaged."""
    file = _file(settings, data)
    arrays = read_sealed(file)
    if arrays is None:
        return None
    keep_last_used(file)
    return Run.from_metrics(settings, json.loads(arrays.pop("metrics").item()), arrays)


def keep_pixels(run, data):
    """Keeps the `Run` of the raw pixels of a `Dataset`, if the system lets it: else they are measured again."""
    file = _file(run.settings, data)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(file.parent)
        save_sealed(file, dict(run.arrays) | {"metrics": json.dumps(run.to_metrics())})
        keep_last_used(file)


def _file(settings, data):
    """Where they are kept. The name stands for all that they follow from: those of something else are not taken."""
    content = data.content or [(np.asarray(part.images), part.labels) for part in data.parts.values()]
    made_with = environment() | {"git_commit": source_code(("lab", "evaluation"))}  # What is not committed counts too.
    key = joblib.hash((settings.to_dict(), data.class_names, data.unseen_names, content, made_with))
    return datasets_folder() / "raw-pixels" / f"{key}.pixels"
