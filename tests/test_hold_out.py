"""Held-out classes: nothing of them is left in what is trained on, and their test images are told from the others."""

import dataclasses

import numpy as np
import pytest
from support.datasets import make_dataset

from data import Split
from lab.errors import InputError


@pytest.fixture
def data():
    """Images whose every pixel is 20 times their class number, plus 0 to 9."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 20)
    images = np.broadcast_to((20 * labels + rng.integers(0, 10, 120))[:, None, None], (120, 4, 4)).astype("uint8")
    names = ("zero", "one", "two", "three", "four", "five")
    return make_dataset("numbers", (images, labels), (images[::2], labels[::2]), names, validation=24)


def classes_shown(images):
    """The numbers of the classes that images are of, by their pixels."""
    return images[:, 0, 0, 0] // 20


def test_known_and_unseen_images_are_parted_and_renumbered(data):
    parted = data.hold_out([4, 1])
    assert parted.class_names == ("zero", "two", "three", "five")
    assert parted.unseen_names == ("one", "four")
    assert (parted.num_classes, parted.image_shape, parted.name) == (4, (4, 4, 1), "numbers")
    assert list(parted.parts) == ["train", "validation", "test", "unseen"]
    for part, numbers in (
        ("train", (0, 2, 3, 5)),
        ("validation", (0, 2, 3, 5)),
        ("test", (0, 2, 3, 5)),
        ("unseen", (1, 4)),
    ):
        split = parted.parts[part]
        np.testing.assert_array_equal(np.array(numbers)[split.labels], classes_shown(split.images))
        assert split.labels.dtype == np.int32
        assert set(split.labels) == set(range(len(numbers)))
    assert len(parted.test) + len(parted.unseen) == len(data.test)
    assert len(parted.train) + len(parted.validation) == 4 * 20


def test_what_the_images_of_unseen_classes_show_changes_nothing_that_is_trained_on(data):
    """With held-out classes blackened in training and validation, all but the unseen test images stays the same."""
    hidden = {
        part: Split(np.where(np.isin(split.labels, [1, 4])[:, None, None, None], 0, split.images), split.labels)
        for part, split in (("train", data.train), ("validation", data.validation))
    }
    plain, blackened = (d.hold_out([1, 4]) for d in (data, dataclasses.replace(data, **hidden)))
    for part in ("train", "validation", "test", "unseen"):
        np.testing.assert_array_equal(plain.parts[part].images, blackened.parts[part].images)


@pytest.mark.parametrize("classes", [[6], [-1], [0, 1, 2, 3, 4]])
def test_classes_that_cannot_be_held_out_are_refused(data, classes):
    with pytest.raises(InputError, match=r"some of 0 \.\.\. 5 and leave two"):
        data.hold_out(classes)


def test_a_data_set_of_which_no_class_is_held_out_stays_as_it_is(data):
    assert data.hold_out(()) is data
    assert list(data.parts) == ["train", "validation", "test"]


def test_judged_are_the_unseen_classes_or_all_if_there_are_none(data):
    assert (data.judged_part, data.judged_names) == ("test", data.class_names)
    parted = data.hold_out([1, 4])
    assert (parted.judged_part, parted.judged_names) == ("unseen", ("one", "four"))


@pytest.mark.parametrize("classes", [(), (1, 4)])
def test_shown_are_all_test_images_those_of_unseen_classes_last_and_starred(data, classes):
    parted = data.hold_out(classes)
    everything = np.arange(len(data.test))
    np.testing.assert_array_equal(
        np.array(parted.shown_names)[parted.shown_labels],
        [
            f"{data.class_names[number]}{'*' * (number in classes)}"
            for number in classes_shown(parted.shown_images(everything))
        ],
    )
    starred = [name.endswith("*") for name in parted.shown_names]
    assert starred == sorted(starred)
    assert sorted(parted.shown_images(everything)[:, 0, 0, 0]) == sorted(data.test.images[:, 0, 0, 0])


@pytest.mark.parametrize("classes", [(), (1, 4)])
@pytest.mark.parametrize("indices", [[], [0, 3, 39, 40, 59], [1, 2], [50, 51]])
def test_some_of_the_images_shown_are_those_of_their_numbers(data, classes, indices):
    parted = data.hold_out(classes)
    everything = parted.shown_images(np.arange(len(data.test)))
    np.testing.assert_array_equal(parted.shown_images(np.array(indices, int)), everything[indices])
