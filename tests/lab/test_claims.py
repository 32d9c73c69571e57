"""Of several processes on several machines, one at a time works in a folder, and what a dead one had goes on."""

import concurrent.futures
import errno
import json
import os
import pathlib
import signal
import threading
import time

import pytest
from support.room import room_for

from lab import claims
from lab.claims import CLAIM, SILENCE, Claim, Lost, alone_in
from lab.errors import InputError
from lab.processes import see


def content(path):
    return json.loads((path / CLAIM).read_text(encoding="utf-8"))


def write(path, silent=0, **changes):
    """Writes the claim of another process of this host, or of another one, that was silent for some seconds."""
    own = Claim(path).own
    (path / CLAIM).write_text(json.dumps(own | {"token": "another"} | changes), encoding="utf-8")
    now = time.time()
    os.utime(path / CLAIM, (now - silent, now - silent))


def test_one_has_it_until_it_is_given_back(tmp_path):
    one, other = Claim(tmp_path), Claim(tmp_path)
    assert one.take()
    assert not other.take()
    assert other.holder == f"process {os.getpid()} on {one.own['host']}"
    assert not other.is_free()
    one.release()
    assert other.is_free()
    assert other.take()
    one.release()  # No more its own.
    assert content(tmp_path) == other.own
    other.release()
    assert list(tmp_path.iterdir()) == []


def race(path, count=8):
    """Has so many threads take the claim of a folder at once; those who got it."""
    barrier = threading.Barrier(count)

    def take(number):
        claim = Claim(path)
        barrier.wait()
        return claim if claim.take() else None

    with concurrent.futures.ThreadPoolExecutor(count) as threads:
        return list(filter(None, threads.map(take, range(count))))


@pytest.mark.parametrize("is_there", [False, True])
def test_of_eight_at_once_exactly_one_has_it_and_takes_over_what_is_dead(tmp_path, dead, is_there):
    for number in range(30):
        path = tmp_path / str(number)
        path.mkdir()
        if is_there:
            write(path, process=dead)
        (got,) = race(path)
        assert content(path) == got.own
        assert [file.name for file in path.iterdir()] == [CLAIM]
        got.release()


def test_a_number_that_another_process_has_by_now_is_that_of_a_dead_one(tmp_path):
    write(tmp_path)
    assert not Claim(tmp_path).take()
    write(tmp_path, started="1")
    assert Claim(tmp_path).take()


def test_who_was_killed_and_is_not_waited_for_is_dead(tmp_path, sleeper):
    write(tmp_path, process=sleeper.pid, started=see(sleeper.pid).started)
    assert not Claim(tmp_path).take()
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert Claim(tmp_path).take()


def test_of_another_place_a_process_has_it_until_it_is_silent(tmp_path, dead):
    elsewhere = {"place": "another host", "host": "elsewhere", "process": dead}
    write(tmp_path, **elsewhere, silent=SILENCE - 10)
    claim = Claim(tmp_path)
    assert not claim.take()
    assert claim.holder == f"process {dead} on elsewhere"
    write(tmp_path, **elsewhere, silent=SILENCE + 10)
    assert claim.take()


def test_of_this_place_a_process_that_lives_has_it_even_if_it_is_silent_but_not_if_it_is_stopped(tmp_path, sleeper):
    claim, process = Claim(tmp_path), {"process": sleeper.pid, "started": see(sleeper.pid).started}
    write(tmp_path, **process, silent=SILENCE + 10)
    assert not claim.take()
    sleeper.send_signal(signal.SIGSTOP)
    while not see(sleeper.pid).is_stopped:
        time.sleep(0.001)
    write(tmp_path, **process, silent=SILENCE - 10)
    assert not claim.take()
    write(tmp_path, **process, silent=SILENCE + 10)
    assert claim.take()


@pytest.mark.parametrize("process", [None, [1], 1e99, "\0"])
def test_of_what_is_the_number_of_no_process_its_silence_tells(tmp_path, process):
    write(tmp_path, process=process)
    assert not Claim(tmp_path).take()
    write(tmp_path, process=process, silent=SILENCE + 10)
    assert Claim(tmp_path).take()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_what_cannot_be_read_is_about_to_be_written_or_left_of_a_dead_process(tmp_path, text):
    (tmp_path / CLAIM).write_text(text, encoding="utf-8")
    claim = Claim(tmp_path)
    assert not claim.take()
    assert claim.holder == "another process"
    os.utime(tmp_path / CLAIM, (0, 0))
    assert Claim(tmp_path).take()


@pytest.mark.parametrize("age", [0, SILENCE + 10])
def test_a_folder_of_that_name_is_refused_and_stays(tmp_path, age):
    (tmp_path / CLAIM).mkdir()
    os.utime(tmp_path / CLAIM, (time.time() - age,) * 2)
    with pytest.raises(InputError, match=r"/\.claim is a folder, where a file is to be written\. Move it away, or set"):
        Claim(tmp_path).take()
    assert [file.name for file in tmp_path.iterdir()] == [CLAIM]


@pytest.mark.parametrize("process", ["x", None, {}, 1e99])
def test_a_process_that_is_no_number_is_judged_by_its_silence(tmp_path, process):
    write(tmp_path, process=process)
    assert not Claim(tmp_path).take()
    write(tmp_path, process=process, silent=SILENCE + 10)
    assert Claim(tmp_path).take()


def test_the_clock_of_this_host_does_not_matter(tmp_path, monkeypatch):
    write(tmp_path, place="another host")
    for now in (0, time.time() + 1000):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert not Claim(tmp_path).take()


@pytest.mark.parametrize("ahead", [SILENCE - 10, SILENCE + 10, 3 * 60 * 60])
def test_a_time_far_in_the_future_is_no_sign_of_life(tmp_path, ahead):
    write(tmp_path, place="another host", silent=-ahead)
    assert Claim(tmp_path).take() == (ahead > SILENCE)


def test_it_is_alive_as_long_as_it_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.01)
    claim = Claim(tmp_path)
    claim.take()
    os.utime(tmp_path / CLAIM, (0, 0))
    while (tmp_path / CLAIM).stat().st_mtime == 0:
        time.sleep(0.01)
    write(tmp_path)
    before = (tmp_path / CLAIM).stat().st_mtime_ns
    time.sleep(0.1)  # That of another one is not kept alive.
    assert (tmp_path / CLAIM).stat().st_mtime_ns == before
    claim.release()
    assert (tmp_path / CLAIM).exists()


def test_who_was_taken_for_dead_notices(tmp_path):
    claim, other = Claim(tmp_path), Claim(tmp_path)
    claim.take()
    claim.check()
    (tmp_path / CLAIM).unlink()
    assert other.take()
    claim.heed()  # It does not know yet.
    with pytest.raises(Lost):
        claim.check()
    with pytest.raises(Lost):
        claim.heed()
    claim.release()
    other.check()
    other.release()
    with pytest.raises(Lost):  # What the other one has done by now stays.
        claim.check()
    assert not claim.file.exists()


def test_who_was_taken_for_dead_knows_it_after_the_next_sign_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.001)
    claim = Claim(tmp_path)
    claim.take()
    write(tmp_path)
    while not claim.is_lost:
        time.sleep(0.001)
    with pytest.raises(Lost):
        claim.heed()
    claim.release()
    assert not claim.beats.is_alive()


def test_a_file_that_somebody_removed_is_made_again_but_not_the_folder(tmp_path):
    claim = Claim(tmp_path / "run")
    claim.file.parent.mkdir()
    claim.take()
    claim.file.unlink()
    claim.check()
    assert not Claim(tmp_path / "run").take()
    claim.file.unlink()
    claim.file.parent.rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        claim.check()
    assert caught.value.filename == str(claim.file)
    claim.release()


def test_without_room_for_it_nothing_is_left(tmp_path):
    with pytest.raises(OSError, match="too large"), room_for(10):
        Claim(tmp_path).take()
    assert list(tmp_path.iterdir()) == []


def test_where_no_more_files_can_be_opened_the_claim_of_another_one_stays(tmp_path, monkeypatch):
    def refuse(*arguments, **how):
        raise OSError(errno.EMFILE, "Too many open files")

    write(tmp_path)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="Too many"):
        Claim(tmp_path).take()
    assert content(tmp_path)["token"] == "another"


def test_what_another_process_reads_at_that_moment_is_removed_as_soon_as_that_has_ended(tmp_path, dead, monkeypatch):
    """As on Windows, which refuses it meanwhile."""
    unlink, refused = pathlib.Path.unlink, []

    def refuse_twice(path, **how):
        if refused.count(path.name) < 2:
            refused.append(path.name)
            raise PermissionError(errno.EACCES, "It is being used by another process")
        unlink(path, **how)

    monkeypatch.setattr(pathlib.Path, "unlink", refuse_twice)
    write(tmp_path, process=dead)
    claim = Claim(tmp_path)
    assert claim.take()
    assert content(tmp_path) == claim.own
    refused.clear()
    claim.release()
    assert list(tmp_path.iterdir()) == []
    assert refused == [CLAIM] * 2


def test_who_waits_works_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "POLL", 0.001)
    done = []

    def work(number):
        with alone_in(tmp_path / "new"):
            done.append(f"begin {number}")
            time.sleep(0.02)
            done.append(f"end {number}")

    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))
    assert [what.replace("begin", "end") for what in done[::2]] == done[1::2]
    assert sorted(done[1::2]) == ["end 0", "end 1", "end 2"]
