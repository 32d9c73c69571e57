"""What a run leaves on disk, and how a later command knows what it finds there."""

import contextlib
import dataclasses
import functools
import io
import os
import pathlib
import re

from lab.backup import BACKUP
from lab.claims import CLAIM, Claim
from lab.conflicts import ConflictError, differences, unknown
from lab.damage import check_arrays, check_history, check_kinds, check_run
from lab.files import LEFTOVER, is_leftover, read_json, remove_leftovers, save_arrays, save_bytes, save_json, save_table
from lab.kept import MAPS, kept_tsne
from lab.machine import environment
from lab.maps import INDICES
from lab.protocols import PROTOCOLS
from lab.run import Run, StoredArrays
from lab.settings import PIXELS, Settings
from losses import LOSSES
from models import portable

HISTORY = "history.csv"
COMPARED = ("config.json", "metrics.json", "embeddings.npz", HISTORY)
BACKUPS = (BACKUP, MAPS)  # Until a run ended.
# What it leaves, beside its `config.json`.
OURS = (
    *("metrics.json", HISTORY, "embeddings.npz", "training.npz", "embedder.keras", "weights.weights.h5"),
    *("tsne_*.csv", "tsne_*.png", "features*.png", "distances.png", "roc.png", "neighbors*.png", "confusion.png"),
    *("mistakes.png", "training.gif", "*tfevents*", "projector*"),
)
FOR_THE_TIME_BEING = re.compile(f"{re.escape(CLAIM)}|{LEFTOVER.pattern}")


class _InMemory(io.BytesIO):
    """What Keras takes for a file of some name. HDF5 itself must not meet a full disk: it takes the process down."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def __str__(self):
        return self.name


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The folder of one run: `config.json` from its start, `metrics.json` last of all."""

    path: pathlib.Path

    @property
    def name(self):
        """Its seed, and its split or trial, in words."""
        return self.path.name.replace("-", " ")

    @property
    def is_trial(self):
        """Whether it is of a search for arguments: nothing but its best epoch is kept."""
        return self.path.name.startswith("trial-")

    def settings(self):
        """Reads the `Settings` the run was started with; None without a `config.json` of a run."""
        try:
            settings = Settings.from_dict(read_json(self.path / "config.json")["settings"])
            check_kinds(settings)
        except (KeyError, ValueError):
            return None
        return settings if settings.protocol in PROTOCOLS and settings.loss in (PIXELS, *LOSSES) else None

    def metrics(self):
        """Reads `metrics.json`; None for a run that did not end."""
        metrics = read_json(self.path / "metrics.json")
        return metrics if metrics.get("status") in ("finished", "failed", "tuned") else None

    def stamp(self):
        """What changes whenever a run ends here; None for one that did not end."""
        return _stamp(self.path / "metrics.json")

    def load(self):
        """Reads the `Run`, its arrays when they are asked for; None if it did not end, or its files are damaged."""
        return _load(self, tuple(_stamp(self.path / name) for name in COMPARED))

    def is_damaged(self):
        """Whether the files of a run do not say any more how it was started or, if it ended, all that is compared."""
        metrics = self.metrics()
        if metrics is None:
            return self._kept_settings() is None and self._is_ours()
        if self.is_trial:
            return self.settings() is None or not _is_trial(metrics)
        return self.load() is None

    def is_done(self, settings, overwrite):
        """Whether a run with these settings ended here, well or badly, is whole, and is to be kept.

        Raises:
            ConflictError: If something else is here that is not to be replaced.
        """
        if not self._is_there():
            return False
        found, kept = self.settings(), self._kept_settings()
        if kept is None and self._is_ours():
            found, kept = self._as_left(settings), {}
        if kept is None:
            raise ConflictError(
                f"{self.path} is not the folder of a run: it has no readable config.json. "
                "Move it away, or choose another place with --runs."
            )
        if overwrite:
            self._require_no_folders()
            return False
        if found is None:
            raise ConflictError(
                f"{self.path} holds a run with settings that this version does not know{unknown(kept)}. "
                "Keep it and choose another place with --runs, or give this command again with --overwrite."
            )
        if found.differences(settings):
            raise ConflictError(
                f"{self.path} holds a run with other settings ({'; '.join(differences(found, settings))}). "
                "Keep it and choose another place with --runs, or give this command again with --overwrite."
            )
        is_done = self.metrics() is not None and not self.is_damaged()
        if not is_done:
            self._require_no_folders()
        return is_done

    def _as_left(self, settings):
        """These `Settings`, but as the `metrics.json` here has them."""
        metrics = self.metrics() or {}
        known = {name: metrics[name] for name in settings.to_dict() if name in metrics and name != "overrides"}
        return dataclasses.replace(settings, **known)

    def _require_no_folders(self):
        """Refuses a folder that has the name of a file that a run writes."""
        for pattern in ("config.json", *BACKUPS, *OURS):
            for path in filter(pathlib.Path.is_dir, self.path.glob(pattern)):
                raise ConflictError(f"{path} is a folder, where a file is to be written. Move it away, or set --runs")

    def _is_there(self):
        """Whether anything lies where the run is to be, beside what is there while a process works.

        Raises:
            ConflictError: If it, or what it is to lie in, is no folder.
        """
        for path in (self.path.parent, self.path):
            if not os.path.lexists(path):
                return False
            if not path.is_dir():
                what = "a link to nothing" if path.is_symlink() and not path.exists() else "a file"
                raise ConflictError(
                    f"{path} is {what}, where the folder of a run is to be. "
                    "Move it away, or choose another place with --runs."
                )
        try:
            return any(not FOR_THE_TIME_BEING.match(inside.name) for inside in self.path.iterdir())
        except PermissionError as error:
            raise ConflictError(
                f"cannot read {self.path} ({error.strerror}). Choose another place with --runs."
            ) from None

    def _kept_settings(self):
        """The settings in `config.json`, of whatever version; None if it does not say any."""
        kept = read_json(self.path / "config.json").get("settings")
        return kept if isinstance(kept, dict) else None

    def _is_ours(self):
        """Whether something lies here that a run leaves."""
        return any(path for pattern in (*OURS, *BACKUPS) for path in self.path.glob(pattern))

    def start(self, settings, command, source=None):
        """Removes what a run has left here but what it may go on from, and writes `config.json`.

        `source` is the name or the path of the data set. What is not of a run stays.
        """
        config = {"settings": settings.to_dict(), "command": command, "source": source} | environment()
        self.path.mkdir(parents=True, exist_ok=True)
        for pattern in OURS:  # First of all `metrics.json`: what remains is an unfinished run at any moment.
            for path in self.path.glob(pattern):
                if path.is_symlink() or not path.is_dir():  # A pipe too: the next to open it would wait.
                    path.unlink()
        save_json(self.path / "config.json", config)

    def end(self):
        """Removes what the run would go on from."""
        for path in [path for pattern in BACKUPS for path in self.path.glob(pattern)]:
            path.unlink(missing_ok=True)

    def tsne(self, *arguments):
        """As `tsne` of some arguments; a map that was made before the run was stopped is not made again."""
        return kept_tsne(self.path, *arguments)

    def save_model(self, model):
        """Saves the embedder for use anywhere, and all weights, those of the losses included."""
        for name, save in {
            "embedder.keras": portable(model.embedder, model.both_sides).save,
            "weights.weights.h5": model.save_weights,
        }.items():
            content = _InMemory(name)
            save(content)
            save_bytes(self.path / name, content.getbuffer())

    def save(self, run, pictures=(), film=None):
        """Saves a `Run` that ended, its `Picture`s and the `Film` of its training: `metrics.json` last, then it counts.

        Pictures of a moment of the training are for TensorBoard alone.
        """
        if run.arrays:
            save_arrays(self.path / "embeddings.npz", run.arrays)
        if film and film.frames:
            save_arrays(self.path / "training.npz", film.arrays)
        for name in run.maps if run.training else ():
            _save_map(self.path / f"tsne_{name}.csv", run, name)
        for picture in pictures:
            if picture.epoch is None:
                save_bytes(self.path / picture.file, picture.content)
        save_json(self.path / "metrics.json", run.to_metrics())
        self.end()


def _is_trial(metrics):
    """Whether a `metrics.json` says what a search for arguments asks of it."""
    kinds = {"loss": str, "overrides": dict}
    kinds |= {"failure": str} if metrics["status"] == "failed" else {"validation_map_at_r": int | float}
    return all(isinstance(metrics.get(name), kind) for name, kind in kinds.items())


def clean(path):
    """Removes from the folder of a data set what processes that are dead by now left half done; what is ours alone."""
    for folder in (path, *path.glob("*/"), *path.glob("*/*/")):
        remove_leftovers(folder)
        if RunFolder(folder).metrics() is not None:  # It was stopped at its very end.
            RunFolder(folder).end()
        for file in folder.glob(f"{CLAIM}*"):
            if (claim := Claim(folder, file.name)).take():
                claim.release()
    for old in filter(is_leftover, path.glob("*/.old-*/")):
        with contextlib.suppress(OSError):  # Something of the user's is in it.
            for file in (file for pattern in ("config.json", *OURS) for file in old.glob(pattern)):
                file.unlink()
            old.rmdir()


def _stamp(path):
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino


@functools.lru_cache(10_000)  # Some 10 kB each. With fewer than a study has runs, all would be read every time.
def _load(folder, stamps):
    """A run as its files were at some times: a study asks again after every run for all that came before."""
    settings, metrics = folder.settings(), folder.metrics()
    if settings is None or metrics is None:
        return None
    arrays = folder.path / "embeddings.npz"
    try:
        run = Run.from_metrics(settings, metrics, StoredArrays(arrays))
        check_run(run)
        if not run.failure:
            check_arrays(arrays, run)
            check_history(folder.path / HISTORY, run)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError):
        return None  # Whatever is missing, or of another kind.
    return run


def _save_map(path, run, name):
    """Writes a t-SNE map as CSV, for anyone who wants to draw it in another way."""
    arrays = run.arrays
    columns = zip(arrays[INDICES[name]], arrays[f"tsne_{name}_labels"], *arrays[f"tsne_{name}"].T, strict=True)
    rows = [
        {"image": i, "class": run.class_names[label], "x": f"{x:.4f}", "y": f"{y:.4f}"} for i, label, x, y in columns
    ]
    save_table(path, rows, ("image", "class", "x", "y"))
