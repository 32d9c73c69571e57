"""What a worker of a cluster does: one run at a time, in a process of its own. It imports nothing that takes long."""

import contextlib
import dataclasses
import fnmatch
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).parents[1]
SCRIPT = "import sys; from main import run_alone; sys.exit(run_alone(sys.argv[1]))"
SILENCE = 120  # Seconds without a look at a run, after which its client is taken for dead.
BEAT = 0.2  # Seconds between two looks at the process of a run.
# What TensorFlow, JAX, PyTorch and the linear algebra of NumPy take their number of threads from.
THREADS = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "PJRT_NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"

looks = {}  # When a client last looked at a run, by the name of its task.
folders = {}  # Where runs that are being done lie.
_alone = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Task:
    """A run to do.

    Args:
        folder: Of the run, in that of its data set.
        files: Dict from paths in the folder of the data set to bytes: what the run shows, and goes on from.
        backups: Patterns of the names of the files that it would go on from.
        job: Bytes that its process reads.
        backend: That of Keras.
    """

    folder: str
    files: dict
    backups: tuple
    job: bytes
    backend: str


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How the process of a run ended.

    Args:
        status: As shells have it, negative after a signal; None if nobody looked at it any more.
        lines: What it printed.
        errors: The text of its standard error.
        files: Dict from the names of the files that it left to bytes.
    """

    status: int | None
    lines: list
    errors: str
    files: dict


def run(name, task):
    """Does a run, when the one before it here is done; returns its `Outcome`. See `look` and `stop` for its name."""
    from distributed import get_worker

    looks.setdefault(name, time.monotonic())
    with _alone, tempfile.TemporaryDirectory(dir=get_worker().local_directory, ignore_cleanup_errors=True) as path:
        folder = pathlib.Path(path)
        for file, content in task.files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        folders[name] = folder, task
        try:
            status = _run(name, task, folder, get_worker().state.nthreads)
        finally:
            del folders[name]
        errors = (folder / "errors").read_text(encoding="utf-8", errors="replace")
        return Outcome(status, _lines(folder), errors, _left(folder / task.folder, task.backups))


def _run(name, task, folder, threads):
    """The status of the process of a run, which has a share of the cores."""
    environment = os.environ | dict.fromkeys(THREADS, str(threads))
    environment |= {"KERAS_BACKEND": task.backend, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-P", "-c", SCRIPT, str(folder)]
    with (
        open(folder / "lines", "wb") as lines,
        open(folder / "errors", "wb") as errors,
        # It ends when its input does: with this process.
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=lines, stderr=errors) as process,
    ):
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(task.job)
            process.stdin.flush()
        while time.monotonic() - looks[name] < SILENCE:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(BEAT)
        process.kill()
    return None


def look(known):
    """What is new of some runs; who looks lives.

    Args:
        known: Dict from their names to the number of lines known, and a dict from files to the times that they are of.

    Returns:
        Dict from the names of those done here to a list of lines, and a dict from files that the run would go on from
        to their times and bytes.
    """
    logging.getLogger("distributed.worker").setLevel(logging.WARNING)  # It would have a line for every look.
    looks.update(dict.fromkeys(known, time.monotonic()))
    news = {}
    for name, (count, times) in known.items():
        if found := folders.get(name):
            with contextlib.suppress(FileNotFoundError):  # It begins or ends at this moment.
                news[name] = _news(*found, count, times)
    return news


def stop(names):
    """Ends some runs."""
    looks.update(dict.fromkeys(names, float("-inf")))


def _news(folder, task, count, times):
    backups = {}
    for file in (folder / task.folder).glob("*"):
        if _is_any_of(file, task.backups) and (time_now := file.stat().st_mtime_ns) != times.get(file.name):
            backups[file.name] = time_now, file.read_bytes()
    return _lines(folder)[count:], backups


def _lines(folder):
    """The whole lines that a process has printed by now."""
    return (folder / "lines").read_text(encoding="utf-8", errors="replace").split("\n")[:-1]


def _left(folder, backups):
    files = [file for file in folder.glob("[!.]*") if not _is_any_of(file, backups)]
    return {file.name: file.read_bytes() for file in files}


def _is_any_of(file, patterns):
    return any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns)
