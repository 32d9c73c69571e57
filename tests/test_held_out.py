"""Held-out classes: the committed splits, and that nothing of an unknown class is left in what is trained on."""

import collections
import itertools
import json

import numpy as np
import pytest

from data import DATASETS, Split, make_dataset
from held_out import HELD_OUT, SPLITS, SPLITS_FILE, draw_splits, held_out_classes, hold_out


@pytest.fixture
def data():
    """Images whose every pixel is 20 times their class number, plus 0 to 9."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 20)
    images = np.broadcast_to((20 * labels + rng.integers(0, 10, 120))[:, None, None], (120, 4, 4)).astype("uint8")
    names = ("zero", "one", "two", "three", "four", "five")
    return make_dataset("numbers", images, labels, images[::2], labels[::2], names, held_out=24)


@pytest.mark.parametrize("name", DATASETS)
def test_every_class_is_held_out_twice(name):
    splits = held_out_classes(name, 10)
    assert len(splits) == SPLITS
    assert all(len(set(split)) == HELD_OUT for split in splits)
    assert collections.Counter(itertools.chain(*splits)) == dict.fromkeys(range(10), 2)
    assert len({tuple(split) for split in splits}) == SPLITS


def test_the_committed_splits_are_the_draws_of_seeds_0_1_and_2():
    committed = json.loads(SPLITS_FILE.read_text())
    assert tuple(committed) == DATASETS
    assert list(committed.values()) == [draw_splits(10, seed) for seed in range(3)]


@pytest.mark.parametrize("num_classes", [4, 5, 7, 3])
def test_classes_that_cannot_be_dealt_out_evenly_are_refused(num_classes):
    with pytest.raises(ValueError, match=f"Received: {num_classes}"):
        draw_splits(num_classes, seed=0)


def test_a_data_set_without_splits_is_refused_with_those_that_have_them():
    with pytest.raises(ValueError, match=r"mnist, fashion_mnist, digits.*flowers"):
        held_out_classes("flowers", 10)


def test_a_data_set_with_fewer_classes_than_its_splits_is_refused():
    with pytest.raises(ValueError, match="class 9 of mnist, which has 6 classes"):
        held_out_classes("mnist", 6)


def test_known_and_unknown_images_are_parted_and_renumbered(data):
    parted = hold_out(data, [4, 1])
    assert parted.class_names == ("zero", "two", "three", "five")
    assert parted.unknown_names == ("one", "four")
    assert (parted.num_classes, parted.image_shape, parted.name) == (4, (4, 4, 1), "numbers")
    for split, numbers in (
        (parted.train, (0, 2, 3, 5)),
        (parted.validation, (0, 2, 3, 5)),
        (parted.test, (0, 2, 3, 5)),
        (parted.unknown, (1, 4)),
    ):
        np.testing.assert_array_equal(np.array(numbers)[split.labels], split.images[:, 0, 0, 0] // 20)
        assert split.labels.dtype == np.int32
        assert set(split.labels) == set(range(len(numbers)))
    assert len(parted.test) + len(parted.unknown) == len(data.test)
    assert len(parted.train) + len(parted.validation) == 4 * 20


def test_what_the_images_of_unknown_classes_show_changes_nothing_that_is_trained_on(data):
    """With held-out classes blackened in training and validation, all but the unknown test images stays the same."""
    hidden = {
        part: Split(np.where(np.isin(split.labels, [1, 4])[:, None, None, None], 0, split.images), split.labels)
        for part, split in (("train", data.train), ("validation", data.validation))
    }
    plain, blackened = (hold_out(d, [1, 4]) for d in (data, type(data)(**vars(data) | hidden)))
    for part in ("train", "validation", "test", "unknown"):
        np.testing.assert_array_equal(getattr(plain, part).images, getattr(blackened, part).images)


@pytest.mark.parametrize("classes", [[], [6], [-1], [0, 1, 2, 3, 4]])
def test_classes_that_cannot_be_held_out_are_refused(data, classes):
    with pytest.raises(ValueError, match=r"some of 0 \.\.\. 5 and leave two"):
        hold_out(data, classes)
