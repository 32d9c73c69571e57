"""CIFAR-10 and CIFAR-100 in the format of their archives, a few images long."""

import hashlib
import io
import itertools
import pickle
import struct
from typing import ClassVar

import keras
import numpy as np
import pytest

from lab.errors import InputError
from lab.sources import SOURCES, cifar, read

RNG = np.random.default_rng(4)


def batch(count, name):
    """A batch as its authors describe it: 1,024 red values of an image row by row, then green, then blue."""
    images = RNG.integers(0, 256, (count, 32, 32, 3), np.uint8)
    rows = [[image[y, x, c] for c in range(3) for y in range(32) for x in range(32)] for image in images]
    classes = 10 if name == "cifar10" else 100
    labels = RNG.integers(0, classes, count).tolist()
    content = {b"batch_label": b"a batch", b"data": np.array(rows, np.uint8), b"filenames": [b"a.png"] * count}
    content |= {b"labels": labels} if name == "cifar10" else {b"fine_labels": labels, b"coarse_labels": [0] * count}
    return images, labels, pickled_by_python_2(content)


class Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its texts."""

    dispatch: ClassVar = pickle._Pickler.dispatch | {
        bytes: lambda self, text: self.write(pickle.BINSTRING + struct.pack("<i", len(text)) + text)
    }


def pickled_by_python_2(content):
    file = io.BytesIO()
    Pickler(file, protocol=2).dump(content)
    return file.getvalue().replace(b"numpy._core", b"numpy.core")  # Where it was in NumPy of that time.


@pytest.fixture
def unpack(monkeypatch, tmp_path):
    """Function that writes batches into a folder of Keras' cache; they count as the originals. Returns the arrays."""

    def write(name, folder):
        path = tmp_path / "keras" / "datasets" / folder
        path.mkdir(parents=True)
        arrays = {}
        for file in cifar.MD5[name]:
            *arrays[file], content = batch(3, name)
            (path / file).write_bytes(content)
            monkeypatch.setitem(cifar.MD5[name], file, hashlib.md5(content).hexdigest())
        *train, (test_images, test_labels) = arrays.values()
        train_images, train_labels = zip(*train, strict=True)
        return np.concatenate(train_images), list(itertools.chain(*train_labels)), test_images, test_labels

    return write


@pytest.fixture(autouse=True)
def no_download(monkeypatch):
    def load_data():
        raise OSError("no network")

    for name in cifar.MD5:
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", load_data)


FOLDERS = [
    ("cifar10", "cifar-10-batches-py-target/cifar-10-batches-py"),
    ("cifar10", "cifar-10-batches-py"),
    ("cifar100", "cifar-100-python-target/cifar-100-python"),
    ("cifar100", "cifar-100-python"),
]


@pytest.mark.parametrize(("name", "folder"), FOLDERS)
def test_what_keras_unpacked_is_read_without_a_network(unpack, reports, name, folder):
    train_images, train_labels, test_images, test_labels = unpack(name, folder)
    found = read(name, report=reports.append)
    np.testing.assert_array_equal(found.parts["train"][0], train_images)
    np.testing.assert_array_equal(found.parts["test"][0], test_images)
    assert found.parts["train"][1].tolist() == train_labels
    assert found.parts["test"][1].tolist() == test_labels
    assert (found.name, found.validation, found.content, reports) == (name, 5000, None, [])


def test_the_classes_have_their_names():
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    assert " ".join(SOURCES["cifar10"].class_names) == names
    names = SOURCES["cifar100"].class_names
    assert len(set(names)) == 100
    assert list(names) == sorted(names)  # As `fine_label_names` of the archive are.
    assert (names[0], names[11], names[35], names[46], names[53], names[98], names[99]) == (
        *("apple", "boy", "girl", "man", "orange", "woman", "worm"),
    )


@pytest.mark.parametrize("name", cifar.MD5)
def test_without_the_files_keras_is_asked(monkeypatch, reports, name):
    images = RNG.integers(0, 256, (3, 32, 32, 3), np.uint8)
    labels = np.array([[3], [1], [9]], np.uint8)
    monkeypatch.setattr(
        getattr(keras.datasets, name), "load_data", lambda: ((images, labels), (images[:2], labels[:2]))
    )
    found = read(name, report=reports.append)
    np.testing.assert_array_equal(found.parts["train"][0], images)
    assert found.parts["test"][1].tolist() == [3, 1]
    (line,) = reports
    assert "is not there; fetched from Keras' download" in line


@pytest.mark.parametrize("name", cifar.MD5)
def test_without_files_and_network_it_is_told_what_to_do(name):
    with pytest.raises(InputError, match=f"No source has an intact copy of {name}") as caught:
        read(name)
    message = str(caught.value)
    assert "no network" in message
    assert "unpack its archive" in message
    assert cifar.FOLDERS[name] in message


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:-1]), lambda path: path.unlink()])
def test_a_damaged_or_missing_file_is_told(unpack, tmp_path, damage):
    unpack("cifar10", "cifar-10-batches-py")
    damage(tmp_path / "keras" / "datasets" / "cifar-10-batches-py" / "data_batch_4")
    with pytest.raises(InputError, match="data_batch_4"):
        read("cifar10")


def test_nothing_but_arrays_is_unpickled(unpack, tmp_path, monkeypatch):
    unpack("cifar100", "cifar-100-python")
    content = pickle.dumps({b"data": pytest.fail})
    (tmp_path / "keras" / "datasets" / "cifar-100-python" / "train").write_bytes(content)
    monkeypatch.setitem(cifar.MD5["cifar100"], "train", hashlib.md5(content).hexdigest())
    with pytest.raises(InputError, match="needs _pytest"):
        read("cifar100")
