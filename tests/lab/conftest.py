"""Processes that live, and that have ended."""

import subprocess

import pytest


@pytest.fixture
def sleeper():
    """A process that lives."""
    process = subprocess.Popen(["sleep", "100"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid
