"""What several commands in one place for results do in turn."""

import time

from lab.claims import POLL, Claim


def turns(titles, is_done, log, needed=frozenset()):
    """Gives folders in which something is to be done, one after the other, each with a `Claim` that was taken.

    What another command is at is passed over, with a line. After the others it is waited for: it may die.

    Args:
        titles: Dict from a `RunFolder` to what it is called.
        is_done: Function of a `RunFolder`: whether all is done there. It is asked before each.
        log: `Log`.
        needed: Set of those of the folders that the following ones need: they are waited for at once.
    """
    told, left = set(), list(titles)
    while left:
        before, left = left, []
        for number, folder in enumerate(before):
            while not is_done(folder):
                folder.path.mkdir(parents=True, exist_ok=True)
                claim = Claim(folder.path)
                if not claim.take():
                    if folder not in told:
                        log.say(f"{titles[folder]} is being run by {claim.holder}")
                        told.add(folder)
                    if folder not in needed:
                        left.append(folder)
                        break
                    _wait([folder], titles, log)
                elif is_done(folder):  # By now.
                    claim.release()
                else:
                    rest = {each for each in before[number:] if not is_done(each)}
                    log.progress.estimate.expect(len(rest - needed), len(rest & needed), commands=1 + len(left))
                    yield folder, claim
                    if not claim.is_lost:
                        break
        if left == before:
            _wait(left, titles, log)


def _wait(folders, titles, log):
    log.progress.wait(f"waiting for {', '.join(titles[folder] for folder in folders)}")
    time.sleep(POLL)


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
