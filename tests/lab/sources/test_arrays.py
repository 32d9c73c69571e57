"""Arrays in `.npz` files: what they may be, and files that lie or would run a program."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from lab.errors import InputError
from lab.sources import read

IMAGES = np.arange(6 * 2 * 3, dtype=np.uint8).reshape(6, 2, 3)
LABELS = np.array([2, 10, 2, 10, 7, 7])


@pytest.fixture
def file(tmp_path):
    return tmp_path / "shapes.npz"


def test_labels_may_be_numbers_with_gaps(file):
    np.savez(file, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:2], y_test=np.array([10, 99]))
    found = read(file)
    assert (found.name, found.class_names) == ("shapes", ("2", "7", "10", "99"))
    (images, labels), (test_images, test_labels) = found.parts["train"], found.parts["test"]
    np.testing.assert_array_equal(images, IMAGES[..., None])
    assert images.dtype == np.uint8
    assert labels.tolist() == [0, 2, 0, 2, 1, 1]
    np.testing.assert_array_equal(test_images, IMAGES[:2, ..., None])
    assert test_labels.tolist() == [2, 3]
    assert (found.queries, found.cameras, found.validation) == (None, None, None)


@pytest.mark.parametrize("kind", ["U", "S"])
def test_labels_may_be_text(file, kind):
    names = np.array(["a", "c", "b", "c", "a", "c"])
    np.savez_compressed(file, x_train=IMAGES, y_train=names if kind == "U" else np.char.encode(names, "utf-8"))
    found = read(file)
    assert found.class_names == ("a", "b", "c")
    assert list(found.parts) == ["train"]
    assert found.parts["train"][1].tolist() == [0, 2, 1, 2, 0, 2]


def test_labels_may_be_a_column_and_pixels_whole_numbers_of_any_type(file):
    np.savez(
        file, x_train=IMAGES.astype(float), y_train=LABELS[:, None], x_val=IMAGES[:1].astype(">i8"), y_val=LABELS[:1]
    )
    found = read(file)
    assert list(found.parts) == ["train", "validation"]
    for images, _ in found.parts.values():
        assert images.dtype == np.uint8
    np.testing.assert_array_equal(found.parts["train"][0][..., 0], IMAGES)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_may_have_channels(file, channels):
    images = np.stack(channels * [IMAGES], axis=-1)
    np.savez(file, x_train=images, y_train=LABELS)
    np.testing.assert_array_equal(read(file).parts["train"][0], images)


def test_images_of_another_size_are_scaled_when_asked(file):
    np.savez(file, x_train=np.full((2, 2, 2), 70, np.uint8), y_train=[0, 1])
    images, _ = read(file, size=(6, 4)).parts["train"]
    np.testing.assert_array_equal(images[0, ..., 0], [[0] * 4] + [[70] * 4] * 4 + [[0] * 4])


def test_large_images_are_made_smaller_with_a_word(file, reports):
    np.savez(file, x_train=np.full((2, 100, 100), 70, np.uint8), y_train=[0, 1])
    assert read(file, report=reports.append).parts["train"][0].shape == (2, 64, 64, 1)
    (line,) = reports
    assert line.startswith("shapes: the images, of 100x100 pixels, are scaled to fit inside 64x64")
    assert "--image-size" in line


FAULTS = {
    "no x_train, y_train.*Received: images, labels": {"images": IMAGES, "labels": LABELS},
    "several validation parts: x_val, x_validation. Leave one": {
        **{"x_train": IMAGES, "y_train": LABELS, "x_val": IMAGES, "y_val": LABELS},
        **{"x_validation": IMAGES[:2], "y_validation": LABELS[:2]},
    },
    "no y_test": {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES},
    r"images must be .*\(6,\)": {"x_train": LABELS, "y_train": LABELS},
    r"channels.*\(6, 3, 2, 2\)": {"x_train": np.zeros((6, 3, 2, 2), np.uint8), "y_train": LABELS},
    r"images must be .*\(0, 2, 3, 1\)": {"x_train": IMAGES[:0], "y_train": LABELS[:0]},
    "whole numbers in .* multiplying by 255": {"x_train": IMAGES / 255, "y_train": LABELS},
    "whole numbers in .* from -1": {"x_train": IMAGES.astype(int) - 1, "y_train": LABELS},
    "one label for each of 6 images": {"x_train": IMAGES, "y_train": LABELS[:5]},
    "argmax": {"x_train": IMAGES, "y_train": np.eye(6)},
    "no pixel is above 1": {"x_train": IMAGES % 2, "y_train": LABELS},
    "no pixel is above 1, .*by 255": {
        "x_train": IMAGES % 2 * 1.0,
        "y_train": LABELS,
        "x_test": IMAGES % 2,
        "y_test": LABELS,
    },
    r"labels must be whole numbers, as by \.astype\(int\), or text. Received: float64": {
        "x_train": IMAGES,
        "y_train": LABELS / 2,
    },
    "two classes or more. Received: 4": {"x_train": IMAGES, "y_train": np.full(6, 4)},
    "differ in the shape": {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:, :1], "y_test": LABELS},
}


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_the_validation_part_has_any_of_its_names(file, name):
    np.savez(file, x_train=IMAGES, y_train=LABELS, **{f"x_{name}": IMAGES[:2], f"y_{name}": LABELS[:2]})
    images, labels = read(file).parts["validation"]
    np.testing.assert_array_equal(images, IMAGES[:2, ..., None])
    assert labels.tolist() == [0, 2]


def test_a_member_that_is_no_array_is_none(file):
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("x_train", "y_train"):
            archive.writestr(name, b"")
    with pytest.raises(InputError, match=r"has no x_train, y_train.*Received: none$"):
        read(file)


@pytest.mark.parametrize("fault", FAULTS)
def test_arrays_that_are_no_data_set_are_refused(file, fault):
    np.savez(file, **FAULTS[fault])
    with pytest.raises(InputError, match=f"shapes.*{fault}"):
        read(file)


class Program:
    """Unpickling it runs a program."""

    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


def test_nothing_is_unpickled(file):
    np.savez(file, x_train=IMAGES, y_train=np.array(["a", 1, None, Program(), 2, 3], object))
    with pytest.raises(InputError, match=r"y_train has Python objects.*labels\.astype\(str\)"):
        read(file)
    file.write_bytes(pickle.dumps(Program()))
    with pytest.raises(InputError, match=r"cannot be used: File is not a zip file"):
        read(file)


def npy_that_says(shape, content):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + content


@pytest.mark.parametrize("content", [b"", bytes(35), bytes(37)])
@pytest.mark.parametrize("shape", [(6, 2, 3), (2**40, 2**20, 1)])
def test_an_array_of_another_length_than_it_says_is_refused(file, shape, content):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x_train.npy", npy_that_says(shape, content))
        archive.writestr("y_train.npy", npy_that_says((6,), bytes(6)))
    with pytest.raises(InputError, match=r"x_train says \(.*bytes, but has"):
        read(file)


def cut(content):
    return content[:-30]


def changed(content):
    return content.replace(IMAGES.tobytes(), bytes(36))


def emptied(content):
    return b""


def no_array(content):
    return content.replace(b"\x93NUMPY", b"\x93NOMPY")


@pytest.mark.parametrize("damage", [cut, changed, emptied, no_array])
def test_a_damaged_file_is_refused(file, damage):
    np.savez(file, x_train=IMAGES, y_train=LABELS)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match=r"shapes\.npz cannot be used"):
        read(file)
