"""Who works in a folder, where several commands, on one machine or on several, share one place for results."""

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
import uuid

from lab.errors import InputError
from lab.files import make_folder, naming, read_json
from lab.processes import place, see

CLAIM = ".claim"
BEAT = 10  # Seconds between two signs of life.
SILENCE = 60  # Seconds without any, after which whoever has a claim and is not seen to live is taken for dead.
POLL = 1  # Seconds between two looks at what is waited for.


class Lost(Exception):
    """Another process has taken over what this one had claimed: it was silent for too long, suspended perhaps."""


class Claim:
    """That this process alone works in a folder: a file there, which a thread touches as long as it is held.

    No lock of the system: those of several machines that share a folder do not know each other's. It says for others
    what `work` is done there, in plain values.
    """

    def __init__(self, folder, name=CLAIM, work=None):
        self.file = folder / name
        process = {"process": os.getpid(), "started": see(os.getpid()).started, "place": place()}
        self.own = {"host": socket.gethostname(), "token": uuid.uuid4().hex, "work": work} | process
        self.other = {}  # What that of another process says.
        self.is_lost = False  # As far as it is known by now.
        self.is_over = threading.Event()
        self.beats = threading.Thread(target=self._beat, daemon=True)

    def take(self):
        """Takes it, unless another process that is alive has it; whether it did.

        Raises:
            InputError: If a folder has the name of the file.
        """
        while not self._make():
            found = read_json(self.file)
            if self._is_held(found):
                self.other = found
                return False
            # Of several that see the same dead one, each may remove that one alone.
            what = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(found)).hex[:8]
            heir = Claim(self.file.parent, f"{self.file.name}-{what}")
            if not heir.take():
                self.other = heir.other
                return False
            if read_json(self.file) == found and not self._is_held(found):
                self._remove()
            heir.release()
        self.beats.start()
        return True

    @property
    def holder(self):
        """The other process that has it, in words."""
        is_named = {"process", "host"} <= self.other.keys()
        return "process {process} on {host}".format(**self.other) if is_named else "another process"

    def check(self):
        """Looks whether somebody has taken it over.

        Raises:
            Lost: If somebody has.
        """
        if not self._is_own() and not self.is_lost:  # Somebody has removed the file.
            self._make()
        self.heed()

    def heed(self):
        """As `check`, but by what is known: without a look at the file, which may be far away."""
        if self.is_lost:
            raise Lost

    def release(self):
        """Gives it back, if it is not lost."""
        self.is_over.set()
        self.beats.join()  # Windows does not remove what is open.
        with contextlib.suppress(OSError):  # What went wrong before matters more.
            if self._is_own():
                self._remove()

    def is_free(self):
        """Whether nobody who is alive has it."""
        return not self._is_held(read_json(self.file))

    def _make(self):
        """Makes the file, unless there is one; whether it did."""
        with naming(self.file):
            try:
                self.file.touch(exist_ok=False)
            except FileExistsError:
                if self.file.is_dir():
                    raise InputError(
                        f"{self.file} is a folder, where a file is to be written. Move it away, or set --runs"
                    ) from None
                return False
            try:
                self.file.write_text(json.dumps(self.own), encoding="utf-8")
            except OSError:  # Half a claim would be nobody's.
                self._remove()
                raise
        return True

    def _remove(self):
        """Removes the file, which Windows refuses as long as another process reads it: for a moment."""
        for wait in (0.01, 0.1, 1):
            try:
                self.file.unlink(missing_ok=True)
                return
            except PermissionError:
                time.sleep(wait)
        self.file.unlink(missing_ok=True)

    def _is_own(self):
        """Whether it is this process that has it, by a look at the file."""
        found = read_json(self.file)
        is_own = found.get("token") == self.own["token"]
        self.is_lost |= bool(found) and not is_own
        return is_own

    def _is_held(self, found):
        """Whether the claim whose file says what was found is of a process that is alive."""
        touched = self._touched()
        if touched is None:
            return False
        if found.get("place") == self.own["place"] and isinstance(found.get("process"), int):
            seen = see(found["process"])
            if seen is None or (seen.started and seen.started != found.get("started")):
                return False
            if seen.is_stopped is False:  # It lives, however busy it is.
                return True
        with tempfile.TemporaryFile(dir=self.file.parent) as now:  # By the clock of the file system, not of this host.
            silent = os.fstat(now.fileno()).st_mtime - touched
        return abs(silent) < SILENCE  # A time to come is no sign of life: a clock was set back, or a copy was made.

    def _touched(self):
        """When the last sign of life was given; None without a file."""
        try:
            return self.file.stat().st_mtime
        except FileNotFoundError:
            return None

    def _beat(self):
        while not self.is_over.wait(BEAT):
            with contextlib.suppress(OSError):
                if self._is_own():
                    os.utime(self.file)


@contextlib.contextmanager
def alone_in(folder):
    """Waits until no other process works in a folder, which is made if there is none, and has it for the block."""
    make_folder(folder)
    claim = Claim(folder)
    while not claim.take():
        time.sleep(POLL)
    try:
        yield
    finally:
        claim.release()
