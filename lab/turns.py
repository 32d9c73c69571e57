"""What several commands in one place for results do in turn."""

import time

from lab.claims import POLL, Claim
from lab.conflicts import ConflictError, at_work


def turns(asked, is_done, log, needed=frozenset()):
    """Gives folders in which something is to be done, one after the other, each with a `Claim` that was taken.

    What another command is at is passed over, with a line. After the others it is waited for: it may die. A folder in
    which another command runs, or has run, something with other settings is refused, with a line.

    Args:
        asked: Dict from a `RunFolder` to what its run is called, and its `Settings`.
        is_done: Function of a `RunFolder`: whether all is done there. It is asked before each.
        log: `Log`.
        needed: Set of those of the folders that the following ones need: they are waited for at once.

    Raises:
        ConflictError: If one that is needed is refused.
    """
    told, refused, left = set(), set(), list(asked)

    def refuse(folder, conflict):
        if folder in needed:
            raise conflict
        log.refuse(f"{asked[folder][0]} is left out: {conflict}")
        refused.add(folder)

    def is_over(folder):
        """Whether nothing is to be done in a folder any more, or can be."""
        try:
            return folder in refused or is_done(folder)
        except ConflictError as conflict:
            refuse(folder, conflict)
            return True

    def wait(folders):
        log.progress.wait(f"waiting for {', '.join(asked[folder][0] for folder in folders)}")
        time.sleep(POLL)

    while left:
        before, left = left, []
        for number, folder in enumerate(before):
            title, settings = asked[folder]
            while not is_over(folder):
                folder.path.mkdir(parents=True, exist_ok=True)
                claim = Claim(folder.path, work=settings.to_dict())
                if claim.take():
                    try:
                        if is_over(folder):  # By now.
                            break
                        rest = {each for each in before[number:] if not is_over(each)}
                        log.progress.estimate.expect(len(rest - needed), len(rest & needed), commands=1 + len(left))
                        yield folder, claim
                        if not claim.is_lost:
                            break
                    finally:  # Something else may have been refused, or nobody be there any more to give it back.
                        claim.release()
                elif conflict := at_work(claim, settings):
                    refuse(folder, ConflictError(conflict))
                else:
                    if folder not in told:
                        log.say(f"{title} is being run by {claim.holder}")
                        told.add(folder)
                    if folder not in needed:
                        left.append(folder)
                        break
                    wait([folder])
        if left == before:
            wait(left)


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
