"""Runs of a small network, one of each protocol, and a command's log that remembers what it said."""

import io

import pytest
from rich.console import Console
from support.trained_run import UNSEEN, write_trained

from lab.recognition.trained import load_trained


class Told:
    """Stands for `Log`: keeps what is said."""

    def __init__(self):
        self.lines, self.out, self.terminal = [], io.StringIO(), self
        self.console = Console(file=self.out, width=100)

    def say(self, text):
        self.lines.append(text)

    def track(self, items, total, what):
        assert len(items) == total
        return items

    @property
    def text(self):
        return "\n".join([self.out.getvalue(), *self.lines])


@pytest.fixture
def log():
    return Told()


@pytest.fixture(scope="package")
def closed(tmp_path_factory):
    """Folder and `Dataset` of a run of the closed protocol, that embeds both sides of an image."""
    return write_trained(tmp_path_factory.mktemp("runs") / "digits", augment=("flip",), both_sides=True)


@pytest.fixture(scope="package")
def opened(tmp_path_factory):
    """The same where four classes were held out."""
    return write_trained(tmp_path_factory.mktemp("runs") / "digits-open", held_out=UNSEEN)


@pytest.fixture(scope="package")
def run(closed):
    """The closed one, ready for use."""
    return load_trained(closed[0])
