"""Names of classes lie on their points, apart where there is room."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from support.pictures import FASHION, unreadable

from lab.figures.names import name_classes, shown_name, width_of

MANY_NAMES = [f"class {number}" for number in range(47)]


def named(points, labels, class_names, fontsize=11):
    """Axes with the names of these points, from -10 to 10, and the box of each name in data."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot(xlim=(-10, 10), ylim=(-10, 10), xticks=[], yticks=[])
    axes.set_box_aspect(1)
    name_classes(axes, np.asarray(points, float), np.asarray(labels), class_names, fontsize)
    FigureCanvasAgg(figure).draw()
    back = axes.transData.inverted()
    return axes, {text.get_text(): back.transform_bbox(text.get_window_extent()) for text in axes.texts}


def crowd(classes, spread, seed=0):
    """Points of some classes around one place."""
    labels = np.arange(40 * classes) % classes
    return spread * np.random.default_rng(seed).normal(size=(len(labels), 2)), labels


def on_own_point(box, own):
    return any(box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1 for x, y in own)


@pytest.mark.parametrize("spread", [0, 0.01, 1, 3])
def test_a_name_lies_on_a_point_of_its_class_however_little_room_there_is(spread):
    points, labels = crowd(10, spread)
    _, boxes = named(points, labels, FASHION)
    assert list(boxes) == list(FASHION)
    for label, box in enumerate(boxes.values()):
        assert on_own_point(box, points[labels == label])


def test_names_do_not_cover_each_other_where_their_points_leave_room():
    axes, _ = named(*crowd(10, 4), FASHION)
    assert not unreadable(axes.figure)


def test_of_places_that_all_cover_another_name_the_one_that_covers_least_is_taken():
    points = np.array([[0, 0]] * 3 + [[0.2, 0]] * 3 + [[0, 0.7]] * 3)
    axes, _ = named(points, [0] * 3 + [1] * 6, ("Trouser", "Sneaker"))
    assert axes.texts[1].get_position() == (0, 0.7)


def test_a_name_is_not_at_a_stray_point():
    """Which is the only one that leaves room."""
    points, labels = crowd(2, 0.1)
    points[1] = [6, 6]
    axes, _ = named(points, labels, ("Trouser", "Sneaker"))
    assert np.abs(axes.texts[1].get_position()).max() < 1


def test_names_stay_inside_of_the_frame_on_their_points():
    corners = np.array([[10, 10], [10, -10], [-10, 10], [-10, -10]] * 10)
    _, boxes = named(corners, np.arange(40) % 4, FASHION[:4])
    assert len(boxes) == 4
    for label, box in enumerate(boxes.values()):
        assert -10 <= box.x0 < box.x1 <= 10
        assert -10 <= box.y0 < box.y1 <= 10
        assert np.sign([box.x0, box.y0]).tolist() == np.sign(corners[label]).tolist()


def test_names_of_many_classes_are_smaller_and_those_without_room_are_left_out():
    centers = np.stack(np.meshgrid(np.linspace(-8, 8, 5), np.linspace(-9, 9, 10)), axis=-1).reshape(-1, 2)[:47]
    labels = np.arange(470) % 47
    apart, _ = named(centers[labels], labels, MANY_NAMES)
    assert [text.get_text() for text in apart.texts] == MANY_NAMES
    assert [text.get_fontsize() for text in apart.texts] == pytest.approx([11 * (20 / 47) ** 0.5] * 47)
    _, boxes = named(0 * centers[labels], labels, MANY_NAMES)
    assert list(boxes) == MANY_NAMES[:1]


@pytest.mark.parametrize("spread", [1, 4])
def test_names_of_many_classes_never_cover_each_other(spread):
    axes, _ = named(*crowd(47, spread), MANY_NAMES)
    assert axes.texts
    assert not unreadable(axes.figure)


def test_up_to_twenty_classes_are_all_named_at_full_size():
    labels = np.arange(200) % 20
    axes, _ = named(np.zeros((200, 2)), labels, MANY_NAMES[:20])
    assert len(axes.texts) == 20
    assert {text.get_fontsize() for text in axes.texts} == {11}


@pytest.mark.parametrize(
    ("name", "widest", "shown"),
    [
        ("Sneaker", 7, "Sneaker"),
        ("vehicles/land/car", 9, "vehi…/car"),
        ("vehicles/land/car", 8, "veh…/car"),
        ("two\nlines\tand  spaces", 30, "two lines and spaces"),
        ("漢字の名前", 10, "漢字の名前"),
        ("漢字の名前", 7, "漢…名前"),
        (12, 5, "12"),
        ("$a$", 5, r"\$a\$"),
    ],
)
def test_a_name_is_on_one_line_and_shortened_in_the_middle(name, widest, shown):
    assert shown_name(name, widest) == shown
    assert width_of(shown.replace("\\", "")) <= widest


def test_what_lies_between_dollars_is_no_formula():
    axes, boxes = named([[0, 0]], [0], [r"$\nothing$"])
    assert axes.texts[0].get_text() in boxes  # It was drawn.
