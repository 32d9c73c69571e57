"""What is given to one of several commands: what nobody has done, nor is at."""

import json
import os
import time
import types

import pytest

from lab import turns as module
from lab.claims import CLAIM, Claim
from lab.estimate import Estimate
from lab.run_folder import RunFolder
from lab.turns import turns


class Work:
    """Folders a, b and c, those that are done, and all that a command says and is given."""

    def __init__(self, path):
        self.folders = {name: RunFolder(path / name) for name in "abc"}
        self.done, self.given, self.said, self.waited, self.expected = set(), [], [], [], []
        self.progress = types.SimpleNamespace(estimate=Estimate(3, 10), wait=self.waited.append)
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
def work(tmp_path):
    return Work(tmp_path)


@pytest.fixture
def meanwhile(monkeypatch):
    """Function that has something happen when a command has waited three times; it never waits longer than that."""

    def set_up(happen):
        moments = iter((None, None, happen))
        monkeypatch.setattr(module.time, "sleep", lambda seconds: (next(moments) or bool)())

    return set_up


def test_alone_a_command_has_everything_in_order(work):
    work.turns()
    assert work.given == ["a", "b", "c"]
    assert work.said == work.waited == []
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


def test_what_another_command_is_at_is_passed_over_and_in_the_end_waited_for(work, meanwhile):
    other = work.claim("b")

    def end():
        assert work.given == ["a", "c"]
        other.check()
        work.done.add("b")
        other.release()

    meanwhile(end)
    work.turns()
    assert work.given == ["a", "c"]
    assert work.said == [f"run b is being run by process {other.own['process']} on {other.own['host']}"]
    assert work.waited == ["waiting for run b"] * 3


@pytest.mark.parametrize("is_here", [False, True])
def test_what_another_command_dies_at_is_given_at_the_end(work, meanwhile, dead, is_here):
    others = {name: work.claim(name) for name in "ab"}

    def die():
        for other in others.values():
            place = {"process": dead} if is_here else {"place": "elsewhere"}
            other.file.write_text(json.dumps(other.own | place), encoding="utf-8")
            os.utime(other.file, (time.time(),) * 2 if is_here else (0, 0))

    meanwhile(die)
    work.turns()
    assert work.given == ["c", "a", "b"]
    assert len(work.said) == 2
    assert work.waited == ["waiting for run a, run b"] * 3


def test_what_another_command_ends_meanwhile_is_not_waited_for(work):
    other = work.claim("a")
    work.turns(do=lambda name: other.release())
    assert work.given == ["b", "c", "a"]
    assert (len(work.said), work.waited) == (1, [])


def test_what_the_others_need_is_waited_for_at_once(work, meanwhile):
    meanwhile(work.claim("a").release)
    work.turns(needed="a")
    assert work.given == ["a", "b", "c"]
    assert len(work.said) == 1
    assert work.waited == ["waiting for run a"] * 3


def test_a_run_that_is_lost_is_left_to_the_one_that_has_it(work, meanwhile):
    others = []

    def end():
        others[0].check()
        work.done.add("b")

    def do(name):
        if name == "b":
            work.done.remove("b")
            (work.folders["b"].path / CLAIM).unlink()
            others.append(work.claim("b"))

    meanwhile(end)
    work.turns(do=do)
    assert work.given == ["a", "b", "c"]
    others[0].check()


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
