"""Names in their order, and a fingerprint that is the same for the same images and no others."""

import dataclasses

import numpy as np
import pytest

from lab.errors import InputError
from lab.sources import found as module
from lab.sources.found import Found, content_of, in_order, number, require_classes, shown

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3, 2, 1), np.uint8)
PARTS = {"train": (IMAGES[:4], np.array([0, 1, 0, 1])), "test": (IMAGES[4:], np.array([1, 0]))}
FOUND = Found("a", ("cat", "dog"), PARTS)


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["10", "9", "-1"], ["-1", "9", "10"]),
        (["10", "9", "a"], ["10", "9", "a"]),
        (["b", "B", "ä", "a"], ["B", "a", "b", "ä"]),
        (["1", "01", "2"], ["01", "1", "2"]),
    ],
)
def test_names_are_in_order_by_value_if_all_are_numbers_else_by_text(names, ordered):
    assert in_order(names) == ordered


def test_a_name_is_shown_on_one_line_and_in_what_can_be_written():
    assert shown("two\nlines\t\x1b[31m \udcff ü 猫 🐈") == r"two\nlines\t\x1b[31m \udcff ü 猫 🐈"


def test_classes_are_counted_over_all_parts():
    names, labels = number({"train": np.array([30, 7, 30]), "test": np.array([100, 7])})
    assert names == ("7", "30", "100")
    assert labels["train"].tolist() == [1, 0, 1]
    assert labels["test"].tolist() == [2, 0]


def test_one_class_is_refused_and_named():
    with pytest.raises(InputError, match=r"birds: .* two classes or more\. Received: owl"):
        require_classes("birds", ("finch", "owl"), np.array([1, 1]))


def test_more_classes_than_a_run_can_name_are_refused():
    names = tuple(map(str, range(100_001)))
    require_classes("birds", names[:-1], np.array([0, 1]))
    with pytest.raises(InputError, match=r"birds has 100,001 classes\. Give images of at most 100,000"):
        require_classes("birds", names, np.array([0, 1]))


def changed(part, number, **what):
    images, labels = map(np.copy, PARTS[part])
    images[number] += what.get("pixels", 0)
    labels[number] = what.get("label", labels[number])
    return dataclasses.replace(FOUND, parts=PARTS | {part: (images, labels)})


OTHERS = {
    "a pixel": changed("train", 0, pixels=1),
    "a label": changed("train", 0, label=1),
    "a name": dataclasses.replace(FOUND, class_names=("cat", "wolf")),
    "names the other way round": dataclasses.replace(FOUND, class_names=("dog", "cat")),
    "no test part": dataclasses.replace(FOUND, parts={"train": PARTS["train"]}),
    "the parts the other way round": dataclasses.replace(FOUND, parts={"train": PARTS["test"], "test": PARTS["train"]}),
    "queries": dataclasses.replace(FOUND, queries=np.array([True, False])),
    "other queries": dataclasses.replace(FOUND, queries=np.array([False, True])),
    "cameras": dataclasses.replace(FOUND, cameras=np.array([0, 1])),
    "another shape": dataclasses.replace(
        FOUND, parts={part: (images.swapaxes(1, 2), labels) for part, (images, labels) in PARTS.items()}
    ),
    "an image twice": dataclasses.replace(FOUND, parts=PARTS | {"test": (IMAGES[[4, 5, 5]], np.array([1, 0, 0]))}),
}


def test_whatever_differs_has_another_fingerprint():
    contents = {content_of(found) for found in (FOUND, *OTHERS.values())}
    assert len(contents) == 1 + len(OTHERS)
    assert all(len(content) == 16 and int(content, 16) for content in contents)


@pytest.mark.parametrize("block", [1, 13, 1 << 20])
def test_the_fingerprint_depends_neither_on_blocks_nor_on_the_kind_of_labels(monkeypatch, block):
    expected = content_of(FOUND)
    monkeypatch.setattr(module, "BLOCK", block)
    images, labels = PARTS["train"]
    parts = PARTS | {"train": (images, labels.astype(np.uint8))}
    assert content_of(dataclasses.replace(FOUND, parts=parts)) == expected


def test_in_another_order_the_images_have_another_fingerprint_as_other_ones_are_drawn_from_them():
    images, labels = PARTS["train"]
    parts = PARTS | {"train": (images[[2, 0, 3, 1]], labels[[2, 0, 3, 1]])}
    assert content_of(dataclasses.replace(FOUND, parts=parts)) != content_of(FOUND)


def test_the_order_of_the_classes_is_not_their_names():
    swapped = {part: (images, 1 - labels) for part, (images, labels) in PARTS.items()}
    assert content_of(dataclasses.replace(FOUND, parts=swapped, class_names=("dog", "cat"))) == content_of(FOUND)


@pytest.mark.parametrize("turned", [True, False])
def test_a_mapped_file_has_the_fingerprint_of_its_array(tmp_path, monkeypatch, turned):
    monkeypatch.setattr(module, "BLOCK", 7)
    array = IMAGES.swapaxes(1, 2).copy()
    np.save(tmp_path / "images.npy", IMAGES if turned else array)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    labels = np.array([0, 1, 0, 1, 0, 1])
    contents = {
        content_of(Found("a", ("x", "y"), {"train": (images, labels)}))
        for images in (array, mapped.swapaxes(1, 2) if turned else mapped)
    }
    assert len(contents) == 1
