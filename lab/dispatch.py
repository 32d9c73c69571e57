"""A study on the workers of a cluster: each run is a task, and comes back as the files of its folder."""

import concurrent.futures
import contextlib
import dataclasses
import os
import pickle
import shutil
import sys
import threading
import time
import uuid

from lab import worker
from lab.claims import POLL, Claim, Lost
from lab.cluster import connected
from lab.errors import InputError
from lab.faults import KEPT, Fault
from lab.files import save_bytes
from lab.machine import source_code, versions
from lab.run_folder import BACKUPS, COMPARED, RunFolder
from lab.settings import PIXELS, Settings
from lab.startup import REFUSED

PREFIX = "main.py: "  # Of a message.
KILLED = 9  # SIGKILL, which `signal` does not have everywhere.


def share_out(study, options, log):
    """Has workers do the runs of a study, one each at a time; gives the `Settings` of each of a loss that has ended.

    A run whose worker is gone is given to another one, and goes on after the last epoch that is known here.
    """
    with connected(options.cluster) as cluster:
        dispatcher = _Dispatcher(cluster, study, options, log)
        try:
            while dispatcher.turns.left():
                yield from dispatcher.round()
        finally:
            dispatcher.close()


@dataclasses.dataclass
class _RemoteRun:
    """A run that a worker is at: its task, and what is known of it here."""

    settings: Settings
    folder: RunFolder
    claim: Claim
    address: str
    name: str
    future: object
    lines: int = 0
    times: dict = dataclasses.field(default_factory=dict)


class _Dispatcher:
    """Who has which run of a study."""

    def __init__(self, cluster, study, options, log):
        self.cluster, self.study, self.options, self.log = cluster, study, options, log
        self.turns = study.turns(log)
        self.runs = []

    def round(self):
        """Gives every worker that is idle a run, looks at all of them, and gives the `Settings` of those that ended."""
        workers = self.cluster.workers()
        for address in workers.keys() - {run.address for run in self.runs}:
            if not (turn := self.turns.take()):
                break
            self.runs.append(self._send(address, *turn))
        self._look([run for run in self.runs if run.address in workers])
        for run in list(self.runs):
            if run.claim.is_lost:
                self._stop([run])
                self._let_go(run, "is left to another command, which took this one for dead")
            elif run.address not in workers:
                self._let_go(run, f"goes on elsewhere: its worker {run.address} is gone")
            elif run.future.done():
                yield from self._receive(run, f"{run.address} on {workers[run.address]}")
        self.log.heed()
        self._wait(workers)

    def close(self):
        """Ends what is not done."""
        self._stop(self.runs)
        for run in self.runs:
            self._cancel(run)
        for folder in list(self.turns.given):  # One may not have been sent.
            self.turns.give_back(folder, is_ended=False)

    def _stop(self, runs):
        self._ask(worker.stop, [run.name for run in runs], runs)

    def _ask(self, what, about, runs):
        """Dict from the addresses of those who have the runs to what they answer, or to an error."""
        addresses = [run.address for run in runs]
        with self._unless_lost():
            return self.cluster.client.run(what, about, workers=addresses, on_error="return") if runs else {}
        return {}

    def _cancel(self, run):
        with self._unless_lost():
            run.future.cancel()

    @contextlib.contextmanager
    def _unless_lost(self):
        """Goes on without an answer of a scheduler that is lost: if it stays so, the next look for workers says so."""
        try:
            yield
        except Exception as error:
            if not self.cluster.is_lost(error):
                raise

    def _send(self, address, folder, claim):
        settings = self.study.asked[folder]
        folder.start(settings, self.log.command, self.study.splits[settings.split].source)
        files = {f"{settings.folder}/{path.name}": path for pattern in BACKUPS for path in folder.path.glob(pattern)}
        if settings.loss != PIXELS:
            pixels, baseline = self.study.baseline(settings.split)
            files |= {f"{pixels.folder}/{name}": baseline.path / name for name in COMPARED}
        content = {name: path.read_bytes() for name, path in files.items() if path.exists()}
        job = Job.of(self.options, settings).pickled()
        task = worker.Task(str(settings.folder), content, BACKUPS, job, self.options.same["backend"])
        name = uuid.uuid4().hex
        future = self.cluster.client.submit(
            worker.run, name, task, key=name, workers=[address], allow_other_workers=False, pure=False
        )
        return _RemoteRun(settings, folder, claim, address, name, future)

    def _look(self, runs):
        """Shows what the runs have printed, and keeps what they would go on from."""
        for run in runs:
            with contextlib.suppress(Lost):
                run.claim.check()
        known = {run.name: (run.lines, run.times) for run in runs}
        news = self._ask(worker.look, known, runs)
        for run in runs:
            found = news.get(run.address)  # Or an error: of a worker that is about to be gone, or of its task too.
            if run.claim.is_lost or not isinstance(found, dict) or run.name not in found:
                continue
            lines, backups = found[run.name]
            self._show(run, lines)
            for name, (time_then, content) in backups.items():
                save_bytes(run.folder.path / name, content)
                run.times[name] = time_then

    def _show(self, run, lines):
        run.lines += len(lines)
        for line in lines:
            self.log.progress.line(line)

    def _receive(self, run, where):
        """Keeps what a run has left, and gives its `Settings`, but for raw pixels."""
        try:
            outcome = _outcome(run, where)
        except (concurrent.futures.CancelledError, OSError) as error:
            if isinstance(error, OSError) and not self.cluster.is_lost(error):
                raise
            self._stop([run])
            self._let_go(run, "is to go on: the connection to the scheduler was lost")
            return
        self._show(run, outcome.lines[run.lines :])
        if outcome.status is None:
            self._let_go(run, f"goes on: {where} had heard nothing of this command for too long")
            return
        for name in sorted(outcome.files, key=lambda name: name == "metrics.json"):  # Last of all: now it counts.
            save_bytes(run.folder.path / name, outcome.files[name])
        run.folder.end()
        self._end(run, is_ended=True)
        if run.settings.loss != PIXELS:
            yield run.settings

    def _let_go(self, run, why):
        self.log.say(f"{run.settings.title} {why}")
        self._end(run, is_ended=False)

    def _end(self, run, is_ended):
        self.runs.remove(run)
        self._cancel(run)
        self.turns.give_back(run.folder, is_ended)

    def _wait(self, workers):
        if self.runs or not self.turns.busy:
            if workers:
                self.log.progress.name = f"{len(self.runs)} of {len(self.turns.left())} runs left are with workers"
            else:
                self.log.progress.wait("waiting for a worker")
            time.sleep(POLL)
        else:
            self.turns.wait()


def _outcome(run, where):
    """The `Outcome` of a task that is done, if it can be kept.

    Raises:
        InputError, Fault: As the process of the run has ended with a message.
        RuntimeError: As it has ended in any other way.
    """
    try:
        outcome = run.future.result()
    except ModuleNotFoundError as error:
        raise InputError(
            f"worker {where}: {error}. Start it in the folder of this code, by python -m dask worker"
        ) from None
    except RuntimeError as error:
        if not isinstance(error.__cause__, ModuleNotFoundError):
            raise
        raise InputError(
            f"the scheduler: {error.__cause__}. Start it in the folder of this code, by python -m dask scheduler"
        ) from None
    message = next((s for s in reversed(outcome.errors.splitlines()) if s.startswith(PREFIX)), "").removeprefix(PREFIX)
    if outcome.status == 2:
        raise InputError(f"worker {where}: {message}")
    if outcome.status == REFUSED:
        raise Fault(f"worker {where}: {message}")
    if number := _signal(outcome.status):
        why = ", as for want of memory" if number == KILLED else ""
        raise Fault(f"worker {where}: the process of {run.settings.title} was ended by signal {number}{why}. {KEPT}")
    if outcome.status:
        raise RuntimeError(f"{run.settings.title} on worker {where}:\n{outcome.errors}")
    return outcome


def _signal(status):
    """The signal that has ended a process, whether it could end itself or not; None of any other status."""
    if status is None:
        return None
    return -status if status < 0 else status - 128 if 128 < status < 160 else None


@dataclasses.dataclass(frozen=True)
class Job:
    """What the process of a run reads: the command, what it was made with, and the pickled rest."""

    command: str
    tensorboard: bool
    made_with: dict
    content: bytes

    @classmethod
    def of(cls, options, settings):
        return cls(options.command, options.tensorboard, _made_with(), pickle.dumps((options, settings)))

    def pickled(self):
        return pickle.dumps(self)

    @classmethod
    def received(cls, folder):
        """The one at standard input. When that ends, as with the worker, so does this process, and the folder."""
        job = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_input, args=[folder], daemon=True).start()
        return job

    def opened(self):
        """The `Options` of the command, and the `Settings` of the run.

        Raises:
            InputError: If versions or code are not those of who sent it.
        """
        mine, theirs = _made_with(), self.made_with
        if different := [
            f"{name} {mine.get(name)}, not {theirs[name]}" for name in theirs if mine.get(name) != theirs[name]
        ]:
            raise InputError(f"it has {'; '.join(different)}. Give it the code and the packages of this command")
        return pickle.loads(self.content)


def _made_with():
    return versions() | {"code": source_code()[:12]}


def _end_with_input(folder):
    while os.read(0, 1):  # Not by `sys.stdin`, which a process that ends meanwhile could not close.
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
