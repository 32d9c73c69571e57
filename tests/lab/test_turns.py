"""What is given to one of several commands: what nobody has done, nor is at."""

import json
import os
import time
import types

import pytest

from lab import claims
from lab import turns as module
from lab.claims import CLAIM, Claim, Lost
from lab.estimate import Estimate
from lab.run_folder import RunFolder
from lab.turns import turns


class Work:
    """Folders a, b and c, those that are done, and all that a command says and is given."""

    def __init__(self, path):
        self.folders = {name: RunFolder(path / name) for name in "abc"}
        self.done, self.given, self.said, self.expected = set(), [], [], []
        self.progress = types.SimpleNamespace(estimate=Estimate(3, 10))
        self.say = self.said.append

    def claim(self, name):
        """Has another command be at a folder."""
        claim = Claim(self.folders[name].path)
        claim.file.parent.mkdir(exist_ok=True)
        assert claim.take()
        return claim

    def turns(self, needed=(), do=None):
        """Does what is given, in turn; `do` is called with the name of each."""
        titles = {folder: f"run {name}" for name, folder in self.folders.items()}
        needed = {self.folders[name] for name in needed}
        for folder, claim in turns(titles, lambda folder: folder.path.name in self.done, self, needed):
            claim.check()
            self.expected.append((self.progress.estimate.runs, self.progress.estimate.pixels))
            self.given.append(folder.path.name)
            self.done.add(folder.path.name)
            if do:
                do(folder.path.name)
            claim.release()


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "POLL", 0.001)
    return Work(tmp_path)


def test_alone_a_command_has_everything_in_order(work):
    work.turns()
    assert work.given == ["a", "b", "c"]
    assert work.said == work.left == []
    assert not [folder for folder in work.folders.values() if (folder.path / CLAIM).exists()]


def test_what_is_done_or_gets_done_meanwhile_is_not_given(work):
    work.done.add("a")
    work.turns(do=lambda name: work.done.add("c"))
    assert work.given == ["b"]


def test_what_another_command_ended_just_before_it_was_claimed_is_not_given(work, monkeypatch):
    take = Claim.take
    monkeypatch.setattr(Claim, "take", lambda claim: take(claim) and not work.done.add(claim.file.parent.name))
    work.turns()
    assert work.given == []
    assert not [folder for folder in work.folders.values() if (folder.path / CLAIM).exists()]


def test_what_another_command_is_at_is_passed_over_and_left_to_it(work):
    other = work.claim("b")
    work.turns()
    assert work.given == ["a", "c"]
    assert work.said == [f"run b is being run by process {other.own['process']} on {other.own['host']}"]
    assert work.left == ["run b"]
    other.check()


def test_what_another_command_died_at_is_given_at_the_end(work):
    other = work.claim("a")
    work.turns(do=lambda name: other.release())
    assert work.given == ["b", "c", "a"]
    assert (len(work.said), work.left) == (1, [])


@pytest.mark.parametrize("is_alive", [False, True])
def test_what_is_claimed_in_another_place_is_left_only_after_a_sign_of_life(work, monkeypatch, is_alive):
    file = work.claim("b").file
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"place": "elsewhere"}), encoding="utf-8")
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 3 and is_alive:
            os.utime(file, (time.time() + 1,) * 2)
        elif len(waited) == 3:
            monkeypatch.setattr(claims, "SILENCE", -1)

    monkeypatch.setattr(claims.time, "sleep", sleep)
    work.turns()
    assert (work.given, work.left) == ((["a", "c"], ["run b"]) if is_alive else (["a", "c", "b"], []))
    assert len(waited) == 3


def test_what_the_others_need_is_waited_for(work, monkeypatch):
    other, waited = work.claim("a"), []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            other.release()

    monkeypatch.setattr(module.time, "sleep", sleep)
    work.turns(needed="a")
    assert work.given == ["a", "b", "c"]
    assert len(waited) == 3
    (said,) = work.said
    assert said.endswith(": waiting for it")


def test_a_run_that_is_lost_is_left_to_the_one_that_has_it(work):
    titles = {folder: f"run {name}" for name, folder in work.folders.items()}
    for folder, claim in turns(titles, lambda folder: folder.path.name in work.done, work):
        work.given.append(folder.path.name)
        if folder == work.folders["b"]:
            claim.file.unlink()
            other = work.claim("b")
            with pytest.raises(Lost):
                claim.check()
        else:
            work.done.add(folder.path.name)
        claim.release()
    assert work.given == ["a", "b", "c"]
    assert work.left == ["run b"]
    other.check()


def test_what_cannot_be_done_is_given_once(work):
    titles = dict.fromkeys(work.folders.values(), "run")
    for folder, claim in turns(titles, lambda folder: False, work):
        work.given.append(folder.path.name)
        claim.release()
    assert work.given == ["a", "b", "c"]


def test_the_estimate_is_told_what_is_left_and_that_others_do_their_share(work):
    other = work.claim("b")
    work.turns(needed="a", do=lambda name: name == "c" and other.release())
    assert work.given == ["a", "c", "b"]
    assert work.expected == [(2, 1), (1, 0), (1, 0)]
