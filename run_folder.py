"""What a run leaves on disk, and how a later command knows what it finds there."""

import contextlib
import csv
import dataclasses
import importlib.metadata
import io
import json
import os
import pathlib
import platform
import shutil
import subprocess
import zipfile

import numpy as np

OWN_EVENTS = "events.out.tfevents.*.main"  # TensorBoard's files that are written whole, each in place of the last.
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "matplotlib", "tensorboard")


class ConflictError(Exception):
    """A folder holds something that this command must not replace; the message says what and the way out."""


@contextlib.contextmanager
def whole_file(path):
    """Gives a temporary path to write to, which takes the place of `path` only if all went well."""
    # TensorBoard reads whatever has "tfevents" in its name.
    temporary = path.with_name(f".partial-{os.getpid()}-{path.name.replace('tfevents', '')}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_json(path, content):
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def save_arrays(path, **arrays):
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def save_bytes(path, content):
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def png(figure, dpi="figure"):
    """A figure drawn as PNG."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()


def save_table(path, rows, columns):
    """Writes a list of dicts as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with whole_file(path) as temporary:
        temporary.write_text(text.getvalue())


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The folder of one run: `config.json` from its start, `metrics.json` last of all."""

    path: pathlib.Path

    @property
    def name(self):
        """Its seed, and its split or trial, in words."""
        return self.path.name.replace("-", " ")

    @property
    def settings(self):
        """The settings the run was started with; None without a readable `config.json`."""
        settings = _read_json(self.path / "config.json").get("settings")
        return settings if isinstance(settings, dict) else None

    @property
    def metrics(self):
        """The content of `metrics.json`; None for a run that did not end, or whose files were damaged since."""
        metrics = _read_json(self.path / "metrics.json")
        if metrics.get("status") == "finished" and not zipfile.is_zipfile(self.path / "embeddings.npz"):
            return None
        return metrics if "status" in metrics else None

    def arrays(self):
        """The arrays of `embeddings.npz`, as a dict."""
        with np.load(self.path / "embeddings.npz") as file:
            return dict(file)

    def is_done(self, settings, overwrite):
        """Whether a run with these settings ended here, well or badly, and is to be kept.

        Raises:
            ConflictError: If something else is here that is not to be replaced.
        """
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            return False
        if self.settings is None:
            raise ConflictError(
                f"{self.path} is not the folder of a run: it has no readable config.json. "
                "Move it away, or choose another place with --runs."
            )
        if overwrite or self.metrics is None:
            return False
        differences = [
            f"{name} {_shown(self.settings.get(name))} -> {_shown(settings.get(name))}"
            for name in sorted(self.settings.keys() | settings.keys())
            if self.settings.get(name) != settings.get(name)
        ]
        if differences:
            raise ConflictError(
                f"{self.path} holds a run with other settings ({'; '.join(differences)}). "
                "Keep it and choose another place with --runs, or replace it with --overwrite."
            )
        return True

    def start(self, settings, command):
        """Empties the folder and writes `config.json`."""
        if self.path.exists():
            # Away at once: a folder half deleted would not be known for a run's any more.
            old = self.path.rename(self.path.with_name(f".old-{os.getpid()}-{self.path.name}"))
            shutil.rmtree(old)
        self.path.mkdir(parents=True)
        save_json(self.path / "config.json", {"settings": settings, "command": command} | environment())


def environment():
    """Dict of what a result may depend on beside its settings: versions, commit, machine."""
    return {
        "versions": {"python": platform.python_version()} | {package: _version(package) for package in PACKAGES},
        "git_commit": _git_commit(),
        "machine": {"system": platform.platform(), "processor": processor(), "cores": os.cpu_count()},
    }


def processor():
    """Name of the processor."""
    return cpu_info().get("model name") or platform.processor() or platform.machine()


def cpu_info():
    """First processor's entries of `/proc/cpuinfo`; empty where there is none."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _git_commit():
    here = pathlib.Path(__file__).parent
    try:
        git = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    return git.stdout.strip() or None


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # Installed under another name, as tensorflow-cpu is.
        return None


def _read_json(path):
    """The JSON object in a file; empty if there is none, or the file is damaged."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _shown(value):
    return json.dumps(value)
