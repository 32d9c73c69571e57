"""What is given to one of several commands: what nobody has done, nor is at."""

import json
import os
import time
import types

import pytest

from lab import turns as module
from lab.claims import CLAIM, Claim
from lab.conflicts import ConflictError
from lab.estimate import Estimate
from lab.run_folder import RunFolder
from lab.settings import Settings
from lab.turns import Turns, in_turn

SETTINGS = {"dataset": "digits", "loss": "circle", "seed": 0, "epochs": 2, "overrides": {"margin": 0.25}}


class Work:
    """Folders a, b and c, those that are done, and all that a command says and is given."""

    def __init__(self, path):
        self.folders = {name: RunFolder(path / name) for name in "abc"}
        self.done, self.given, self.said, self.waited, self.refused, self.expected = set(), [], [], [], [], []
        self.progress = types.SimpleNamespace(estimate=Estimate(3, 10), wait=self.waited.append)
        self.say, self.refuse = self.said.append, self.refused.append

    @property
    def asked(self):
        return {folder: (f"run {name}", Settings(**SETTINGS)) for name, folder in self.folders.items()}

    def is_done(self, folder):
        if folder.path.name in self.done:
            return True
        return folder.is_done(Settings(**SETTINGS), overwrite=False)

    def claim(self, name, **changes):
        """Has another command be at a folder, with changed settings."""
        claim = Claim(self.folders[name].path, work=(SETTINGS | changes))
        claim.file.parent.mkdir(exist_ok=True)
        assert claim.take()
        return claim

    def turns(self, needed=(), do=None):
        """Does what is given, in turn; `do` is called with the name of each."""
        needed = {self.folders[name] for name in needed}
        for folder, claim in in_turn(Turns(self.asked, self.is_done, self, needed)):
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
    assert work.given == ["b", "a", "c"]
    assert (len(work.said), work.waited) == (1, [])


def test_what_the_others_need_is_waited_for_at_once(work, meanwhile):
    meanwhile(work.claim("a").release)
    work.turns(needed="a")
    assert work.given == ["a", "b", "c"]
    assert len(work.said) == 1
    assert work.waited == ["waiting for run a"] * 3


def test_where_another_command_runs_other_settings_that_is_said_and_the_others_are_given(work, meanwhile):
    other, alike = work.claim("b", backend="jax", overrides={"margin": 0.5}), work.claim("c")
    meanwhile(alike.release)
    work.turns()
    assert (work.given, work.waited) == (["a", "c"], ["waiting for run c"] * 3)
    path = work.folders["b"].path
    assert work.refused == [
        f"run b is left out: process {os.getpid()} on {other.own['host']} is at a run with other settings in {path} "
        "(backend jax, now tensorflow; margin 0.5, now 0.25). Choose another place with --runs, or give this command "
        "again, with --overwrite, when that one has ended."
    ]
    other.check()


def test_where_another_command_has_run_other_settings_meanwhile_the_others_are_given(work):
    def do(name):
        if name == "a":
            work.folders["b"].start(Settings(**SETTINGS | {"epochs": 3}), "python main.py")

    work.turns(do=do)
    assert work.given == ["a", "c"]
    assert work.refused == [
        f"run b is left out: {work.folders['b'].path} holds a run with other settings (epochs 3, now 2). Keep it and "
        "choose another place with --runs, or give this command again with --overwrite."
    ]


def test_other_settings_in_what_the_others_need_end_the_command(work):
    work.claim("a", perplexity=5.0)
    with pytest.raises(ConflictError, match=r"other settings in .*/a \(perplexity 5, now 30\)"):
        work.turns(needed="a")
    assert work.given == work.refused == []


def test_a_folder_is_given_back_where_another_one_ends_the_command(work):
    work.folders["b"].start(Settings(**SETTINGS | {"epochs": 3}), "python main.py")
    with pytest.raises(ConflictError, match=r"other settings \(epochs 3, now 2\)"):
        work.turns(needed="b")  # While a is claimed, it is counted what is left.
    assert work.given == []
    assert not [folder for folder in work.folders.values() if (folder.path / CLAIM).exists()]


def test_a_folder_is_given_back_where_whoever_got_it_stops(work):
    given = in_turn(Turns(work.asked, work.is_done, work))
    folder, _ = next(given)
    assert (folder.path / CLAIM).exists()
    given.close()
    assert not (folder.path / CLAIM).exists()


@pytest.mark.parametrize("content", ["", "{}", '{"work": null}', '{"work": {"dataset": "digits", "colour": 1}}'])
def test_what_does_not_say_its_settings_is_waited_for(work, meanwhile, content):
    file = work.claim("a").file
    file.write_text(content, encoding="utf-8")
    meanwhile(file.unlink)
    work.turns()
    assert (work.given, work.refused) == (["b", "c", "a"], [])


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
    for folder, claim in in_turn(Turns(work.asked, lambda folder: False, work)):
        work.given.append(folder.path.name)
        claim.release()
    assert work.given == ["a", "b", "c"]


def test_the_estimate_is_told_what_is_left_and_that_others_do_their_share(work):
    other = work.claim("b")
    work.turns(needed="a", do=lambda name: name == "c" and other.release())
    assert work.given == ["a", "c", "b"]
    assert work.expected == [(2, 1), (1, 0), (1, 0)]
