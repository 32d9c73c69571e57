"""Full disks, as a process may be shown them."""

import contextlib
import resource


@contextlib.contextmanager
def room_for(size):
    """The system refuses whatever would make a file longer than so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
