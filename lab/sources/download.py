"""Keras' download of a data set."""

import contextlib
import io
import socket

import keras

from lab.errors import InputError
from lab.reading import require_file

from .cache import datasets_folder

NETWORK_TIMEOUT = 30  # seconds without an answer


class SourceError(InputError):
    """A source has no usable copy of the data; the message says why."""


def keras_arrays(name):
    """Training images and labels, then test images and labels, as Keras downloads them or has them."""
    if (file := datasets_folder() / f"{name}.npz").exists():
        require_file(file)  # Keras would wait for a pipe.
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # Keras prints a progress bar.
            train, test = getattr(keras.datasets, name).load_data()
    finally:
        socket.setdefaulttimeout(timeout)
    return *train, *test


def one_line(error):
    """An error as a short text."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}…"
