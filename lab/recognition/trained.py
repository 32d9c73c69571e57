"""A run that finished, ready for use: its network and what it knows of its classes."""

import dataclasses
import pathlib

import keras
import numpy as np

from lab.errors import InputError
from lab.files import read_json
from lab.reading import open_archive, require_stored
from lab.run import Run
from lab.run_folder import RunFolder
from lab.settings import PIXELS

AT_A_TIME = 128  # Images that are read, and embedded, together: a large network takes 1 GB for them.
FILE_CHANNELS = 1, 3
REPEAT = "Train it again by its command, with --overwrite"


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run that finished.

    Args:
        path: Its folder.
        run: `Run`.
        embedder: `keras.Model` from pixels in `[0, 255]` to embeddings.
        means: Mean of the L2-normalised embeddings of each class's training images, `(C, d)`.
    """

    path: pathlib.Path
    run: Run
    embedder: keras.Model
    means: np.ndarray

    @property
    def title(self):
        """The run in words."""
        settings = self.run.settings
        return f"{settings.name} on {settings.dataset}, {settings.unit}"

    @property
    def image_shape(self):
        """`(height, width, channels)` of the images that the network takes."""
        return self.embedder.input_shape[1:]

    @property
    def class_names(self):
        return self.run.known_names

    @property
    def source(self):
        """Name or path of the data set."""
        source = read_json(self.path / "config.json").get("source")
        return source if isinstance(source, str) else self.run.settings.dataset

    @property
    def rates(self):
        """From which distance on an image is unknown, and what comes of it: see `recognition`. None of an older run."""
        return self.run.details.get("recognition")

    def embed(self, images, track):
        """Embeddings `(n, d)` of images, uint8 `(n, height, width, channels)`; `track` shows the progress."""
        starts = track(range(0, len(images), AT_A_TIME), -(-len(images) // AT_A_TIME), "embedding")
        return np.concatenate([self.embedder.predict_on_batch(images[start : start + AT_A_TIME]) for start in starts])


def load_trained(path):
    """Reads the folder of a run that finished.

    Returns:
        `Trained`.

    Raises:
        InputError: If it is not the folder of a run, or the run has no network that can be used.
    """
    folder = RunFolder(path)
    settings = folder.settings()
    if settings is None:
        raise InputError(f"--embed: {_why_no_run(path)}")
    if settings.loss == PIXELS:
        raise InputError(f"--embed: {path} has the raw pixels, which need no network. Give the run of a loss")
    if path.resolve().name.startswith("trial-"):
        raise InputError(
            f"--embed: {path} is a trial of --tune, which keeps no network. Train the loss with the flags it printed"
        )
    run = folder.load()
    if run is None:
        raise InputError(f"--embed: the run in {path} is unfinished, or damaged since. {REPEAT}")
    if run.failure:
        raise InputError(f"--embed: the run in {path} FAILED, {run.failure}")
    embedder = _load_embedder(path / "embedder.keras")
    means = run.arrays["class_means"]
    if means.shape != (len(run.known_names), embedder.output_shape[-1]):
        raise InputError(f"--embed: embeddings.npz in {path} is damaged, or of another run. {REPEAT}")
    if embedder.input_shape[-1] not in FILE_CHANNELS:
        raise InputError(
            f"--embed: the network in {path} takes images of {embedder.input_shape[-1]} channels; files are read as "
            "grey or colour, with 1 or 3. Use embedder.keras from Python, on arrays"
        )
    return Trained(path, run, embedder, means)


def _load_embedder(path):
    try:
        with open_archive(path) as archive:
            require_stored(archive)
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever reading a damaged file happens to raise.
        why = str(error).strip().partition("\n")[0]
        raise InputError(f"--embed: {path} is missing or damaged ({why}). {REPEAT}") from error


def _why_no_run(path):
    if not path.exists():
        return f"there is no folder {path}"
    if (path / "config.json").is_file():
        return f"{path} holds a run with settings that this version does not know"
    configs = [path.parent / "config.json"] if path.is_file() else []
    configs += [config for depth in ("*", "*/*", "*/*/*") for config in sorted(path.glob(f"{depth}/config.json"))]
    runs = [config.parent for config in configs if (config.parent / "embedder.keras").is_file()]
    if runs:
        return f"{path} is not the folder of a run. Give one, such as {runs[0]}"
    return f"{path} is not the folder of a run, such as runs/mnist/center/seed-0: it has no config.json"
