"""One data set in all its forms, and paths that are none."""

import csv
import gzip

import numpy as np
import pytest
from PIL import Image
from support.idx_bytes import as_idx

from lab.errors import InputError
from lab.sources import SOURCES, name_of, read

RNG = np.random.default_rng(2)
LABELS = {"train": np.repeat(np.arange(11, dtype=np.uint8), 2), "test": np.arange(11, dtype=np.uint8)}
IMAGES = {part: RNG.integers(0, 256, (len(labels), 5, 4), np.uint8) for part, labels in LABELS.items()}


def write_images(folder):
    """Writes `part/label/number.png` for every image; returns the rows of a table of them."""
    rows = []
    for part, labels in LABELS.items():
        for number, label in enumerate(labels):
            path = folder / part / str(label) / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(IMAGES[part][number]).save(path)
            rows.append((path.relative_to(folder).as_posix(), label, part))
    return rows


def write_table(folder):
    rows = write_images(folder)
    with open(folder / "table.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    return folder / "table.csv"


def write_npz(folder):
    arrays = {f"x_{part}": images for part, images in IMAGES.items()}
    arrays |= {f"y_{part}": labels for part, labels in LABELS.items()}
    np.savez(folder / "arrays.npz", **arrays)
    return folder / "arrays.npz"


def write_text_labels(folder):
    arrays = {f"x_{part}": images.astype(float)[..., None] for part, images in IMAGES.items()}
    arrays |= {f"y_{part}": labels.astype(str) for part, labels in LABELS.items()}
    np.savez_compressed(folder / "more.npz", **arrays)
    return folder / "more.npz"


def write_idx(folder, packed=False):
    for part, name in (("train", "train"), ("test", "t10k")):
        for kind, array in (("images-idx3", IMAGES[part]), ("labels-idx1", LABELS[part])):
            path = folder / f"{name}-{kind}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(as_idx(array)) if packed else as_idx(array))
    return folder


def write_packed_idx(folder):
    return write_idx(folder, packed=True)


def write_folder(folder):
    write_images(folder)
    return folder


FORMS = write_folder, write_table, write_npz, write_text_labels, write_idx, write_packed_idx


@pytest.mark.parametrize("size", [None, (5, 4), (7, 9)])
def test_the_same_images_are_the_same_data_set_in_every_form(tmp_path, size):
    found = []
    for form in FORMS:
        (tmp_path / form.__name__).mkdir()
        found.append(read(str(form(tmp_path / form.__name__)), size))
    assert len({each.content for each in found}) == 1
    for each in found:
        assert each.class_names == tuple(map(str, range(11)))
        for part, (images, labels) in each.parts.items():
            order = np.argsort(labels, kind="stable")
            np.testing.assert_array_equal(labels[order], LABELS[part])
            if size != (7, 9):
                np.testing.assert_array_equal(images[order, ..., 0], IMAGES[part])


def test_queries_and_cameras_reach_the_test_part(tmp_path):
    lines = ["path,label,split,camera", "1.png,a,train,", "2.png,b,train,", "3.png,a,gallery,7", "4.png,a,query,12"]
    (tmp_path / "people.csv").write_text("\n".join(lines), encoding="utf-8")
    for number in range(1, 5):
        Image.fromarray(np.full((3, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    for _ in range(2):  # The second time from the cache.
        found = read(tmp_path / "people.csv")
        assert found.parts["test"][0][:, 0, 0, 0].tolist() == [3, 4]
        assert (found.queries.tolist(), found.cameras.tolist()) == ([False, True], [0, 1])
        assert found.queries.dtype == bool


def test_missing_files_of_a_table_are_told(tmp_path):
    (tmp_path / "people.csv").write_text("path,label\n1.png,a\n2.png,b\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"people: 2 of 2 images cannot be read.*: 1\.png \(No such file or directory\)"
    ):
        read(tmp_path / "people.csv")


def test_digits_are_what_they_were():
    found = read("digits")
    assert {part: images.shape for part, (images, _) in found.parts.items()} == {
        "train": (1397, 28, 28, 1),
        "test": (400, 28, 28, 1),
    }
    original = SOURCES["digits"].read("digits")
    for (images, labels), expected, expected_labels in zip(
        found.parts.values(), original[::2], original[1::2], strict=True
    ):
        np.testing.assert_array_equal(images[..., 0], expected)
        np.testing.assert_array_equal(labels, expected_labels)
    assert (found.class_names, found.validation, found.content) == (SOURCES["digits"].class_names, 200, None)


def test_a_named_set_may_have_another_size():
    assert read("digits", (14, 20)).parts["test"][0].shape == (400, 14, 20, 1)


@pytest.mark.slow
def test_images_of_mnist_come_back_from_files_to_the_last_bit(tmp_path, monkeypatch):
    with monkeypatch.context() as usual:
        usual.delenv("KERAS_HOME")
        images, labels = read("mnist").parts["train"]
    images, labels = images[:500], labels[:500]
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = tmp_path / "mnist" / str(label) / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    read_back, read_labels = read(tmp_path / "mnist").parts["train"]
    np.testing.assert_array_equal(read_back, images)
    np.testing.assert_array_equal(read_labels, labels)


def test_a_path_that_is_not_there_is_told_with_what_is_expected(tmp_path):
    with pytest.raises(InputError, match=r"--dataset .*/none is not there\. Expected: a folder .*cifar100"):
        read(tmp_path / "none")


def test_a_name_that_is_nearly_one_is_recognized():
    with pytest.raises(InputError, match=r"--dataset fashion-mnist is not there\. Did you mean fashion_mnist\?"):
        read("fashion-mnist")


@pytest.mark.parametrize("name", ["notes.txt", "images.zip", "one.png", "no_ending"])
def test_a_file_of_another_kind_is_refused(tmp_path, name):
    (tmp_path / name).write_text("text", encoding="utf-8")
    with pytest.raises(InputError, match=rf"{name} is of no kind that can be read\. Expected: a folder"):
        read(tmp_path / name)


def test_a_path_of_the_name_of_a_data_set_is_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    with pytest.raises(InputError, match="mnist has no images"):
        read("./mnist")


def test_a_path_has_a_name_for_a_file_on_any_system(tmp_path, monkeypatch):
    for given, name in [
        ("birds", "birds"),
        ("v1.2", "v1.2"),
        ("two\nlines", "two_nlines"),
        ('a<b>:"|?*', "a_b______"),
        ("Vögel 🐦", "Vögel 🐦"),
        ("x" * 200, "x" * 60),
        ("...", "images"),
    ]:
        (tmp_path / given).mkdir()
        assert name_of(tmp_path / given) == name
    monkeypatch.chdir(tmp_path / "birds")
    assert name_of(tmp_path / "birds" / ".." / "birds") == "birds"
