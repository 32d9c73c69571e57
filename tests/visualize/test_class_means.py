"""Heat maps show the distances given, on one scale, and name the nearest classes."""

import numpy as np
import pytest
from pictures import DIGITS, FASHION, drawn_texts, loss_names, unreadable, words

from visualize import class_means_figure


def distances(seed=0, classes=10):
    points = np.random.default_rng(seed).normal(size=(classes, 64))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


def comparison(count, class_names):
    panels = [
        {"name": name, "distances": distances(i), "caption": "intra/inter 0.999 · MAP@R 0.999"}
        for i, name in enumerate(loss_names(count))
    ]
    return class_means_figure("QUICK · fashion_mnist: how far apart are the classes?", panels, class_names)


def framed(axes):
    """Columns and rows of the framed cells."""
    return sorted((patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in axes.patches)


def test_each_panel_shows_its_own_distances_and_leaves_the_diagonal_blank():
    given = [distances(seed) for seed in range(3)]
    panels = [{"name": f"loss {i}", "distances": array} for i, array in enumerate(given)]
    for i, axes in enumerate(class_means_figure("title", panels, DIGITS).axes[:3]):
        shown = axes.images[0].get_array()
        off = ~np.eye(10, dtype=bool)
        np.testing.assert_array_equal(shown[off], given[i][off])
        np.testing.assert_array_equal(np.ma.getmaskarray(shown), ~off)
        assert axes.get_title(loc="left") == f"loss {i}"


def test_the_nearest_two_classes_are_framed_and_named_with_their_distance():
    near = distances()
    near[2, 7] = near[7, 2] = 0.234
    axes = class_means_figure("title", [{"name": "loss", "distances": near, "caption": "caption"}], FASHION).axes[0]
    assert framed(axes) == [(2, 7), (7, 2)]
    assert axes.get_xlabel() == "Pullover – Sneaker: 0.23\ncaption"


def test_all_panels_share_one_scale_of_colors_from_nought_to_two():
    figure = comparison(4, FASHION)
    limits = {axes.images[0].get_clim() for axes in figure.axes if axes.images}
    assert limits == {(0, 2)}
    assert sum("Euclidean distance between class means" in text for text in words(figure)) == 1


def test_classes_are_named_at_the_left_and_at_the_foot_of_the_grid():
    shown = words(comparison(12, FASHION))  # Three rows of four.
    for name in FASHION:
        assert shown.count(name) == 3 + 4


def test_the_foot_of_a_column_is_its_last_panel():
    panels = comparison(5, DIGITS).axes[:5]  # Three and two.
    named = [any(label.get_text() for label in axes.get_xticklabels()) for axes in panels]
    assert named == [False, False, True, True, True]


@pytest.mark.parametrize("shape", [(9, 9), (10, 9), (10,)])
def test_distances_that_are_not_between_all_classes_are_refused_by_name(shape):
    with pytest.raises(ValueError, match="center: distances of shape"):
        class_means_figure("title", [{"name": "center", "distances": np.ones(shape)}], DIGITS)


@pytest.mark.parametrize(
    ("count", "class_names"),
    [(1, FASHION), (2, FASHION), (4, FASHION), (12, FASHION), (34, FASHION), (1, DIGITS), (12, DIGITS)],
)
def test_every_text_of_the_class_means_can_be_read(count, class_names):
    assert not unreadable(comparison(count, class_names))


@pytest.mark.parametrize("count", [4, 12, 34])
@pytest.mark.parametrize("class_names", [DIGITS, FASHION, DIGITS[:6]])
def test_panels_are_close_below_the_title(count, class_names):
    panels = [{"name": f"loss {i}", "distances": distances(i, len(class_names))} for i in range(count)]
    figure = class_means_figure("title", panels, class_names)
    boxes = {text.get_text(): box for text, box in drawn_texts(figure)}
    assert boxes["title"].y0 - boxes["loss 0"].y1 < 0.4 * figure.dpi
