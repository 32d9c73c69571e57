"""Histograms of distances have the right shape, and their texts can be read."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from pictures import LONGEST_NAME, unreadable

from losses import LOSSES
from visualize import distances_figure, draw_distances

BINS = np.array([0.0, 0.1, 0.5, 1.0, 2.0])


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
    rows = [{"same": np.eye(4, dtype=int)[i], "different": np.ones(4, int), "title": f"row {i}"} for i in range(3)]
    figure = distances_figure("title", rows, BINS)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["row 0", "row 1", "row 2"]
    assert {axes.get_xlim() for axes in figure.axes} == {(0.0, 2.0)}
    for i, axes in enumerate(figure.axes):
        assert np.flatnonzero(axes.patches[0].get_data().values).tolist() == [i]


def distances(rows):
    counts = np.random.default_rng(0).integers(1, 1000, size=(2, 100))
    row = {"same": counts[0], "different": counts[1], "title": LONGEST_NAME}
    row["scores"] = "5-NN 99.99% · nearest mean 99.99% · MAP@R 0.999"
    title = "QUICK · fashion_mnist: how near are images of one class?"
    return distances_figure(title, [row] * rows, np.linspace(0, 2, 101))


@pytest.mark.parametrize("count", [1, 5, 13, len(LOSSES) + 1])
def test_every_text_of_the_histograms_can_be_read(count):
    assert not unreadable(distances(count))
