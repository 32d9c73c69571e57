"""What several commands in one place for results do in turn."""

import contextlib
import time

from lab.claims import POLL, Claim
from lab.conflicts import ConflictError, at_work


class Turns:
    """Gives folders in which something is to be done, each with a `Claim` that was taken.

    What another command is at is passed over, with a line: it may die, and is given later. A folder in which another
    command runs, or has run, something with other settings is refused, with a line.

    Args:
        asked: Dict from a `RunFolder` to what its run is called, and its `Settings`.
        is_done: Function of a `RunFolder`: whether all is done there. It is asked before each.
        log: `Log`.
        needed: Set of those of the folders that the following ones, up to the next of them, need: these come after it.
    """

    def __init__(self, asked, is_done, log, needed=frozenset()):
        self.asked, self.is_done, self.log, self.needed = asked, is_done, log, needed
        self.told, self.refused, self.ended = set(), set(), set()
        self.given = {}  # With their claims.
        self.busy = []  # With others, at the last look.

    def take(self):
        """The next folder that can be begun, and its `Claim`; None if there is none now.

        Raises:
            ConflictError: If one that is needed is refused.
        """
        self.busy, is_ready = [], True
        for folder in self.asked:
            is_over = folder in self.ended or self._is_over(folder)
            is_ready |= folder in self.needed
            if is_ready and not is_over and folder not in self.given and (claim := self._claimed(folder)):
                self.given[folder] = claim
                return folder, claim
            if folder in self.needed:
                is_ready = is_over
        return None

    def give_back(self, folder, is_ended):
        """Ends what a folder was given for; if it `is_ended`, it is not given again, whatever became of it."""
        self.given.pop(folder).release()
        if is_ended:
            self.ended.add(folder)

    def left(self):
        """The folders in which something is to be done, or is being done."""
        return [folder for folder in self.asked if folder not in self.ended and not self._is_over(folder)]

    def wait(self):
        """Waits a moment for those that others are at."""
        self.log.progress.wait(f"waiting for {', '.join(self.asked[folder][0] for folder in self.busy)}")
        time.sleep(POLL)

    def _claimed(self, folder):
        """The `Claim` of a folder; None if another command is at it, or has ended it by now."""
        title, settings = self.asked[folder]
        folder.path.mkdir(parents=True, exist_ok=True)
        claim = Claim(folder.path, work=settings.to_dict())
        if claim.take():
            with contextlib.ExitStack() as unless_given:
                unless_given.callback(claim.release)
                if self._is_over(folder):
                    return None
                self._expect()
                unless_given.pop_all()
            return claim
        if conflict := at_work(claim, settings):
            self._refuse(folder, ConflictError(conflict))
            return None
        if folder not in self.told:
            self.log.say(f"{title} is being run by {claim.holder}")
            self.told.add(folder)
        self.busy.append(folder)
        return None

    def _expect(self):
        """Tells the estimate what is left for this command, and how many others there are."""
        rest = {*self.left()} - {*self.busy}
        self.log.progress.estimate.expect(len(rest - self.needed), len(rest & self.needed), commands=1 + len(self.busy))

    def _is_over(self, folder):
        """Whether nothing is to be done in a folder any more, or can be."""
        try:
            return folder in self.refused or self.is_done(folder)
        except ConflictError as conflict:
            self._refuse(folder, conflict)
            return True

    def _refuse(self, folder, conflict):
        if folder in self.needed:
            raise conflict
        self.log.refuse(f"{self.asked[folder][0]} is left out: {conflict}")
        self.refused.add(folder)


def in_turn(turns):
    """Gives the folders of `Turns`, with their claims, one after the other; in the end it waits for other commands."""
    while turns.left():
        if turn := turns.take():
            folder, claim = turn
            try:
                yield folder, claim
            finally:  # Nobody may be there any more to give it back.
                turns.give_back(folder, is_ended=not claim.is_lost)
        elif turns.busy:
            turns.wait()


def done_now(runs, overwrite):
    """Function of a `RunFolder`: whether a run with its settings ended there, and is to be kept, when it is asked.

    What is to be replaced is done as soon as another run, of another command, has ended there.

    Args:
        runs: Dict from `RunFolder` to its `Settings`.
        overwrite: Whether what is there by now is to be replaced.
    """
    before = {folder: folder.stamp() for folder in runs} if overwrite else {}
    return lambda folder: folder.is_done(runs[folder], folder in before and folder.stamp() in (None, before[folder]))


def start_over(folders):
    """Has trainings not go on from where they were stopped, but those that another command is at."""
    for folder in folders:
        if folder.path.exists() and (claim := Claim(folder.path)).take():
            folder.end()
            claim.release()
