"""The committed splits of `--protocol open`: how they were drawn, and which data sets have them."""

import collections
import itertools
import json

import numpy as np
import pytest

from lab.errors import InputError
from lab.protocols import PROTOCOLS
from lab.protocols.open import SPLITS_FILE, unseen_classes
from lab.sources import SOURCES

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
    committed = json.loads(SPLITS_FILE.read_text())
    assert list(committed) == list(SOURCES)
    assert list(committed.values()) == [draw_splits(10, seed) for seed in range(3)]


@pytest.mark.parametrize("name", SOURCES)
def test_every_class_is_held_out_twice(name):
    splits = unseen_classes(name, 10)
    assert list(splits) == list(range(SPLITS)) == [0, 1, 2, 3, 4]
    assert all(len(set(split)) == UNSEEN for split in splits.values())
    assert collections.Counter(itertools.chain(*splits.values())) == dict.fromkeys(range(10), 2)
    assert len({tuple(split) for split in splits.values()}) == SPLITS


def test_each_protocol_knows_its_splits():
    assert PROTOCOLS["open"].splits("digits", 10) == unseen_classes("digits", 10)
    assert PROTOCOLS["closed"].splits("digits", 10) == {None: ()}


def test_a_data_set_without_splits_is_refused_with_those_that_have_them():
    with pytest.raises(InputError, match=r"mnist, fashion_mnist, digits.*flowers"):
        unseen_classes("flowers", 10)


def test_a_data_set_with_fewer_classes_than_its_splits_is_refused():
    with pytest.raises(InputError, match="class 9 of mnist, which has 6 classes"):
        unseen_classes("mnist", 6)
