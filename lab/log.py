"""All that is told while it runs: in the terminal, to TensorBoard, in the files of an epoch."""

import contextlib
import os
import shlex
import signal
import sys
import threading
import time

import keras
import numpy as np

from lab import hosts
from lab.backup import Backup
from lab.claims import Lost
from lab.dashboard import make_dashboard
from lab.errors import InputError
from lab.faults import as_fault
from lab.files import make_folder, parts_of, save_bytes
from lab.report import summary, write_tables
from lab.startup import CLOSED, REFUSED
from lab.terminal import LiveProgress, Terminal

# What ends the command, where there is such a signal: SIGINT is Ctrl-C, SIGHUP a terminal that was closed.
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Terminated(KeyboardInterrupt):
    """A signal that ends the command."""


class History(keras.callbacks.CSVLogger):
    """Writes the logs of every epoch as lines of a CSV file."""

    @property
    def state(self):
        """The bytes of the file."""
        return {"content": np.fromfile(self.filename, np.uint8)}

    @state.setter
    def state(self, state):
        self.csv_file.buffer.write(state["content"].tobytes())
        self.csv_file.flush()
        self.append_header = False

    def on_train_end(self, logs=None):
        os.fsync(self.csv_file.fileno())  # No file that is put in its place whole: a power loss could cut it.
        super().on_train_end(logs)


class Log:
    """Tells of everything, keeps the times, and knows how the command ends.

    As a context it ends bad input, what the system refuses and `ENDING` with a message; whatever else is raised passes.
    `command` is the command line, for the record.
    """

    def __init__(self, command, tensorboard):
        self.command = command
        self.terminal = Terminal()
        self.dashboard = make_dashboard(tensorboard)
        # Of the process: 1 if a loss failed, 2 for bad input, 3 for a full disk and whatever else the system refuses,
        # 129 after SIGHUP, 130 after Ctrl-C, 141 if nobody reads what it prints, 143 after SIGTERM.
        self.status = 0
        self.place = None  # Where files are written.
        self.terminated = None  # By which signal.
        self.before = {}  # What the signals did before.
        self.unraisable = sys.unraisablehook
        self.claim = None  # Of what is run.
        self.kept = None  # The `Backup` of what is trained.

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # No other may.
            # A signal that is ignored, as `nohup` has it, stays so.
            heeded = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
            self.before = {number: signal.signal(number, self._terminate) for number in heeded}
            sys.unraisablehook = self._dropped
        return self

    def __exit__(self, kind, error, trace):
        for number, handler in self.before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if sys.unraisablehook == self._dropped:
            sys.unraisablehook = self.unraisable
        fault = as_fault(error, self.place) or self._loss(error)
        if isinstance(error, BrokenPipeError):  # Nobody reads what it prints any more.
            self.status = self.status or CLOSED
            return True
        if isinstance(error, InputError) or fault:
            self.terminal.error(fault or str(error))
            self.status = REFUSED if fault else 2
        elif isinstance(error, KeyboardInterrupt):
            self.status = self._interrupted()
            with contextlib.suppress(OSError):
                self.say("Interrupted. Runs that ended are kept; --summarize, with the same --runs, draws them.")
        return isinstance(error, InputError | KeyboardInterrupt) or fault is not None

    def _loss(self, error):
        """Which other processes were lost, if an error came of that, and how to go on, in words; None if none was."""
        if not isinstance(error, Exception) or isinstance(error, InputError) or not (lost := hosts.company().lost()):
            return None
        epochs = f", after epoch {self.kept.epochs} of this run" if self.kept and self.kept.epochs else ""
        return (
            f"process {' and '.join(map(str, lost))} of {hosts.company().count} was lost: what it said is on its host. "
            f"The same command, on every host and without --overwrite, goes on{epochs}"
        )

    def _terminate(self, number, frame):
        self.terminated = number
        raise Terminated

    def _dropped(self, dropped):
        """Says nothing of a signal that Python drops, as it is heeded a little later: see `heed`."""
        if not issubclass(dropped.exc_type, Terminated):
            self.unraisable(dropped)

    def heed(self):
        """Ends the command if a signal came where Python drops what is raised: while it cleans up, or in a library.

        Ends the run if another command has taken it over.
        """
        self._heed_what_is_known()
        self._see_to_claim()

    def _heed_what_is_known(self):
        """As `heed`, in no time."""
        if self.terminated:
            raise Terminated
        if self.claim:
            self.claim.heed()

    def _see_to_claim(self):
        if self.claim:
            self.claim.check()

    @contextlib.contextmanager
    def holding(self, claim):
        """Holds the `Claim` of the folder of a run, which is given back; if it is lost, the block ends with a line."""
        self.claim = claim
        try:
            yield
        except Lost:
            if hosts.company().count > 1:  # The others are in the midst of it.
                raise InputError(
                    f"{self.progress.name} is left to another command, which took this one for dead. Give it again"
                ) from None
            self.say(f"{self.progress.name} is left to another command, which took this one for dead")
        finally:
            self.claim = None
            claim.release()

    def _interrupted(self):
        """The status of a command that a signal ended, as shells have it."""
        return 128 + (self.terminated or signal.SIGINT)

    def say(self, text):
        self.terminal.say(text)

    def refuse(self, text):
        """Says why a run is not done: the command goes on without it, and ends as after bad input."""
        self.say(text)
        self.status = 2

    def track(self, items, total, what):
        """Gives items one after the other, and shows meanwhile how many of a total are done."""
        return self.terminal.track(items, total, what)

    def skip(self, settings, folder):
        """Says that a run with these `Settings` was done before, and if it failed, how."""
        failure = (folder.metrics() or {}).get("failure")
        how = f"FAILED before with these settings, {failure}" if failure else "done before with these settings"
        self.say(f"skipping {settings.title}: {how} (--overwrite repeats it)")

    @contextlib.contextmanager
    def following(self, estimate, interrupted):
        """Shows the progress, with the time left by an `Estimate`; `ENDING` ends the block alone."""
        with LiveProgress(self.terminal.console, estimate) as self.progress:
            try:
                yield
                self.heed()
            except KeyboardInterrupt:
                self.status = self._interrupted()
        if self.status > 128:
            self.say(interrupted)

    def begin(self, name):
        """Begins a run."""
        self.heed()
        self.kept = None
        self.progress.start(name)
        self.begun = [("", time.perf_counter())]

    def stage(self, name):
        """Begins what follows in a run after its training."""
        self.heed()
        self.progress.stage(name)
        self.begun.append((name, time.perf_counter()))

    def times(self):
        """Dict from the stages of this run to their seconds, and the seconds of all of it."""
        names, times = zip(*self.begun, strict=True)
        ends = (*times[1:], time.perf_counter())
        stages = {n: end - start for n, start, end in zip(names[1:], times[1:], ends[1:], strict=True)}
        return stages, ends[-1] - times[0]

    def backup(self, folder):
        """The `Backup` of the run that has begun; says what became of a training that it may go on from."""
        self.kept = backup = Backup(folder.path)
        if backup.note:
            self.progress.line(f"{self.progress.name}: {backup.note}")
        self.begun = [("", self.begun[0][1] - backup.earlier)]
        return backup

    def callbacks(self, folder, health):
        """Keras callbacks that keep of each epoch what `Health`, which goes before them, has measured."""
        self.place = folder.path
        history = History(folder.path / "history.csv")
        heed = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: self._heed_what_is_known(),
            on_epoch_end=lambda epoch, logs: self._see_to_claim(),  # A signal waits until the epoch is kept.
            on_train_end=lambda logs: self.heed(),
        )
        return [heed, history, *self.dashboard.callbacks(folder, health)]

    def run(self, folder, run, pictures, data):
        """Shows a `Run` that ended in TensorBoard, with `Picture`s, and images of the `Dataset`."""
        self.stage("TensorBoard")
        self.dashboard.run(folder, run, pictures, data)

    def end(self, folder, run, pictures=(), film=None, times=None):
        """Saves a `Run` that ended, with its times, `Picture`s and `Film`, says so in a line that stays; the `Run`.

        What was measured before has the `times` of then: see `times`.
        """
        self.heed()
        run = run.timed(*(times or self.times()))
        folder.save(run, pictures, film)
        self.progress.finish(f"{self.progress.name}: {run.outcome}", run.stages)
        return run

    def tables(self, results, captions):
        """Writes the tables of `Results`, and shows them in TensorBoard; `captions` as `write_tables` has them."""
        write_tables(results, captions)
        self.dashboard.comparison(results, summary(results))

    def compare(self, results, draw, captions):
        """As `results`, of a study that ended, or was ended: not before any loss has; `draw` gives the `Picture`s."""
        if self.status and not results.losses:
            return
        self.say("Drawing what there is." if self.status > 128 else "Drawing the comparison.")
        self.results(results, draw(results), captions)

    def results(self, results, pictures, captions):
        """Tells of `Results` everywhere, if there are any, and keeps the `Picture`s of them in place of older ones."""
        if not results.rows:
            return self.terminal.left_out(results)
        make_folder(results.path)
        files = {picture.file: picture.content for picture in pictures}
        for stale in (part for file in captions for part in parts_of(results.path / file) if part.name not in files):
            stale.unlink()  # It showed runs that are no longer there.
        for file, content in files.items():
            save_bytes(results.path / file, content)
        self.tables(results, captions)
        self.terminal.results(results)
        if self.dashboard.hint:
            self.say(self.dashboard.hint.format(shlex.quote(str(results.path))))
