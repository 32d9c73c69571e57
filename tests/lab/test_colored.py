"""Of many classes the pictures tell some apart: a choice that is the same whenever it is made."""

import dataclasses

import numpy as np

from data import Dataset, Split
from lab.colored import TOLD_APART, colored_classes


def split_of(counts):
    """So many black pixels of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return Split(np.zeros((len(labels), 1, 1, 1), np.uint8), labels)


def dataset(test, validation=None, unseen=None):
    """A data set by its numbers of test, validation and unseen images of each class."""
    given = split_of(test), split_of(test if validation is None else validation)
    data = Dataset("many", given[1], given[1], given[0], tuple(map(str, range(len(test)))))
    if unseen is None:
        return data
    return dataclasses.replace(data, unseen=split_of(unseen), unseen_names=tuple(map(str, range(len(unseen)))))


def test_of_twenty_classes_all_are_told_apart():
    assert colored_classes(dataset([3] * 20)) is None
    assert colored_classes(dataset([3] * 12, unseen=[3] * 8)) is None


def test_of_more_it_is_a_choice_from_all_over():
    chosen = colored_classes(dataset([10] * 200))
    assert len(chosen) == len(set(chosen)) == TOLD_APART
    assert chosen.tolist() == sorted(chosen)
    assert chosen[0] < 50 < 150 < chosen[-1]
    np.testing.assert_array_equal(chosen, colored_classes(dataset([30] * 200)))


def test_classes_with_enough_test_and_validation_images_come_first():
    counts, validation = np.ones(100, int), np.full(100, 12)
    counts[10:35], validation[10:15] = [10, 11, 12, 300, 4000] * 5, 9
    chosen = colored_classes(dataset(counts, validation))
    assert chosen.tolist() == list(range(15, 35))
    counts[20:35] = 1  # Ten are left that have any number of both.
    assert set(range(10, 20)) < set(colored_classes(dataset(counts, validation)))


def test_where_a_map_shows_known_classes_and_others_ten_of_each_are():
    chosen = colored_classes(dataset([10] * 60, unseen=[10] * 40))
    assert (chosen < 60).sum() == (chosen >= 60).sum() == 10
    assert chosen.max() < 100


def test_where_none_of_the_tested_are_known_twenty_of_each_are():
    chosen = colored_classes(dataset([0] * 60, [10] * 60, unseen=[10] * 40))
    assert (chosen < 60).sum() == (chosen >= 60).sum() == 20
