"""Heat maps show the distances between the class means, on one scale, and name the nearest classes."""

import math

import numpy as np
import pytest
from support.pictures import DIGITS, FASHION, compared, drawn_texts, named_run, unreadable, words

from lab.figures.class_means import class_means_figure


def means(seed=0, classes=10):
    """Points on the unit sphere, as class means nearly are."""
    points = np.random.default_rng(seed).normal(size=(classes, 64))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def run_of(points, class_names=DIGITS):
    return named_run(class_names=class_names, arrays={"class_means": points})


def comparison(count, class_names):
    runs = compared(count, class_names, lambda number: {"class_means": means(number)})
    return class_means_figure("QUICK · fashion_mnist: how far apart are the classes?", runs)


def framed(axes):
    """Columns and rows of the framed cells."""
    return sorted((patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in axes.patches)


def test_each_panel_shows_its_own_distances_and_leaves_the_diagonal_blank():
    given = [means(seed) for seed in range(3)]
    figure = class_means_figure("title", {f"loss {i}": run_of(points) for i, points in enumerate(given)})
    for i, axes in enumerate(figure.axes[:3]):
        shown = axes.images[0].get_array()
        expected = np.array([[math.dist(one, other) for other in given[i]] for one in given[i]])
        off = ~np.eye(10, dtype=bool)
        np.testing.assert_allclose(shown[off], expected[off], rtol=1e-12)
        np.testing.assert_array_equal(np.ma.getmaskarray(shown), ~off)
        assert axes.get_title(loc="left") == f"loss {i}"


def test_the_nearest_two_classes_are_framed_and_named_with_their_distance():
    near = means()
    near[7] = near[2] + 0.234 * np.eye(64)[0]
    axes = class_means_figure("title", {"loss": run_of(near, FASHION)}).axes[0]
    assert framed(axes) == [(2, 7), (7, 2)]
    assert axes.get_xlabel() == "Pullover – Sneaker: 0.23"


def test_of_classes_never_seen_there_are_no_means():
    run = named_run(class_names=DIGITS[:6], unseen_names=DIGITS[6:], arrays={"class_means": means(classes=6)})
    axes = class_means_figure("title", {"loss": run}).axes[0]
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == list(DIGITS[:6])


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


@pytest.mark.parametrize(
    ("count", "class_names"),
    [(1, FASHION), (2, FASHION), (4, FASHION), (12, FASHION), (34, FASHION), (1, DIGITS), (12, DIGITS)],
)
def test_every_text_of_the_class_means_can_be_read(count, class_names):
    assert not unreadable(comparison(count, class_names))


@pytest.mark.parametrize("count", [4, 12, 34])
@pytest.mark.parametrize("class_names", [DIGITS, FASHION, DIGITS[:6]])
def test_panels_are_close_below_the_title(count, class_names):
    points = [means(number, len(class_names)) for number in range(count)]
    runs = {f"loss {number}": run_of(given, class_names) for number, given in enumerate(points)}
    figure = class_means_figure("title", runs)
    boxes = {text.get_text(): box for text, box in drawn_texts(figure)}
    assert boxes["title"].y0 - boxes["loss 0"].y1 < 0.4 * figure.dpi


def test_of_many_classes_some_are_shown_each_beside_its_nearest_by_the_first_run():
    points = means(classes=300)
    colored = np.arange(5, 300, 15)
    for number in colored[::2]:
        points[number + 1] = points[number] + 0.01 * np.eye(64)[0]
    runs = {
        name: named_run(class_names=[f"class {n}" for n in range(300)], arrays={"class_means": given} | arrays)
        for name, given, arrays in (("pixels", points, {"colored_classes": colored}), ("loss", means(1, 300), {}))
    }
    figure = class_means_figure("title", runs)
    expected = [f"class {number + beside}" for number in colored[::2] for beside in (0, 1)]
    for axes in figure.axes[:2]:
        assert [label.get_text() for label in axes.get_xticklabels()] == expected
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == expected
    shown = " ".join(" ".join(words(figure)).split())
    assert "the nearest two classes of the 20 shown, of 300: a seeded choice, each beside the class" in shown
    assert "nearest to it by pixels" in shown
    assert not unreadable(figure)
