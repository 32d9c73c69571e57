"""Folders of IDX files as EMNIST, KMNIST and QMNIST are handed out."""

import gzip
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest
from support.idx_bytes import as_idx

from lab.errors import InputError
from lab.sources import read
from lab.sources.found import content_of

ROOT = pathlib.Path(__file__).parents[3]
RNG = np.random.default_rng(8)
ARRAYS = {
    "train": (RNG.integers(0, 256, (6, 4, 3), np.uint8), np.array([0, 1, 2, 0, 1, 2], np.uint8)),
    "test": (RNG.integers(0, 256, (3, 4, 3), np.uint8), np.array([2, 1, 0], np.uint8)),
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "letters").mkdir()
    return tmp_path / "letters"


def write(folder, prefix="", test="t10k", packed=True, arrays=ARRAYS, labels="idx1-ubyte"):
    for part, (images, of_part) in arrays.items():
        start = f"{prefix}{test if part == 'test' else part}"
        for name, array in ((f"{start}-images-idx3-ubyte", images), (f"{start}-labels-{labels}", of_part)):
            content = as_idx(array)
            (folder / f"{name}.gz" if packed else folder / name).write_bytes(
                gzip.compress(content) if packed else content
            )


def assert_is_the_data(found, arrays=ARRAYS):
    for part, (images, labels) in arrays.items():
        np.testing.assert_array_equal(found.parts[part][0], images[..., None])
        np.testing.assert_array_equal(found.parts[part][1], labels)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("prefix", "test"), [("", "t10k"), ("", "test"), ("kmnist-", "test"), ("k49_", "t10k")])
def test_files_of_any_prefix_are_found(folder, prefix, test, packed):
    write(folder, prefix, test, packed)
    (folder / "README.txt").write_text("About.", encoding="utf-8")
    (folder / f"._{prefix}train-images-idx3-ubyte").write_bytes(b"left by a file manager")
    found = read(folder)
    assert (found.name, found.class_names) == ("letters", ("0", "1", "2"))
    assert_is_the_data(found)
    assert isinstance(found.parts["train"][0], np.memmap) is not packed


def test_emnist_is_turned_upright_and_named_by_its_codes(folder):
    turned = {part: (images.swapaxes(1, 2), labels) for part, (images, labels) in ARRAYS.items()}
    for packed in (True, False):
        write(folder, "emnist-balanced-", "test", packed, turned)
        (folder / "emnist-balanced-mapping.txt").write_text("0 48\n1 65\n2 97\n3 98\n", encoding="utf-8")
        found = read(folder)
        assert found.class_names == ("0", "A", "a")
        assert_is_the_data(found)


def test_images_of_emnist_without_width_and_height_are_refused(folder):
    write(folder, "emnist-digits-", arrays={"train": (ARRAYS["train"][1], ARRAYS["train"][1])})
    with pytest.raises(InputError, match=r"images must be \(n, height, width\)"):
        read(folder)


def test_letters_of_emnist_have_both_their_cases(folder):
    images, labels = ARRAYS["train"]
    write(folder, "emnist-letters-", arrays={"train": (images, labels + 1)})
    (folder / "emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99\n", encoding="utf-8")
    found = read(folder)
    assert found.class_names == ("Aa", "Bb", "Cc")
    assert found.parts["train"][1].tolist() == [0, 1, 2, 0, 1, 2]


def test_of_qmnist_the_first_column_is_the_class(folder):
    arrays = {
        part: (images, np.array([[label, 0, 7, 2**20, 4, 5, 6, 0] for label in labels], np.int32))
        for part, (images, labels) in ARRAYS.items()
    }
    write(folder, "qmnist-", "test", arrays=arrays, labels="idx2-int")
    assert_is_the_data(read(folder))


def test_of_several_sets_one_has_to_be_chosen_by_its_path(folder):
    other = {part: (images[::-1], labels[::-1]) for part, (images, labels) in ARRAYS.items()}
    write(folder, "emnist-digits-")
    write(folder, "kmnist-", arrays=other)
    with pytest.raises(InputError, match="several data sets") as caught:
        read(folder)
    assert f"{folder / 'emnist-digits'}, {folder / 'kmnist'}" in str(caught.value)
    found = read(folder / "kmnist")
    assert found.name == "kmnist"
    assert_is_the_data(found, other)


def test_a_plain_file_is_taken_before_a_compressed_one(folder):
    write(folder, packed=False)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    assert_is_the_data(read(folder))


def test_a_training_part_alone_will_do(folder):
    write(folder, arrays={"train": ARRAYS["train"]})
    assert list(read(folder).parts) == ["train"]


@pytest.mark.parametrize(
    ("file", "lacking"),
    [
        ("train-labels", "labels of train"),
        ("t10k-images", "images of test"),
        ("train-images", "images of train"),
    ],
)
def test_a_missing_file_is_named(folder, file, lacking):
    write(folder, packed=False)
    next(folder.glob(f"{file}*")).unlink()
    with pytest.raises(InputError, match=f"letters lacks the {lacking}.*Expected: train-images-idx3-ubyte"):
        read(folder)


def test_counts_that_differ_are_told(folder):
    images, labels = ARRAYS["train"]
    write(folder, arrays={"train": (images, labels[:-1])})
    with pytest.raises(InputError, match=r"letters train: needs one label for each of 6 images.*\(5,\)"):
        read(folder)


def test_a_file_that_is_cut_short_is_told(folder):
    write(folder, packed=False)
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="t10k-images-idx3-ubyte is cut short"):
        read(folder)


@pytest.mark.parametrize("text", ["0 48\nnonsense\n", "0 99999999999\n", "0 é\n"])
def test_a_mapping_that_is_none_is_told(folder, text):
    write(folder, "emnist-mnist-")
    (folder / "emnist-mnist-mapping.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"emnist-mnist-mapping\.txt is no mapping"):
        read(folder)


@pytest.mark.parametrize("size", [None, (8, 6)])
def test_what_is_known_of_files_on_the_disk_is_forgotten_when_they_change(folder, size):
    def contents():
        return [content_of(read(folder, size)), read(folder, size).content]

    write(folder, packed=False)
    seen = [contents()]
    for old in folder.iterdir():
        old.rename(folder / f"emnist-{old.name}")
    seen.append(contents())
    (folder / "emnist-mapping.txt").write_text("0 65\n1 66\n2 67\n", encoding="utf-8")
    seen.append(contents())
    images = folder / "emnist-train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1] + b"\x07")
    seen.append(contents())
    assert all(known == computed for computed, known in seen)
    assert len({known for _, known in seen}) == 4


def test_a_size_may_be_asked_for(folder):
    write(folder, packed=False)
    assert read(folder, (8, 6)).parts["test"][0].shape == (3, 8, 6, 1)


MEASURED = """
import pathlib, resource, sys
from lab.sources import read
from lab.sources.found import content_of
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = read(pathlib.Path(sys.argv[1]), (1024, 1024))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, found.parts["train"][0].shape, found.content)
"""


@pytest.mark.slow
def test_files_of_a_gigabyte_take_little_memory(folder):
    count = 1000
    with open(folder / "emnist-large-train-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">4I", 0x0803, count, 1024, 1024) + b"\xff")  # Not all is black.
        file.truncate(16 + count * 1024**2)
    (folder / "emnist-large-train-labels-idx1-ubyte").write_bytes(as_idx(np.arange(count).astype(np.uint8) % 7))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    grown, _, rest = done.stdout.partition(" ")
    assert rest.startswith("(1000, 1024, 1024, 1)")
    assert int(grown) < 200_000  # KiB.
