"""Several processes, one on each host, that train together on JAX.

Process 0 decides, measures and writes. The others train with it what it tells them, say nothing themselves, write no
results, and end when it does.
"""

import contextlib
import ctypes
import io
import itertools
import os
import signal
import sys
import threading
import time

import keras
import numpy as np

from lab.errors import InputError
from lab.startup import REFUSED, hidden_start_up_noise

COUNT, NUMBER, ADDRESSES = (f"KERAS_DISTRIBUTION_{name}" for name in ("NUM_PROCESSES", "PROCESS_ID", "JOB_ADDRESSES"))
BEAT = 2  # Seconds between two signs of life.
PATIENCE = 5 * BEAT  # Seconds in which process 0 finds out who is lost, and has the others end.
FOR_EVER = 10**9  # Milliseconds.
ALONE = (
    b"main.py: process 0 ended or was lost: this one ends too. "
    b"The same command, on every host and without --overwrite, goes on.\n"
)


class Company:
    """The processes that train together, as one of them sees them: its `number`, their `count`, JAX's `client`."""

    def __init__(self, number=0, count=1, client=None):
        self.number, self.count, self.client = number, count, client
        self.keys = (f"told/{step}" for step in itertools.count())  # The same on every process.

    def told(self, values):
        """A dict of arrays and plain values as process 0 has it; the others get arrays."""
        if self.count == 1:
            return values
        key = next(self.keys)
        if self.number == 0:
            content = io.BytesIO()
            np.savez(content, **values)
            self.client.key_value_set_bytes(key, content.getvalue())
            return values
        with np.load(io.BytesIO(self.client.blocking_key_value_get_bytes(key, FOR_EVER))) as archive:
            return dict(archive)

    def lost(self):
        """Numbers of the processes that give no sign of life any more."""
        if self.count == 1:
            return []
        before = self._marks("alive")
        time.sleep(2 * BEAT)
        now = self._marks("alive")
        return [number for number in range(1, self.count) if now.get(number) == before.get(number)]

    def dismiss(self, status):
        """Has the others end with a status, and waits for them: JAX takes down who is left when process 0 ends."""
        if self.count == 1:
            return
        self.client.key_value_set("leave", str(status))
        until = time.monotonic() + PATIENCE
        while len(self._marks("left")) < self.count - 1 and time.monotonic() < until:
            time.sleep(0.1)

    def follow(self):
        """Gives signs of life until process 0 says with which status to end, or is lost."""
        status = None
        for beat in itertools.count():
            self.client.key_value_set(f"alive/{self.number}", str(beat), allow_overwrite=True)
            if status := self._status():
                break
        self.client.key_value_set(f"left/{self.number}", status)
        os._exit(int(status))

    def _status(self):
        try:
            return self.client.blocking_key_value_get("leave", 1000 * BEAT)
        except RuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise
        return None

    def _marks(self, kind):
        return {int(key.rpartition("/")[2]): mark for key, mark in self.client.key_value_dir_get(kind)}


_company = Company()


def company():
    """The `Company` of this process, which may be alone."""
    return _company


def join(devices):
    """Has this process train together with others, if the environment says so and it does not yet.

    Raises:
        InputError: If the environment is no use, the backend trains in one process, or not all `devices` are asked for.
    """
    global _company
    if _company.count > 1 or os.environ.get(COUNT, "1") == "1":
        return
    if keras.backend.backend() != "jax":
        raise InputError(
            f"{COUNT} is set, and only JAX trains in several processes. Unset it, or set KERAS_BACKEND to jax"
        )
    if devices != "all":
        raise InputError(f"{COUNT} is set: every process trains on all of its devices. Unset it, or give --devices all")
    number, count = _of_environment()
    import jax
    from jax._src.distributed import global_state  # What processes tell each other has no other way to it.
    from jax.experimental.multihost_utils import sync_global_devices

    jax.config.update("jax_enable_recoverability", True)  # Who is left is to say which one was lost.
    jax.config.update("jax_enable_preemption_service", False)  # It would take SIGTERM for itself.
    keras.utils.set_random_seed(0)  # Else Keras draws one, on all processes.
    with hidden_start_up_noise("Waiting for the other processes ..."), _hidden_output():
        try:
            keras.distribution.initialize()
            sync_global_devices("joined")
        except (RuntimeError, ValueError) as error:
            raise InputError(f"process {number} of {count} does not find the others by {ADDRESSES}: {error}") from None
    _company = Company(number, count, global_state.client)
    if number:
        _serve()


def _of_environment():
    """The number of this process, and of how many."""
    try:
        number, count = int(os.environ[NUMBER]), int(os.environ[COUNT])
        if 0 <= number < count and os.environ[ADDRESSES].partition(",")[0].rpartition(":")[2].isdecimal():
            return number, count
    except (KeyError, ValueError):
        pass
    given = " ".join(f"{name}={os.environ.get(name, '')}" for name in (COUNT, NUMBER, ADDRESSES))
    raise InputError(
        f"{given}: for several processes set them to how many there are, the number of this one, from 0, and HOST:PORT "
        "of number 0"
    )


@contextlib.contextmanager
def _hidden_output():
    """Holds back what native libraries print to standard output."""
    real = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(real, 1)
        os.close(real)


def _serve():
    """Makes this process one that follows: it is silent, but for errors of Python, and ends when process 0 does."""
    global _on_abort
    sys.stderr.flush()
    errors = os.dup(2)
    sys.stderr = os.fdopen(errors, "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # One that every process gets is for process 0 to heed.

    def end(number=None):
        os.write(errors, ALONE)
        os._exit(REFUSED)

    def follow():
        try:
            _company.follow()
        except RuntimeError:
            end()

    # JAX aborts a process that has lost process 0, and has no other way to be asked not to.
    _on_abort = ctypes.CFUNCTYPE(None, ctypes.c_int)(end)
    ctypes.CDLL(None).signal(signal.SIGABRT, _on_abort)
    threading.Thread(target=follow, daemon=True).start()


@contextlib.contextmanager
def alone():
    """What this process makes in the block is its own: the others need not make it too."""
    shared = keras.distribution.distribution()
    if _company.count > 1:
        keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(shared)


class Part(keras.utils.PyDataset):
    """The rows of each batch that this process has: Keras makes one batch of those of all."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, step):
        return tuple(np.split(array, _company.count)[_company.number] for array in self.batches[step])


def part_of(batches):
    """The batches as this process feeds them."""
    return batches if _company.count == 1 else Part(batches)


class InStep(keras.callbacks.Callback):
    """Has every process judge an epoch as process 0 does: its processor may round in another way."""

    def on_epoch_end(self, epoch, logs):
        told = _company.told({"stop": self.model.stop_training, **logs})
        self.model.stop_training = bool(told.pop("stop"))
        logs |= {name: float(value) for name, value in told.items()} if _company.number else {}
