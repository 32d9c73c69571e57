"""What the system refuses while a command runs, said in a line."""

import errno

from lab.backends import is_out_of_memory

ROOM = "Make room there, or choose another place with --runs"
RIGHTS = "Make it writable, or choose another place with --runs"
CHANGED = "It was moved, deleted or replaced: see that it is in its place, or choose another with --runs"
REMEDIES = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: ROOM,
    errno.EROFS: RIGHTS,
    errno.EACCES: RIGHTS,
    errno.EPERM: RIGHTS,
    errno.ENOENT: CHANGED,
    errno.ENOTDIR: CHANGED,
    errno.EISDIR: CHANGED,
    errno.EEXIST: CHANGED,
    errno.ELOOP: CHANGED,
    errno.ESTALE: CHANGED,
    errno.EMFILE: "Allow more open files, as with ulimit -n",
    errno.ENFILE: "Close other programs",
    errno.ENAMETOOLONG: "Choose a shorter place with --runs",
    errno.EIO: "Look after the disk, or choose another with --runs",
}
KEPT = "Runs that ended are kept: the same command, without --overwrite, goes on from there."


class Fault(Exception):
    """What the system has refused to another process, in words."""


def as_fault(error, place):
    """An error of the system, or of memory, in words: where, why, the way out; None if it is none.

    `place` is where something was written, if the error does not say.
    """
    if isinstance(error, Fault):
        return str(error)
    if any(_is_of_memory(each) for each in _with_contexts(error)):
        return (
            "there is not enough memory. Close other programs, or ask for less: fewer images a batch with "
            f"--classes-per-batch, a smaller --model, --embedding-dim or --image-size. {KEPT}"
        )
    if not isinstance(error, OSError) or error.errno is None:
        return None
    remedy = REMEDIES.get(error.errno)
    where = error.filename or place
    return f"{f'{where}: ' if where else ''}{error.strerror}. {f'{remedy}. ' if remedy else ''}{KEPT}"


def _is_of_memory(error):
    return isinstance(error, MemoryError) or is_out_of_memory(error) or getattr(error, "errno", None) == errno.ENOMEM


def _with_contexts(error):
    """An error, and those that were being handled when it was raised: a library that cleans up may fail at that too."""
    while error:
        yield error
        error = error.__context__
