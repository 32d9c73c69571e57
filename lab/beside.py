"""Several things at once, in threads: who interrupts the one that waits for them stops them all."""

import concurrent.futures
import contextlib
import sys
import threading

from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def beside():
    """A context that gives a function, `start(do, *arguments)`: that is done in a thread, and its future returned.

    If the block fails, or Ctrl-C ends it, so do the threads: a map takes ten seconds, for which nobody would wait.
    Matrix products have one thread each meanwhile: those of small ones wait for each other, and spin. It is set here,
    as scikit-learn sets it too, and two at once do not restore what it was: beside PyTorch's threads, those of products
    might then wait for each other for ever.
    """
    ended = threading.Event()

    def end(frame, event, _):
        # It holds no lock there and writes no file: nothing is left half done.
        if event == "call" and ended.is_set() and frame.f_globals.get("__name__") == TSNE.__module__:
            raise concurrent.futures.CancelledError

    def watched(do, *arguments):
        sys.setprofile(end)  # Of this thread: it sees each step of t-SNE, which can be told of no other way.
        try:
            return do(*arguments)
        finally:
            sys.setprofile(None)

    with threadpool_limits(1, "blas"), concurrent.futures.ThreadPoolExecutor() as pool:
        try:
            yield lambda do, *arguments: pool.submit(watched, do, *arguments)
        except BaseException:
            ended.set()
            raise
