"""What is seen of a process: whether it lives, since when, and whether it is stopped."""

import os
import pathlib
import signal
import time

from lab.processes import Seen, place, see


def test_it_is_known_since_its_start_until_it_ends(sleeper):
    seen = see(sleeper.pid)
    up = float(pathlib.Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    assert 0 <= round(up * os.sysconf("SC_CLK_TCK")) - int(seen.started) < 60 * os.sysconf("SC_CLK_TCK")
    assert not seen.is_stopped
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert see(sleeper.pid) is None  # Nobody has waited for it yet.
    sleeper.wait()
    assert see(sleeper.pid) is None


def test_one_that_is_stopped_is_there(sleeper):
    started = see(sleeper.pid).started
    sleeper.send_signal(signal.SIGSTOP)
    while not see(sleeper.pid).is_stopped:
        time.sleep(0.001)
    assert see(sleeper.pid).started == started
    sleeper.send_signal(signal.SIGCONT)
    while see(sleeper.pid).is_stopped:
        time.sleep(0.001)


def test_one_of_any_name_is_there():
    """Linux cuts names after 15 bytes, amid a character too."""
    name = pathlib.Path(f"/proc/self/task/{os.getpid()}/comm")  # Of the main thread, which is that of the process.
    before, seen = name.read_bytes(), see(os.getpid())
    for other in ("обучение".encode()[:15], b"a) Z 1 (b"):
        name.write_bytes(other)
        try:
            assert see(os.getpid()) == seen
        finally:
            name.write_bytes(before)


def test_of_another_system_than_linux_it_is_known_whether_it_is_there(sleeper, monkeypatch):
    def refuse(path, **how):
        raise FileNotFoundError(path)

    monkeypatch.setattr(pathlib.Path, "read_text", refuse)
    assert see(sleeper.pid) == see(1) == Seen(None, None)
    sleeper.kill()
    sleeper.wait()
    assert see(sleeper.pid) is None
    assert see(10**30) is None


def test_a_place_is_this_host_since_its_start_and_a_container(monkeypatch):
    places = {place()}
    for name, other in {
        "socket.gethostname": lambda: "other",
        "pathlib.Path.read_text": lambda path, **how: "other start",
        "pathlib.Path.readlink": lambda path: "pid:[1]",
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(name, other)
            places.add(place())
    assert len(places) == 4
