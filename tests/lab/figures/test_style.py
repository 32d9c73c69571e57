"""What all pictures share: colours that can be told apart, and grids."""

import itertools
import math

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from support.colors import VISIONS, seen
from support.pictures import DIGITS, named_run

from lab.figures.style import (
    REST,
    balanced,
    class_colors,
    classes_tested,
    colors_of,
    grid_shape,
    known_colors_of,
    rest_note,
    some_colors,
)
from lab.protocols import PROTOCOLS

# The classes that embeddings confuse most, by their numbers.
DIGIT_PAIRS = (3, 8), (4, 9), (7, 9), (3, 5), (5, 8), (2, 7), (1, 7), (5, 6), (0, 6), (8, 9)
GARMENT_PAIRS = (0, 6), (2, 4), (2, 6), (4, 6), (5, 7), (7, 9), (5, 9), (0, 3), (3, 4), (3, 6)
CONFUSED = sorted({*DIGIT_PAIRS, *GARMENT_PAIRS})


def ciede2000(one, other):
    """Difference of two colours in CIELAB."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    chroma = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * _saturated(chroma)
    c1, c2 = math.hypot(stretch * a1, b1), math.hypot(stretch * a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180
    hue, light, chroma = (h1 + turn / 2) % 360, (l1 + l2) / 2, (c1 + c2) / 2

    def cosine(degrees):
        return math.cos(math.radians(degrees))

    t = 1 - 0.17 * cosine(hue - 30) + 0.24 * cosine(2 * hue) + 0.32 * cosine(3 * hue + 6) - 0.2 * cosine(4 * hue - 63)
    lightness = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2))
    saturation = (c2 - c1) / (1 + 0.045 * chroma)
    tint = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * t)
    bent = 2 * _saturated(chroma) * math.sin(math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2))))
    return math.sqrt(lightness**2 + saturation**2 + tint**2 - bent * saturation * tint)


def _saturated(chroma):
    return math.sqrt(chroma**7 / (chroma**7 + 25**7))


def differences(colors):
    """The smallest difference under any vision between each two of some colours, by their numbers."""
    return {
        (i, j): min(ciede2000(seen(colors[i], vision), seen(colors[j], vision)) for vision in VISIONS)
        for i, j in itertools.permutations(range(len(colors)), 2)
    }


def smallest(order, apart):
    """How far the confused classes are apart that are least so, with the colours in some order."""
    return min(apart[order[i], order[j]] for i, j in CONFUSED)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [  # Of the data that Sharma, Wu and Dalal (2005) give to check an implementation with.
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (58, 24, 15), 19.4535),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_differences_of_colours_are_computed_as_they_should_be(one, other, expected):
    assert ciede2000(one, other) == pytest.approx(expected, abs=1e-4)
    assert ciede2000(other, one) == pytest.approx(expected, abs=1e-4)


def test_classes_that_are_confused_have_colours_far_apart_under_every_vision():
    apart, order = differences(class_colors(10)), list(range(10))
    best = smallest(order, apart)
    assert best > 23
    for i, j in itertools.combinations(range(10), 2):
        swapped = order.copy()
        swapped[i], swapped[j] = j, i
        assert smallest(swapped, apart) <= best, (i, j)


def test_the_colours_are_those_of_petroff10_in_a_better_order():
    own = matplotlib.color_sequences["petroff10"]
    assert set(map(to_hex, own)) == set(map(to_hex, class_colors(10)))
    order = list(range(10))
    assert smallest(order, differences(own)) < smallest(order, differences(class_colors(10))) / 1.9


@pytest.mark.parametrize("count", [1, 2, 10, 11, 25])
def test_every_class_has_a_color_of_its_own(count):
    colors = [to_hex(color) for color in class_colors(count)]
    assert len(colors) == len(set(colors)) == count


@pytest.mark.parametrize("split", [None, 0, 1, 2, 3, 4])
def test_a_class_has_the_same_colour_in_every_split(split):
    protocol = PROTOCOLS["closed" if split is None else "open"]
    unseen = sorted(protocol.splits("digits", 10)[split])
    known = [number for number in range(10) if number not in unseen]
    run = named_run(
        class_names=[DIGITS[number] for number in known],
        unseen_names=[DIGITS[number] for number in unseen],
        split=split,
        protocol=protocol.name,
    )
    expected = dict(zip(DIGITS, class_colors(10), strict=True))
    shown = dict(zip((name.strip("*") for name in run.class_names), colors_of(run), strict=True))
    assert shown == expected
    assert known_colors_of(run) == [expected[name] for name in run.known_names]


@pytest.mark.parametrize(
    ("cells", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (7, (2, 4)), (13, (3, 5)), (34, (6, 6))]
)
def test_a_grid_is_about_square_with_few_empty_cells(cells, shape):
    assert grid_shape(cells) == shape


@pytest.mark.parametrize(
    ("title", "width", "expected"),
    [
        ("a title that fits", 20, "a title that fits"),
        (
            "center on digits, seed 0: the 24 worst of 300 mistakes",
            50,
            "center on digits, seed 0:\nthe 24 worst of 300 mistakes",
        ),
        (
            "triplet_center on digits, seed 0, test images: MAP@R 0.5520",
            50,
            "triplet_center on digits, seed 0,\ntest images: MAP@R 0.5520",
        ),
        ("of extraordinarily_long words two", 24, "of extraordinarily_long\nwords two"),
        ("a_word_wider_than_a_line", 10, "a_word_wid\ner_than_a_\nline"),
        ("", 20, ""),
        ("center on us$ and a$, seed 0", 40, r"center on us\$ and a\$, seed 0"),  # No formula.
    ],
)
def test_the_lines_of_a_title_are_about_as_long(title, width, expected):
    assert balanced(title, width) == expected


def many_run(**run):
    """A run of a thousand classes, the last four hundred never seen, of which twenty and twenty are told apart."""
    names = [f"class {number}" for number in range(1000)]
    colored = np.concatenate([np.arange(0, 600, 30), np.arange(600, 1000, 20)])
    arrays = {"colored_classes": colored} | run.pop("arrays", {})
    return named_run(class_names=names[:600], unseen_names=names[600:], arrays=arrays, **run), colored


def test_of_many_classes_some_have_a_colour_and_all_others_are_grey():
    run, colored = many_run()
    colors = colors_of(run)
    assert [number for number, color in enumerate(colors) if color != REST] == colored.tolist()
    assert [colors[number] for number in colored] == 2 * class_colors(20)  # Those never seen have them once more.
    assert known_colors_of(run) == colors[:600] == some_colors(1000, colored)[:600]
    assert rest_note(colors[:600]) == "20 of 600 classes in colour, a seeded choice; the rest grey."
    assert rest_note(class_colors(10)) == ""


def test_test_images_have_all_classes_or_where_none_is_known_those_never_seen():
    run, _ = many_run()
    assert run.class_names[classes_tested(run)] == run.class_names
    run, _ = many_run(arrays={"test_labels": np.arange(0)})
    assert run.class_names[classes_tested(run)] == run.class_names[600:]
