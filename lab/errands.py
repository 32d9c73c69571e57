"""A study on the workers of a cluster: each run is a task, and comes back as the files of its folder."""

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


def share_out(study, options, log):
    """Has workers do the runs of a study, one each at a time; gives the `Settings` of each of a loss that has ended.

    A run whose worker is gone is given to another one, and goes on after the last epoch that is known here.
    """
    with connected(options.cluster) as cluster:
        office = _Office(cluster, study, options, log)
        try:
            while office.turns.left():
                yield from office.round()
        finally:
            office.close()


@dataclasses.dataclass
class _Errand:
    """A run that a worker is at: its task, and what is known of it here."""

    settings: Settings
    folder: RunFolder
    claim: Claim
    address: str
    name: str
    future: object
    lines: int = 0
    times: dict = dataclasses.field(default_factory=dict)


class _Office:
    """Who has which run of a study."""

    def __init__(self, cluster, study, options, log):
        self.cluster, self.study, self.options, self.log = cluster, study, options, log
        self.turns = study.turns(log)
        self.errands = []

    def round(self):
        """Gives every worker that is idle a run, looks at all of them, and gives the `Settings` of those that ended."""
        workers = self.cluster.workers()
        for address in workers.keys() - {errand.address for errand in self.errands}:
            if not (turn := self.turns.take()):
                break
            self.errands.append(self._send(address, *turn))
        self._look([errand for errand in self.errands if errand.address in workers])
        for errand in list(self.errands):
            if errand.claim.is_lost:
                self._stop([errand])
                self._let_go(errand, "is left to another command, which took this one for dead")
            elif errand.address not in workers:
                self._let_go(errand, f"goes on elsewhere: its worker {errand.address} is gone")
            elif errand.future.done():
                yield from self._receive(errand, f"{errand.address} on {workers[errand.address]}")
        self.log.heed()
        self._wait(workers)

    def close(self):
        """Ends what is not done."""
        self._stop(self.errands)
        for errand in self.errands:
            errand.future.cancel()
        for folder in list(self.turns.given):  # One may not have been sent.
            self.turns.give_back(folder, is_ended=False)

    def _stop(self, errands):
        with contextlib.suppress(OSError):
            self._ask(worker.stop, [errand.name for errand in errands], errands)

    def _ask(self, what, about, errands):
        """Dict from the addresses of those who have the errands to what they answer, or to an error."""
        addresses = [errand.address for errand in errands]
        return self.cluster.client.run(what, about, workers=addresses, on_error="return") if errands else {}

    def _send(self, address, folder, claim):
        settings = self.study.asked[folder]
        folder.start(settings, self.log.command, self.study.splits[settings.split].source)
        files = {f"{settings.folder}/{path.name}": path for pattern in BACKUPS for path in folder.path.glob(pattern)}
        if settings.loss != PIXELS:
            pixels, baseline = self.study.baseline(settings.split)
            files |= {f"{pixels.folder}/{name}": baseline.path / name for name in COMPARED}
        content = {name: path.read_bytes() for name, path in files.items() if path.exists()}
        order = Order.of(self.options, settings).pickled()
        task = worker.Task(str(settings.folder), content, BACKUPS, order, settings.backend)
        name = uuid.uuid4().hex
        future = self.cluster.client.submit(
            worker.run, name, task, key=name, workers=[address], allow_other_workers=False, pure=False
        )
        return _Errand(settings, folder, claim, address, name, future)

    def _look(self, errands):
        """Shows what the runs have printed, and keeps what they would go on from."""
        for errand in errands:
            with contextlib.suppress(Lost):
                errand.claim.check()
        known = {errand.name: (errand.lines, errand.times) for errand in errands}
        news = self._ask(worker.look, known, errands)
        for errand in errands:
            found = news.get(errand.address)  # Or an error: of a worker that is about to be gone, or of its task too.
            if errand.claim.is_lost or not isinstance(found, dict) or errand.name not in found:
                continue
            lines, backups = found[errand.name]
            self._show(errand, lines)
            for name, (time_then, content) in backups.items():
                save_bytes(errand.folder.path / name, content)
                errand.times[name] = time_then

    def _show(self, errand, lines):
        errand.lines += len(lines)
        for line in lines:
            self.log.progress.line(line)

    def _receive(self, errand, where):
        """Keeps what a run has left, and gives its `Settings`, but for raw pixels."""
        outcome = _outcome(errand, where)
        self._show(errand, outcome.lines[errand.lines :])
        if outcome.status is None:
            self._let_go(errand, f"goes on: {where} had heard nothing of this command for too long")
            return
        for name in sorted(outcome.files, key=lambda name: name == "metrics.json"):  # Last of all: now it counts.
            save_bytes(errand.folder.path / name, outcome.files[name])
        errand.folder.end()
        self._end(errand, is_ended=True)
        if errand.settings.loss != PIXELS:
            yield errand.settings

    def _let_go(self, errand, why):
        self.log.say(f"{errand.settings.title} {why}")
        self._end(errand, is_ended=False)

    def _end(self, errand, is_ended):
        self.errands.remove(errand)
        errand.future.cancel()
        self.turns.give_back(errand.folder, is_ended)

    def _wait(self, workers):
        if self.errands or not self.turns.busy:
            if workers:
                self.log.progress.name = f"{len(self.errands)} of {len(self.turns.left())} runs left are with workers"
            else:
                self.log.progress.wait("waiting for a worker")
            time.sleep(POLL)
        else:
            self.turns.wait()


def _outcome(errand, where):
    """The `Outcome` of a task that is done, if it can be kept.

    Raises:
        InputError, Fault: As the process of the run has ended with a message.
        RuntimeError: As it has ended in any other way.
    """
    try:
        outcome = errand.future.result()
    except ModuleNotFoundError as error:
        raise InputError(
            f"worker {where}: {error}. Start it in the folder of this code, by python -m dask worker"
        ) from None
    message = next((s for s in reversed(outcome.errors.splitlines()) if s.startswith(PREFIX)), "").removeprefix(PREFIX)
    if outcome.status == 2:
        raise InputError(f"worker {where}: {message}")
    if outcome.status == REFUSED:
        raise Fault(f"worker {where}: {message}")
    if outcome.status and outcome.status < 0:
        raise Fault(
            f"worker {where}: the process of {errand.settings.title} was ended by signal {-outcome.status}, "
            f"as for want of memory. {KEPT}"
        )
    if outcome.status:
        raise RuntimeError(f"{errand.settings.title} on worker {where}:\n{outcome.errors}")
    return outcome


@dataclasses.dataclass(frozen=True)
class Order:
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
        order = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_input, args=[folder], daemon=True).start()
        return order

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
