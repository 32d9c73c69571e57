"""Runs a study whose command fails again and again, at moments that are chosen, and says what happened.

It kills itself, or the system refuses something.

    PYTHONPATH=.:tests python tests/support/killed.py PLAN

`PLAN` is a file of JSON: the `folder` for all, the `arguments` of the command, and the `kills`, see `Killer`. A process
takes seconds to import all that a command needs: this one does so once, and forks for each command. TensorFlow has
started no thread by then.
"""

import errno
import fnmatch
import json
import os
import pathlib
import signal
import sys
import threading
import traceback

import tensorflow as tf
from support.small_command import small_command

import lab.dashboard.tensorboard  # noqa: F401 - A command imports it late.
import main as story
from lab import kept
from lab.backup import Backup
from lab.dashboard.epochs import EpochCurves
from lab.log import History, Log
from lab.run_folder import RunFolder

# What is raised where something is refused, in place of the error of the system or the library.
REFUSALS = {
    "ENOSPC": OSError(errno.ENOSPC, "No space left on device"),
    "EROFS": OSError(errno.EROFS, "Read-only file system"),
    "MemoryError": MemoryError(),
    "ResourceExhaustedError": tf.errors.ResourceExhaustedError(None, None, ""),
}
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.utime", "os.truncate"}  # Of a file system.
LONGEST = 1800  # Seconds of a command, on a busy machine; one that takes longer hangs.


class Killer:
    """What a process does beside its command: it keeps a journal of what it has done, and kills itself.

    Args:
        kill: Dict of the moment, `at`, a pattern; of the `run`, None for any; of the name of the `signal`, or one of
            `REFUSALS`; of the `delay` in seconds after the moment, of a signal. None if nothing is to happen.
        folder: Of the results, which nothing can be written to any more once `EROFS` was raised.
        journal: File that gets a line for each epoch and map that begins or has ended, and for the kill.
    """

    def __init__(self, kill, folder, journal):
        self.kill, self.folder, self.run = kill, folder, None
        self.journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def watch(self):
        """Has everything that is done pass here."""
        around(story, "load_dataset", self.load)
        around(Log, "skip", self.skip)
        around(RunFolder, "start", self.start)
        around(Log, "begin", self.begin)
        around(Backup, "on_epoch_begin", self.begin_epoch)
        around(History, "on_epoch_end", self.append_history)
        around(EpochCurves, "on_epoch_end", self.append_events)
        around(Backup, "on_epoch_end", self.end_epoch)
        around(Log, "stage", self.begin_stage)
        around(kept, "read_sealed", self.begin_map)
        around(kept, "save_sealed", self.end_map)
        around(pathlib.Path, "replace", self.replace)
        around(pathlib.Path, "unlink", self.unlink)
        around(story, "comparison_pictures", self.compare)

    def note(self, *what):
        os.write(self.journal, (json.dumps([self.run, *what]) + "\n").encode())

    def reach(self, moment, half_written=None):
        """Kills the process if its moment has come, in the middle of writing a file if one is given."""
        if self.kill and self.kill["run"] in (None, self.run) and fnmatch.fnmatch(moment, self.kill["at"]):
            self.die(half_written)

    def die(self, half_written=None):
        kill, self.kill = self.kill, None
        self.note("killed", kill["at"])
        if kill["signal"] == "EROFS":
            sys.addaudithook(self.refuse_to_write)
        if kill["signal"] in REFUSALS:
            raise REFUSALS[kill["signal"]]
        send = os.getpid(), getattr(signal, kill["signal"])
        if kill["delay"]:
            threading.Timer(kill["delay"], os.kill, send).start()
            return
        if half_written and kill["signal"] == "SIGKILL":  # After the other, the file may still be completed.
            os.truncate(half_written, half_written.stat().st_size // 2)
        os.kill(*send)

    def refuse_to_write(self, event, arguments):
        writes = event in CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if writes and str(arguments[0]).startswith(self.folder):
            raise OSError(*REFUSALS["EROFS"].args)  # As often as it happens.

    def miss(self, run):
        """Kills the process if its moment will not come any more: the run has ended."""
        if self.kill and run and self.kill["run"] == run:
            self.note("missed", self.kill["at"])
            self.die()

    def load(self, original, *arguments):
        self.reach("load")
        return original(*arguments)

    def skip(self, original, log, settings, folder):
        original(log, settings, folder)
        self.miss(settings.title)

    def start(self, original, folder, settings, *others):
        self.miss(self.run)
        self.run = settings.title
        original(folder, settings, *others)

    def begin(self, original, log, name):
        original(log, name)
        self.reach("run")

    def begin_epoch(self, original, backup, epoch, logs=None):
        original(backup, epoch, logs)
        self.note("begins", epoch)
        self.reach(f"epoch {epoch}")

    def append_history(self, original, history, epoch, logs=None):
        original(history, epoch, logs)
        self.reach("append history", pathlib.Path(history.filename))

    def append_events(self, original, curves, epoch, logs):
        original(curves, epoch, logs)
        self.reach("append events", max(curves.path.glob("*tfevents*")))

    def end_epoch(self, original, backup, epoch, logs=None):
        original(backup, epoch, logs)
        self.note("ended", epoch)

    def begin_stage(self, original, log, name):
        original(log, name)
        self.reach(f"stage {name}")

    def begin_map(self, original, path):
        found = original(path)
        if found is None:
            self.note("begins", path.name)
        return found

    def end_map(self, original, path, arrays):
        original(path, arrays)
        self.note("ended", path.name)

    def replace(self, original, path, target):
        self.reach(f"write {target.name}", path)
        return original(path, target)

    def unlink(self, original, path, missing_ok=False):
        self.reach(f"remove {path.name}")
        original(path, missing_ok=missing_ok)

    def compare(self, original, results):
        self.miss(self.run)
        return original(results)


def around(owner, name, do):
    """Has `do` called in place of a function, with that function first."""
    original = getattr(owner, name)
    setattr(owner, name, lambda *arguments, **named: do(original, *arguments, **named))


def start(arguments, kill, journal, output):
    """Forks for a command line; gives the number of the process."""
    if process := os.fork():
        return process
    status = 70
    try:
        signal.alarm(LONGEST)
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        Killer(kill, arguments[-1], journal).watch()
        status = story.main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def status_of(process):
    """The status that a process ends with; of a signal, its negative number."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def finished(runs):
    """Dict from the `metrics.json` of each run that ended to what tells whether it was written again."""
    return {str(path): [path.stat().st_mtime_ns, path.stat().st_ino] for path in runs.rglob("metrics.json")}


def main():
    plan = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder, arguments = pathlib.Path(plan["folder"]), [*plan["arguments"], "--runs"]
    story.kept_pixels = lambda *_: None  # Another command may have measured them meanwhile.
    undisturbed = start([*arguments, str(folder / "undisturbed")], None, os.devnull, folder / "undisturbed.txt")
    for kill in [*plan["kills"], None]:
        process = start([*arguments, str(folder / "killed")], kill, folder / "journal", folder / "killed.txt")
        print(json.dumps([kill, status_of(process), finished(folder / "killed")]), flush=True)
    sys.exit(status_of(undisturbed))


if __name__ == "__main__":
    with small_command():
        main()
