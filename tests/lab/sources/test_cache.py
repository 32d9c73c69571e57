"""Decoded images are read once, kept whole or not at all, and read again if anything has changed."""

import collections
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from support.idx_bytes import as_idx

from lab.errors import InputError
from lab.files import partial
from lab.sources import cache as module
from lab.sources import listing, read


@pytest.fixture
def folder(make_images):
    return make_images(*(f"{part}/{label}/{n}.png" for part in ("train", "test") for label in "ab" for n in range(2)))


@pytest.fixture(autouse=True)
def decoded(monkeypatch):
    """List of the numbers of images that are decoded at each reading of a part."""
    seen = []
    original = listing.read_images

    def read_images(paths, shape):
        seen.append(len(paths))
        return original(paths, shape)

    monkeypatch.setattr(listing, "read_images", read_images)
    return seen


def same(one, other):
    return one.content == other.content and all(
        np.array_equal(a, b) for part in one.parts for a, b in zip(one.parts[part], other.parts[part], strict=True)
    )


def test_images_are_decoded_once(folder, decoded, reports, cache):
    first = read(folder, report=reports.append)
    (line,) = reports
    assert line == f"birds: reads 8 images as 6x4x1 pixels, 0.2 kB, and keeps them in {cache}"
    reports.clear()
    assert same(read(folder, report=reports.append), first)
    assert (decoded, reports) == ([4, 4], [])
    assert isinstance(first.parts["train"][0], np.memmap)


def touch(folder):
    path = folder / "train" / "a" / "0.png"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def repaint(folder):
    Image.new("L", (4, 6), 77).save(folder / "train" / "a" / "0.png")


def add(folder):
    shutil.copy2(folder / "train" / "a" / "0.png", folder / "train" / "a" / "9.png")


def remove(folder):
    (folder / "test" / "b" / "1.png").unlink()


def rename_class(folder):
    (folder / "train" / "a").rename(folder / "train" / "c")


@pytest.mark.parametrize("change", [touch, repaint, add, remove, rename_class])
def test_a_change_is_seen(folder, decoded, change):
    before = read(folder)
    change(folder)
    after = read(folder)
    assert len(decoded) == 4
    assert (after.content == before.content) is (change is touch)


def test_times_of_whole_seconds_are_those_of_the_cache_too(folder, decoded, monkeypatch):
    """As where no file system keeps others."""
    found = module._size_and_time

    def rounded(file):
        return tuple(fact // module.SECOND * module.SECOND if n else fact for n, fact in enumerate(found(file)))

    monkeypatch.setattr(module, "_size_and_time", rounded)
    assert same(read(folder), read(folder))
    assert len(decoded) == 2


def test_their_own_size_may_be_asked_for_afterwards(folder, cache, decoded):
    assert same(read(folder), read(folder, (6, 4)))
    assert len(decoded) == 2
    assert len(list(cache.iterdir())) == 1


def test_another_size_is_kept_beside(folder, decoded):
    for size in (None, (8, 8), None, (8, 8)):
        read(folder, size)
    assert len(decoded) == 4


@pytest.mark.parametrize(("copy_file", "decoded_again"), [(shutil.copy2, False), (shutil.copyfile, True)])
def test_a_copy_has_the_same_content_under_its_own_name(folder, tmp_path, decoded, copy_file, decoded_again):
    first = read(folder)
    copy = read(shutil.copytree(folder, tmp_path / "copy", copy_function=copy_file))
    assert copy.name == "copy"
    assert same(copy, first)
    assert (len(decoded) > 2) is decoded_again


@pytest.mark.parametrize("size", [None, (8, 8)])
@pytest.mark.parametrize("form", ["folder", "arrays", "IDX"])
def test_files_of_the_same_names_sizes_and_whole_seconds_are_told_apart_by_their_place(tmp_path, form, size):
    """As those of two archives."""

    def unpacked(place, level):
        images, labels = np.full((2, 6, 4), level, np.uint8), np.arange(2, dtype=np.uint8)
        place.mkdir(parents=True)
        if form == "arrays":
            np.savez(place / "data.npz", x_train=images, y_train=labels)
        elif form == "IDX":
            for what, array in (("images-idx3", images), ("labels-idx1", labels)):
                (place / f"train-{what}-ubyte").write_bytes(as_idx(array))
        else:
            for label in "ab":
                (place / label).mkdir()
                Image.fromarray(images[0]).save(place / label / "1.bmp")
        for file in place.rglob("*.*" if form == "folder" else "*"):
            os.utime(file, (10**9, 10**9))
        return read(place / "data.npz" if form == "arrays" else place, size)

    found = [unpacked(tmp_path / str(level), level) for level in (70, 71)]
    assert [found_one.parts["train"][0].max() for found_one in found] == [70, 71]
    assert found[0].content != found[1].content


def kept_file(cache, name):
    (path,) = cache.glob(f"*/{name}")
    return path


def cut(path):
    path.write_bytes(path.read_bytes()[:-9])


def change(path):
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")


def remove_file(path):
    path.unlink()


@pytest.mark.parametrize("damage", [cut, change, remove_file])
@pytest.mark.parametrize("name", ["train-images.npy", "test-labels.npy", "index.json"])
def test_a_damaged_cache_is_read_again(folder, cache, decoded, damage, name):
    first = read(folder)
    content = np.array(first.parts["train"][0])
    damage(kept_file(cache, name))
    again = read(folder)
    np.testing.assert_array_equal(again.parts["train"][0], content)
    assert again.content == first.content
    assert len(decoded) == 4
    assert len(list(cache.iterdir())) == 1


def test_what_an_interrupt_leaves_is_nothing(folder, cache, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(listing, "content_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read(folder)
    assert list(cache.iterdir()) == []


KILLED = """
import os, signal, sys
from lab.sources import listing, read
listing.content_of = lambda found: os.kill(os.getpid(), signal.SIGKILL)
read(sys.argv[1])
"""


@pytest.mark.slow
def test_what_a_killed_process_leaves_is_removed(folder, cache, request):
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=request.config.rootpath)
    assert done.returncode == -signal.SIGKILL
    (left,) = cache.iterdir()
    assert left.name.startswith(".partial-")
    read(folder)
    assert not left.exists()
    assert len(list(cache.iterdir())) == 1


def test_what_another_process_is_writing_stays(folder, cache):
    others = [cache / f"{partial()}abc", cache / ".partial-0123abcd-999999999-abc"]
    for other in others:
        other.mkdir(parents=True)
    read(folder)
    assert all(other.exists() for other in others)


def test_of_two_processes_the_first_to_end_is_taken(folder, cache, monkeypatch):
    original = listing.content_of

    def read_meanwhile(found):
        monkeypatch.setattr(listing, "content_of", original)
        read(folder)
        return original(found)

    monkeypatch.setattr(listing, "content_of", read_meanwhile)
    read(folder)
    assert len(list(cache.iterdir())) == 1


def test_the_data_sets_used_last_are_kept(make_images, decoded, cache, monkeypatch):
    monkeypatch.setattr("lab.files.LAST_USED", 2)
    names = "crows", "larks", "wrens"
    files = [f"{part}/{label}/{n}.png" for part in ("train", "test") for label in "ab" for n in range(2)]
    crows, larks, wrens = (make_images(*files, folder=name) for name in names)
    for seconds, folder in enumerate((crows, larks)):
        read(folder)
        newest = max(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (seconds, seconds))
    for folder in (crows, wrens):  # The first is used again, the last is new.
        read(folder)
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 2
    decoded.clear()
    read(crows)
    assert decoded == []
    read(larks)
    assert decoded


def test_a_disk_without_room_is_told_before_anything_is_read(folder, cache, monkeypatch, decoded):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(0, 0, 191))
    with pytest.raises(InputError, match=r"need 0\.2 kB in .*, which has 0\.2 kB left.*KERAS_HOME.*--image-size"):
        read(folder)
    assert (decoded, list(cache.iterdir())) == ([], [])


def test_a_cache_that_cannot_be_written_is_told(folder, tmp_path):
    (tmp_path / "keras").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot keep the images in .*Set KERAS_HOME"):
        read(folder)


def test_a_disk_that_fills_up_is_told_and_left_clean(folder, cache, monkeypatch):
    def fail(found):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(listing, "content_of", fail)
    with pytest.raises(InputError, match=r"No space left on device.*Set KERAS_HOME"):
        read(folder)
    assert list(cache.iterdir()) == []


def test_another_version_reads_again(folder, decoded, monkeypatch):
    read(folder)
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    read(folder)
    assert len(decoded) == 4


@pytest.mark.parametrize(
    ("count", "text"), [(999, "1.0 kB"), (47_040_000, "47.0 MB"), (12_345_678_901, "12.3 GB"), (2e12, "2,000.0 GB")]
)
def test_bytes_are_told_in_a_unit_that_suits_them(count, text):
    assert module.in_bytes(count) == text


def test_an_index_that_is_no_index_is_read_again(folder, cache, decoded):
    read(folder)
    kept_file(cache, "index.json").write_text(json.dumps({"files": {}}), encoding="utf-8")
    read(folder)
    assert len(decoded) == 4


def test_of_many_processes_at_once_each_has_what_the_first_has_put_in_place(folder):
    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor(6) as threads:
            first, *others = threads.map(read, [folder] * 6)
        assert all(same(other, first) for other in others)
        touch(folder)
