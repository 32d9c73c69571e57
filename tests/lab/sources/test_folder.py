"""Folders of images, the odd ones too: each is read as a person would expect, or refused with a line that helps."""

import itertools
import os
import pathlib
import socket

import numpy as np
import pytest
from PIL import Image

from lab.errors import InputError
from lab.sources import read


def counts(found):
    """Dict from each part to a dict from each class to the number of its images."""
    return {
        part: {name: int((labels == number).sum()) for number, name in enumerate(found.class_names)}
        for part, (_, labels) in found.parts.items()
    }


def test_folders_are_classes(make_images):
    folder = make_images("owl/1.png", "owl/2.png", "finch/1.jpg", "finch/2.BMP")
    found = read(folder)
    assert (found.name, found.class_names) == ("birds", ("finch", "owl"))
    assert counts(found) == {"train": {"finch": 2, "owl": 2}}
    images, labels = found.parts["train"]
    assert (images.shape, images.dtype, labels.tolist()) == ((4, 6, 4, 1), np.uint8, [0, 1, 0, 1])
    assert [image[1, 0, 0] for image in images[labels == 1]] == [0, 1]  # The greys of owl/1.png and owl/2.png.
    assert len(found.content) == 16


@pytest.mark.parametrize("validation", ["validation", "val", "valid", "Val"])
def test_parts_are_told_apart(make_images, validation):
    parts = itertools.product(("train", "test", validation), ("a", "b"))
    found = read(make_images(*(f"{part}/{label}/{n}.png" for part, label in parts for n in (1, 2))))
    assert counts(found) == {part: {"a": 2, "b": 2} for part in ("train", "validation", "test")}


@pytest.mark.parametrize("names", [("Training", "Testing"), ("train", "testing")])
def test_parts_have_longer_names_too(make_images, names):
    found = read(make_images(*(f"{part}/{label}/1.png" for part, label in itertools.product(names, "ab"))))
    assert counts(found) == {"train": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}}


def test_images_are_in_the_order_of_the_numbers_in_their_names(make_images):
    _, labels = read(make_images("a/im 10.png", "b/im 9.png", "a/im 9.png", "c/im 1.png")).parts["train"]
    assert labels.tolist() == [2, 0, 1, 0]


def test_classes_are_in_the_order_of_their_numbers(make_images):
    assert read(make_images("10/1.png", "9/1.png", "1/1.png")).class_names == ("1", "9", "10")


def test_a_class_is_named_by_its_path(make_images):
    found = read(make_images("cars/audi/a.png", "cars/bmw/x5/a.png", "bikes/a.png", "bikes/old/b.png"))
    assert found.class_names == ("bikes", "bikes/old", "cars/audi", "cars/bmw/x5")


NAMES = (
    "two words",
    "Käuzchen",
    "猫",
    "🐈",
    "Cat",
    "cat",
    "a,b;c",
    "'quoted'",
    '<a|b>*?:"',
    "back\\slash",
    "e\u0301",
    "é",
)


def test_classes_may_have_any_name(make_images):
    assert read(make_images(*(f"{name}/1.png" for name in NAMES))).class_names == tuple(sorted(NAMES))


def test_a_name_of_several_lines_is_shown_on_one(make_images):
    assert read(make_images("two\nlines/1.png", "b/1.png")).class_names == ("b", r"two\nlines")


def test_a_name_that_is_no_text_is_shown_by_its_bytes(make_images):
    folder = make_images("a/1.png", "b/1.png")
    os.rename(folder / "b", os.fsencode(folder) + b"/caf\xe9")  # noqa: PTH104 (a `Path` has no bytes)
    assert read(folder).class_names == ("a", r"caf\udce9")


ODD = {  # What lies there beside two images of each of two classes, and what is said of it.
    "a text": ("a/notes.txt", b"text", "passed over, as they are no images: a/notes.txt"),
    "a file of a file manager": ("a/Thumbs.db", b"\\0", None),
    "a hidden file": ("a/.DS_Store", b"\\0", None),
    "a hidden image": ("a/._1.png", b"\\0", None),
    "a hidden folder": (".thumbnails/1.png", b"\\0", None),
    "a folder of a packer": ("__MACOSX/a/1.png", b"\\0", None),
    "an image beside the classes": ("logo.png", b"", "left out, as they lie in no class folder: logo.png"),
    "an empty folder": ("c/", None, "no classes, as they have no images: c"),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_image_of_a_class_is_passed_over(make_images, reports, odd):
    folder = make_images("a/1.png", "a/2.png", "b/1.png", "b/2.png")
    expected = read(folder).content
    name, content, said = ODD[odd]
    path = folder / name
    (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    assert read(folder, report=reports.append).content == expected
    assert (
        any(f"birds: {said}" in line for line in reports) if said else not any("birds: 1 " in line for line in reports)
    )


def test_a_folder_around_everything_is_passed(make_images):
    assert counts(read(make_images("birds/train/a/1.png", "birds/train/b/1.png", "birds/test/a/1.png"))) == {
        "train": {"a": 1, "b": 1},
        "test": {"a": 1, "b": 0},
    }


def test_a_training_part_alone_will_do(make_images):
    assert counts(read(make_images("train/a/1.png", "train/b/1.png"))) == {"train": {"a": 1, "b": 1}}


def test_a_class_may_be_called_train(make_images):
    found = read(make_images("train/1.png", "bus/1.png", "tram/old/1.png"))
    assert counts(found) == {"train": {"bus": 1, "train": 1, "tram/old": 1}}
    found = read(make_images("train/steam/1.png", "bus/1.png", folder="vehicles"))
    assert found.class_names == ("bus", "train/steam")


def test_a_folder_beside_the_parts_is_left_out_with_a_word(make_images, reports):
    folder = make_images("train/a/1.png", "train/b/1.png", "test/a/1.png", "raw/x.png")
    assert list(read(folder, report=reports.append).parts) == ["train", "test"]
    assert "birds: left out, as they lie in no class folder: raw/x.png" in reports


def test_classes_of_the_test_part_alone_have_labels_too(make_images):
    found = read(make_images("train/a/1.png", "train/c/1.png", "test/b/1.png"))
    assert counts(found) == {"train": {"a": 1, "b": 0, "c": 1}, "test": {"a": 0, "b": 1, "c": 0}}


REFUSED = {
    "empty": ((), "has no images: no files that end in .bmp, .gif"),
    "without images": (
        ("a/notes.txt", "b/notes.txt"),
        "has no images.*Received: a/notes.txt, b/notes.txt",
    ),
    "of images alone": (("1.png", "2.png"), "lie in no class folder: 1.png, 2.png. Expected"),
    "of one class": (("a/1.png", "a/2.png"), "two classes or more. Received: a"),
    "of one image": (("a/1.png",), "two classes or more. Received: a"),
    "of a test part in capitals": (("Test/a/1.png", "Test/b/1.png"), "has Test but no train"),
    "of a test part": (("test/a/1.png", "test/b/1.png"), "has test but no train"),
    "of a test and a validation part": (("test/a/1.png", "val/b/1.png"), "has test, val but no train"),
    "of parts without classes": (("train/1.png", "test/2.png"), "lie in no class folder: test/2.png, train/1.png"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_folder_that_is_no_data_set_is_refused(make_images, tmp_path, kind):
    names, reason = REFUSED[kind]
    (tmp_path / "birds").mkdir()
    for name in names:
        if name.endswith(".txt"):
            (tmp_path / "birds" / name).parent.mkdir()
            (tmp_path / "birds" / name).write_text("text", encoding="utf-8")
        else:
            make_images(name)
    with pytest.raises(InputError, match=f"birds.*{reason}"):
        read(tmp_path / "birds")


def test_a_link_is_followed_but_not_into_a_folder_that_it_lies_in(make_images, tmp_path):
    folder = make_images("a/1.png", "b/1.png")
    make_images("elsewhere/1.png", folder="others")
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "c").symlink_to(tmp_path / "others" / "elsewhere")
    (folder / "self").symlink_to("self")
    assert counts(read(folder)) == {"train": {"a": 1, "b": 1, "c": 1}}


def test_a_pipe_or_a_socket_is_never_opened(make_images, reports):
    folder = make_images("a/1.png", "b/1.png")
    os.mkfifo(folder / "a" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(folder)  # The path of a socket must be short.
        listening.bind("b/socket.png")
        assert counts(read(folder, report=reports.append)) == {"train": {"a": 1, "b": 1}}
    assert "birds: passed over, as they are no images: a/pipe.png, b/socket.png" in reports


def broken(make_images, good, damage):
    """A folder with so many good images and one that is damaged."""
    folder = make_images(*(f"{label}/{number}.png" for label in "ab" for number in range(good // 2)), "b/bad.jpg")
    damage(folder / "b" / "bad.jpg")
    return folder


def cut(path):
    path.write_bytes(path.read_bytes()[:-60])


def empty(path):
    path.write_bytes(b"")


def write_text(path):
    path.write_text("<html>404</html>", encoding="utf-8")


def link_to_nothing(path):
    path.unlink()
    path.symlink_to("nothing.jpg")


DAMAGES = {cut: "runcated", empty: "no image", write_text: "no image", link_to_nothing: "No such file"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_few_broken_images_are_left_out_by_name_every_time(make_images, reports, damage):
    folder = broken(make_images, 20, damage)
    for _ in range(2):
        reports.clear()
        found = read(folder, report=reports.append)
        assert counts(found) == {"train": {"a": 10, "b": 10}}
        said = next(line for line in reports if "cannot be read (" in line)
        assert said.startswith("birds: left out, as they cannot be read (1 of 21): b/bad.jpg (")
        assert DAMAGES[damage] in said


@pytest.mark.parametrize("damage", DAMAGES)
def test_many_broken_images_are_refused(make_images, cache, damage):
    folder = broken(make_images, 18, damage)
    with pytest.raises(InputError, match=r"birds: 1 of 19 images cannot be read, more than 5%: b/bad\.jpg"):
        read(folder)
    assert list(cache.iterdir()) == []


def test_an_image_that_may_not_be_read_is_left_out(make_images, reports, monkeypatch):
    folder = make_images(*(f"{label}/{number}.png" for label in "ab" for number in range(10)))
    opened = Image.open

    def refuse_one(path, *args, **options):
        if str(path).endswith("b/3.png"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **options)

    monkeypatch.setattr(Image, "open", refuse_one)
    assert counts(read(folder, report=reports.append)) == {"train": {"a": 10, "b": 9}}
    assert "b/3.png (Permission denied)" in reports[-1]


def test_a_data_set_that_may_not_be_read_is_told(make_images, monkeypatch):
    folder = make_images("a/1.png", "b/1.png")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "iterdir", refuse)
    with pytest.raises(InputError, match=rf"^cannot read the folder {folder} \(Permission denied\)$"):
        read(folder)


def test_a_folder_that_may_not_be_read_is_told(make_images, monkeypatch):
    folder = make_images("a/1.png", "b/1.png")
    scanned = os.scandir

    def refuse_one(path):
        if pathlib.Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return scanned(path)

    monkeypatch.setattr(os, "scandir", refuse_one)
    with pytest.raises(InputError, match=r"cannot read the folder .*birds/b \(Permission denied\)"):
        read(folder)


def test_images_of_one_small_size_keep_it(make_images, reports):
    assert read(make_images("a/1.png", "b/1.png", size=(96, 17)), report=reports.append).parts["train"][0].shape == (
        *(2, 96, 17, 1),
    )
    assert not any("scaled" in line for line in reports)


def test_images_of_several_sizes_are_scaled_with_a_word(make_images, reports):
    folder = make_images("a/1.png", "b/1.png")
    make_images("b/2.png", size=(5, 5))
    make_images("b/tall.png", size=(10_000, 1))
    make_images("b/dot.png", size=(1, 1))
    for _ in range(2):
        reports.clear()
        assert read(folder, report=reports.append).parts["train"][0].shape == (5, 64, 64, 1)
        said = "the images, of 4 sizes, are scaled to fit inside 64x64 and centred on black"
        assert any(said in line and "--image-size" in line for line in reports)


def test_large_images_of_one_size_are_scaled_with_a_word(make_images, reports):
    folder = make_images("a/1.png", "b/1.png", size=(97, 97))
    assert read(folder, report=reports.append).parts["train"][0].shape == (2, 64, 64, 1)
    assert "the images, of 97x97 pixels" in reports[0]


def test_a_size_may_be_asked_for(make_images, reports):
    folder = make_images("a/1.png", "b/1.png")
    assert read(folder, (8, 12), reports.append).parts["train"][0].shape == (2, 8, 12, 1)
    assert not any("scaled" in line for line in reports)


def test_one_image_in_colour_makes_all_of_them_coloured(make_images):
    folder = make_images("a/1.png", "b/1.png")
    Image.fromarray(np.full((6, 4, 3), (1, 2, 3), np.uint8)).save(folder / "b" / "2.png")
    images, _ = read(folder).parts["train"]
    assert images.shape == (3, 6, 4, 3)
    assert images[2, 3, 3].tolist() == [1, 2, 3]
    assert images[1, 3, 3].tolist() == [1, 1, 1]


def test_progress_is_told(make_images):
    seen = []

    def track(iterable, total, what):
        done = list(iterable)
        seen.append((what, total, len(done)))
        return done

    read(make_images("train/a/1.png", "train/b/1.png", "test/a/1.png"), track=track)
    assert seen == [("looking at images", 3, 3), ("reading the train images", 2, 2), ("reading the test images", 1, 1)]
