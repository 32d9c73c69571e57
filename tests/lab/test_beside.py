"""What is done beside: all at once, and no longer than it is waited for."""

import concurrent.futures
import threading

import numpy as np
import pytest

from evaluation.tsne import tsne
from lab.beside import beside

POINTS = np.random.default_rng(0).normal(size=(60, 4))


def endless_map(started):
    started.set()
    return tsne(POINTS, None, 5.0, 100_000_000)  # Hours.


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_whoever_interrupts_a_block_waits_for_no_map_of_it(error):
    started, futures = threading.Event(), []

    def block():
        with beside() as start:
            futures.append(start(endless_map, started))
            started.wait()
            raise error

    with pytest.raises(error):
        block()
    assert isinstance(futures[0].exception(), concurrent.futures.CancelledError)


def test_several_things_are_done_at_once():
    barrier = threading.Barrier(3, timeout=60)  # Broken unless three wait for each other.
    with beside() as start:
        futures = [start(barrier.wait) for _ in range(3)]
    assert {future.result() for future in futures} == {0, 1, 2}


def test_a_block_ends_when_all_that_it_started_is_done_with_its_values_or_errors():
    release = threading.Event()
    with beside() as start:
        value, failed = start(lambda: release.wait() and "value"), start(np.empty, -1)
        threading.Timer(0.1, release.set).start()
    assert value.done()
    assert failed.done()
    assert value.result() == "value"
    with pytest.raises(ValueError, match="negative"):
        failed.result()
