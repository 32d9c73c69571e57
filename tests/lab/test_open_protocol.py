"""The committed splits of `--protocol open`: how they were drawn, and which data sets have them."""

import collections
import itertools
import json

import numpy as np
import pytest

from lab.errors import InputError
from lab.protocols import PROTOCOLS
from lab.protocols.open import SPLITS_FILE, unseen_classes

COMMITTED = "mnist", "fashion_mnist", "digits"
SPLITS, UNSEEN = 5, 4  # Splits of a data set; classes of each.


def draw_splits(num_classes, seed):
    """Sets of classes that hold out every class equally often: no set twice, no class twice in a set."""
    rng = np.random.default_rng(seed)
    times = SPLITS * UNSEEN // num_classes
    while True:
        dealt = np.concatenate([rng.permutation(num_classes) for _ in range(times)]).reshape(SPLITS, UNSEEN)
        splits = sorted(sorted(split) for split in dealt.tolist())
        if all(len(set(split)) == UNSEEN for split in splits) and len(set(map(tuple, splits))) == SPLITS:
            return splits


def test_the_committed_splits_are_the_draws_of_seeds_0_1_and_2():
    committed = json.loads(SPLITS_FILE.read_text(encoding="utf-8"))
    assert list(committed) == list(COMMITTED)
    assert list(committed.values()) == [draw_splits(10, seed) for seed in range(3)]


@pytest.mark.parametrize("name", COMMITTED)
def test_every_class_is_held_out_twice(name):
    splits = unseen_classes(name, 10)
    assert list(splits) == list(range(SPLITS)) == [0, 1, 2, 3, 4]
    assert all(len(set(split)) == UNSEEN for split in splits.values())
    assert collections.Counter(itertools.chain(*splits.values())) == dict.fromkeys(range(10), 2)
    assert len({tuple(split) for split in splits.values()}) == SPLITS


def test_each_protocol_knows_its_splits():
    assert PROTOCOLS["open"].splits("digits", 10) == unseen_classes("digits", 10)
    assert PROTOCOLS["closed"].splits("digits", 10) == {None: ()}


@pytest.mark.parametrize(("name", "classes"), [("flowers", 30), ("mnist", 6), ("cifar100", 100)])
def test_a_data_set_without_splits_of_its_own_has_a_third_of_its_classes_drawn_for_each(name, classes):
    splits = unseen_classes(name, classes)
    assert list(splits) == list(range(SPLITS))
    for split in splits.values():
        assert split == sorted(set(split))
        assert len(split) == round(classes / 3)
        assert set(split) <= set(range(classes))
    first, second, third, *_ = map(set, splits.values())
    assert not (first & second) | (first & third) | (second & third)
    assert unseen_classes(name, classes) == splits == unseen_classes("another name", classes)


def test_a_share_of_the_classes_and_a_number_of_splits_can_be_asked_for():
    splits = unseen_classes("mnist", 10, share=0.25, count=7)
    assert [len(split) for split in splits.values()] == [2] * 7
    committed = unseen_classes("mnist", 10)
    assert unseen_classes("mnist", 10, count=2) == {0: committed[0], 1: committed[1]}
    more = unseen_classes("mnist", 10, count=7)
    assert {split: more[split] for split in committed} == committed  # However many there are.
    assert [len(more[split]) for split in (5, 6)] == [4, 4]
    assert unseen_classes("mnist", 10, share=0.25, count=2) == {0: splits[0], 1: splits[1]}


@pytest.mark.parametrize(("classes", "share"), [(3, None), (3, 0.6), (10, 0.1), (10, 0.9)])
def test_fewer_than_two_classes_on_either_side_are_refused(classes, share):
    way = "another share of them with --unseen" if classes > 3 else "It needs four classes"
    with pytest.raises(InputError, match=rf"holds out \d of the {classes} classes of flowers.*{way}$"):
        unseen_classes("flowers", classes, share)
