"""Whether a process is alive, as far as that can be seen from here."""

import contextlib
import os
import pathlib
import socket
import typing


class Seen(typing.NamedTuple):
    """A process that is there: when it was started, by which another one that has its number is told apart.

    Of another system than Linux, both are unknown: None.
    """

    started: str | None = None
    is_stopped: bool | None = None


def place():
    """Where the number of a process counts: this host since its start, or a container."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):  # Linux alone has them.
        parts += [pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()]
        parts += [str(pathlib.Path("/proc/self/ns/pid").readlink())]
    return " ".join(parts)


def see(process):
    """The `Seen` of a process of this place, by its number; None if it is no more."""
    with contextlib.suppress(OSError):
        stat = pathlib.Path(f"/proc/{process}/stat").read_text(encoding="latin-1")  # A name may end amid a character.
        state, *rest = stat.rpartition(")")[2].split()
        return None if state in "ZX" else Seen(rest[18], state in "Tt")
    if os.name == "nt":  # There, the signal would end it.
        return Seen()
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:  # It is another user's.
        pass
    return Seen()
