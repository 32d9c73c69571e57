"""Histograms of distances have the right shape, and their texts can be read."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from support.pictures import compared, named_run, unreadable, words

from lab.figures.distances import distances_figure, draw_distances
from losses import LOSSES

BINS = np.array([0.0, 0.1, 0.5, 1.0, 2.0])
SCORES = "5-NN 99.99% · nearest mean 99.99% · MAP@R 1.000"  # Of every run here.


def test_histograms_have_area_one_and_the_shape_of_the_counts():
    counts = {"same class": np.array([5, 7, 1, 0]), "different classes": np.array([0, 40, 500, 90])}
    axes = Figure().add_subplot()
    draw_distances(axes, BINS, *counts.values())
    filled = {patch.get_label(): patch.get_data() for patch in axes.patches if patch.get_fill()}
    assert filled.keys() == counts.keys()
    for label, (heights, edges, _) in filled.items():
        areas = [h * (b - a) for h, a, b in zip(heights, edges, edges[1:], strict=False)]
        assert sum(areas) == pytest.approx(1)
        assert areas == pytest.approx([count / sum(counts[label]) for count in counts[label]])


def test_a_histogram_of_no_pairs_is_flat():
    axes = Figure().add_subplot()
    draw_distances(axes, BINS, np.zeros(4, int), np.array([1, 2, 3, 4]))
    assert sorted(float(patch.get_data().values.sum()) > 0 for patch in axes.patches) == [False, False, True, True]


def test_distance_rows_share_one_axis_and_keep_their_order():
    one_bin = np.eye(100, dtype=int)
    runs = {
        f"row {i}": named_run(arrays={"same_pairs": one_bin[10 * i], "different_pairs": one_bin[50 + i]})
        for i in range(3)
    }
    figure = distances_figure("title", runs)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["row 0", "row 1", "row 2"]
    assert {axes.get_xlim() for axes in figure.axes} == {(0.0, 2.0)}
    for i, axes in enumerate(figure.axes):
        same, different = (patch.get_data() for patch in axes.patches if patch.get_fill())
        assert np.flatnonzero(same.values).tolist() == [10 * i]
        assert np.flatnonzero(different.values).tolist() == [50 + i]
        np.testing.assert_allclose(same.edges, np.arange(101) / 50)


def distances(count, **named):
    counts = np.random.default_rng(0).integers(1, 1000, size=(2, 100))
    arrays = dict(zip(("same_pairs", "different_pairs"), counts, strict=True))
    title = "QUICK · fashion_mnist: how near are images of one class?"
    return distances_figure(title, compared(count, arrays=lambda _: arrays), **named)


@pytest.mark.parametrize(("count", "said"), [(1, False), (2, True), (13, True)])
def test_panels_beside_each_other_say_that_their_heights_are_their_own(count, said):
    note = "Each panel has a height of its own"
    assert any(note in text for text in words(distances(count))) == said


@pytest.mark.parametrize("count", [1, 3, 13])
def test_every_row_says_its_scores(count):
    assert words(distances(count)).count(SCORES) == count


def test_a_single_run_is_named_by_the_title_alone():
    shown = words(distances(1, named=False))
    assert "raw pixels" not in shown
    assert SCORES not in shown


@pytest.mark.parametrize("count", [1, 5, 13, len(LOSSES) + 1])
def test_every_text_of_the_histograms_can_be_read(count):
    assert not unreadable(distances(count))


@pytest.mark.parametrize("count", [3, 12])
def test_a_long_name_is_shown_whole(count):
    names = [f"exponential_triplet_class (softmax_weight=0.5, overlap={n}) (seed 1)" for n in range(count)]
    figure = distances_figure("title", dict.fromkeys(names, named_run()))
    assert [axes.get_title("left").replace("\n", "") for axes in figure.axes[:count]] == names
    assert not unreadable(figure)


def test_every_text_of_the_histogram_of_a_run_can_be_read():
    assert not unreadable(distances(1, named=False))
