"""A cache of its own for every test, and small images to fill files and folders with."""

import pathlib

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """The folder of decoded images; not there yet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "datasets" / "own-images"


@pytest.fixture
def reports():
    return []


@pytest.fixture
def make_images(tmp_path):
    """Function that writes images, each of another grey, under a folder of the given name; returns the folder.

    The names are paths in it; one that ends in `/` becomes an empty folder.
    """

    def make(*names, folder="birds", size=(6, 4)):
        for number, name in enumerate(names):
            path = pathlib.Path(tmp_path, folder, name)
            if name.endswith("/"):
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.full(size, number, np.uint8)
                pixels[0] = 255
                Image.fromarray(pixels).save(path)
        return tmp_path / folder

    return make
