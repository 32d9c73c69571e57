"""Interval plots show how far losses are from softmax, what is more than chance, and where nothing can be told."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Annotation
from support.colors import VISIONS, seen
from support.pictures import COMPARED, unreadable, words
from support.runs import make_run

from lab.figures.intervals import BETTER, UNDECIDED, WORSE, intervals_figure
from lab.protocols import PROTOCOLS
from lab.results import Results, Row
from lab.run_folder import RunFolder
from lab.settings import PIXELS

ACCURACY, MAP, RATIO = "center_accuracy", "map_at_r", "distance_ratio"
NO_SCORES = dict.fromkeys(PROTOCOLS["closed"].scores)
STUDENT_T = {1: 4.302653, 2: 6.205347, 3: 7.648804, 5: 9.924843}  # Of three runs and so many losses.
HOLLOW = "#ffffff"


def around(mean, half_width, losses=1):
    """Scores of three seeds that have this mean and this half-width of the interval of one of so many losses."""
    deviation = half_width * math.sqrt(3) / STUDENT_T[losses]
    return [mean - deviation, mean, mean + deviation]


def row(loss, *values, failed=(), overrides=None, sweep=None, **scores):
    """The runs of a loss: its accuracies, or several `scores` by name, over the seeds; and the seeds that failed."""
    scores = scores or {ACCURACY: values}
    changes = {"overrides": overrides or {}, "sweep": sweep}
    runs = [
        make_run(loss, NO_SCORES | dict(zip(scores, of_seed, strict=True)), seed=seed, **changes)
        for seed, of_seed in enumerate(zip(*scores.values(), strict=True))
    ]
    runs += [make_run(loss, failure="diverged", seed=seed, **changes) for seed in failed]
    return Row(runs[0].settings.key, {RunFolder(run.settings.folder): run for run in runs})


def figure_of(*rows, title="title"):
    return intervals_figure(title, Results(None, rows[0].first.settings, list(rows), {}))


def drawn(*rows):
    (axes,) = figure_of(*rows).axes
    return axes


SOFTMAX = row("softmax", 0.9, 0.9, 0.9)
SOFTMAX_OF_ALL = row("softmax", **{name: [0.5, 0.5, 0.5] for name in (ACCURACY, MAP, RATIO)})


def names_of(axes):
    """Dict from the height of a row to its name, which the first column has."""
    labels = axes.figure.axes[0].get_yticklabels()
    return {place: label.get_text() for place, label in zip(axes.get_yticks(), labels, strict=True)}


def marks(axes):
    """Dict from a row's name to the place of its mark along the axis, its shape, its face and its edge."""
    names = names_of(axes)
    return {
        names[line.get_ydata()[0]]: (
            line.get_xdata()[0],
            line.get_marker(),
            to_hex(line.get_markerfacecolor()),
            to_hex(line.get_markeredgecolor()),
        )
        for line in axes.lines
        if line.get_marker() != "None"
    }


def bars(axes):
    """Dict from a row's name to the ends of its bar and its colour."""
    names = names_of(axes)
    lines = [line for line in axes.lines if line.get_marker() == "None" and line.get_ydata()[0] in names]
    return {
        names[line.get_ydata()[0]]: (*line.get_xdata(), to_hex(line.get_color()))
        for line in lines
        if list(line.get_xdata()) != [0, 1]  # The faint line of every row.
    }


def numbers(axes):
    """What is written at the right of every row."""
    return [text.get_text() for text in axes.texts if text.get_text() and text.xycoords != "data"]


def at_edges(axes):
    """Place, text, and whether it is an arrow, of what tells of more beyond an edge."""
    return [
        (text.xy[0], text.get_text(), text.arrow_patch is not None)
        for text in axes.texts
        if isinstance(text, Annotation) and text.xycoords == "data"
    ]


def test_what_is_no_number_has_no_column():
    nothing = {ACCURACY: [0.5, 0.6, 0.7], MAP: [math.nan] * 3}
    (axes,) = figure_of(row("softmax", **nothing), row("center", **nothing)).axes
    assert axes.get_title("left") == PROTOCOLS["closed"].scores[ACCURACY].header


def test_marks_are_at_the_paired_differences_with_the_intervals_that_hold_together():
    center, triplet = row("center", *around(0.91, 0.005, losses=2)), row("triplet", *around(0.897, 0.004, losses=2))
    axes = drawn(SOFTMAX, center, triplet)
    assert {name: mark[0] for name, mark in marks(axes).items()} == pytest.approx(
        {"softmax": 0, "center": 0.01, "triplet": -0.003}
    )
    assert bars(axes)["center"][:2] == pytest.approx([0.005, 0.015])
    assert bars(axes)["triplet"][:2] == pytest.approx([-0.007, 0.001])
    assert "softmax" not in bars(axes)


def test_differences_are_those_of_the_same_seeds():
    softmax, center = row("softmax", 0.80, 0.85, 0.90), row("center", 0.81, 0.86, 0.9101)
    axes = drawn(softmax, center)
    assert marks(axes)["center"][1] == BETTER["marker"]  # Though their own intervals overlap by far.


def test_better_worse_and_not_distinguishable_differ_in_shape_colour_and_filling():
    losses = [
        row("center", *around(0.92, 0.01, losses=3)),
        row("triplet", *around(0.88, 0.01, losses=3)),
        row("ring", *around(0.92, 0.03, losses=3)),
    ]
    axes = drawn(SOFTMAX, *losses)
    found = marks(axes)
    assert [found[name][1] for name in ("center", "triplet", "ring")] == [">", "<", "o"]
    better, worse, undecided = (found[name][2:] for name in ("center", "triplet", "ring"))
    assert better[0] == better[1] != worse[0] == worse[1]
    assert undecided[0] == HOLLOW != undecided[1]
    assert [bars(axes)[name][2] for name in ("center", "triplet", "ring")] == [better[1], worse[1], undecided[1]]


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("one", "other"), [(BETTER, WORSE), (BETTER, UNDECIDED), (WORSE, UNDECIDED)])
def test_the_colours_of_the_verdicts_are_apart_under_every_colour_vision(one, other, vision):
    difference = math.dist(seen(one["color"], vision), seen(other["color"], vision))
    assert difference > 20  # About 2 is what an eye can just see.


@pytest.mark.parametrize(("score", "better"), [(ACCURACY, 0.6), (RATIO, 0.4)])
def test_the_better_side_is_at_the_right_also_where_less_is_better(score, better):
    axes = drawn(
        row("softmax", **{score: [0.5, 0.5, 0.5]}),
        row("center", **{score: around(better, 0.01, losses=2)}),
        row("triplet", **{score: around(1 - better, 0.01, losses=2)}),
    )
    places = {name: axes.transData.transform((mark[0], 0))[0] for name, mark in marks(axes).items()}
    assert places["triplet"] < places["softmax"] < places["center"]
    assert [marks(axes)[name][1] for name in ("center", "triplet")] == [">", "<"]
    assert axes.get_xlabel() == "better →"


def test_softmax_is_a_line_at_zero():
    axes = drawn(SOFTMAX, row("center", *around(0.91, 0.005)))
    assert [list(line.get_xdata()) for line in axes.lines if list(line.get_ydata()) == [0, 1]] == [[0, 0]]
    low, high = axes.get_xlim()
    assert low == -high


def test_the_means_are_written_beside_the_marks_raw_pixels_and_softmax_included():
    axes = drawn(row(PIXELS, 0.5), SOFTMAX, row("center", *around(0.91, 0.005)), row("ring", failed=(0,)))
    assert numbers(axes) == ["50.00", "90.00", "91.00", "–"]
    assert marks(axes).keys() == {"softmax", "center"}


@pytest.mark.parametrize(("score", "smallest"), [(ACCURACY, 0.005), (MAP, 0.01), (RATIO, 0.01)])
def test_chance_does_not_fill_an_axis(score, smallest):
    axes = drawn(row("softmax", **{score: [0.5] * 3}), row("center", **{score: around(0.5001, 0.0002)}))
    assert smallest <= max(axes.get_xlim()) <= 1.2 * smallest


def test_the_scale_holds_every_interval_of_a_usual_width():
    axes = drawn(SOFTMAX, row("center", *around(0.95, 0.02, losses=2)), row("triplet", *around(0.92, 0.01, losses=2)))
    low, high = axes.get_xlim()
    assert (low, high) == (-high, pytest.approx(1.1 * 0.07))
    assert at_edges(axes) == []


def test_no_axis_goes_beyond_what_a_score_can_be():
    axes = drawn(row("center", 0.98, 0.72), row("triplet", 0.97, 0.75))  # ± 1.65 and ± 1.40.
    assert axes.get_xlim() == (0, 1)
    assert at_edges(axes) == [(edge, "", True) for _ in range(2) for edge in (0, 1)]
    assert max(axes.get_xticks()) <= 1
    axes = drawn(row("softmax", 0.9, 0.1), row("center", 0.1, 0.9))
    assert axes.get_xlim() == (-1, 1)


def usual(*wide):
    """The axes of softmax, of four losses that differ by 0.01 ± 0.005, and of one with other scores."""
    losses = [row(loss, *around(0.91, 0.005, losses=5)) for loss in ("center", "triplet", "ring", "circle")]
    return drawn(SOFTMAX, *losses, row("arcface", *wide))


def test_an_interval_much_wider_than_the_others_is_cut_with_an_arrow_at_each_side():
    axes = usual(0.8, 0.905, 1.01)
    low, high = axes.get_xlim()
    assert high == pytest.approx(1.1 * 3 * 0.015)
    assert bars(axes)["arcface"][:2] == pytest.approx([low, high])
    assert at_edges(axes) == [(low, "", True), (high, "", True)]
    assert marks(axes)["arcface"][0] == pytest.approx(0.005)


@pytest.mark.parametrize(("mean", "number", "edge"), [(0.5, "-40.00", 0), (1.3, "+40.00", 1)])
def test_a_difference_far_beyond_the_others_is_a_mark_at_the_edge_with_its_number(mean, number, edge):
    axes = usual(mean - 0.001, mean, mean + 0.001)
    place = axes.get_xlim()[edge]
    assert abs(place) == pytest.approx(1.1 * 3 * 0.015)
    assert at_edges(axes) == [(place, number, False)]
    assert marks(axes)["arcface"][:2] == (place, (WORSE, BETTER)[edge]["marker"])


@pytest.mark.parametrize(
    ("seeds", "note"), [(1, "a number says that the score lies beyond"), (3, "a number that the mean lies beyond")]
)
def test_a_score_far_beyond_the_others_is_a_mark_at_the_edge_and_the_note_says_so(seeds, note):
    """Where nothing is compared."""
    means = {"center": 0.91, "triplet": 0.92, "ring": 0.93, "circle": 0.94, "arcface": 0.5}
    figure = figure_of(*(row(loss, *[mean] * seeds) for loss, mean in means.items()))
    (axes,) = figure.axes
    low = axes.get_xlim()[0]
    assert low > 0.8
    assert at_edges(axes) == [(low, "50.00", False)]
    assert marks(axes)["arcface"][0] == low
    assert note in text_of(figure)


def test_equal_differences_have_no_interval_and_are_not_distinguishable():
    axes = drawn(SOFTMAX, row("center", 0.95, 0.95, 0.95))
    assert marks(axes)["center"][1:3] == ("o", HOLLOW)
    assert bars(axes) == {}


def test_a_loss_with_one_seed_among_several_has_its_number_and_no_mark():
    axes = drawn(SOFTMAX, row("center", *around(0.91, 0.005)), row("triplet", 0.95))
    assert "triplet" not in marks(axes)
    assert numbers(axes)[2] == "95.00"


def test_rows_are_in_the_order_given_from_top_to_bottom():
    axes = drawn(row("triplet", 0.9), SOFTMAX, row("center", 0.95))
    heights = axes.transData.transform([[0, place] for place in axes.get_yticks()])[:, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["triplet", "softmax", "center"]
    assert (np.diff(heights) < 0).all()


def text_of(figure):
    return " ".join(" ".join(words(figure)).split())


def test_of_one_seed_the_scores_are_hollow_and_a_sentence_says_that_they_tell_nothing():
    figure = figure_of(row(PIXELS, 0.5), row("softmax", 0.9), row("center", 0.95))
    (axes,) = figure.axes
    assert {name: mark[:3] for name, mark in marks(axes).items()} == {
        "softmax": (0.9, "o", HOLLOW),
        "center": (0.95, "o", HOLLOW),
    }
    assert bars(axes) == {}
    assert "one seed tells nothing from chance" in text_of(figure)
    assert "better than softmax" not in text_of(figure)


def test_without_softmax_the_means_have_their_own_intervals_and_the_key_does_not_speak_of_it():
    swept = [
        row("center", *around(mean, 0.01), overrides={"center_weight": weight}, sweep="center_weight")
        for weight, mean in ((0.1, 0.9), (1.0, 0.95))
    ]
    figure = figure_of(*swept)
    (axes,) = figure.axes
    assert [mark[0] for mark in marks(axes).values()] == pytest.approx([0.9, 0.95])
    assert [bar[:2] for bar in bars(axes).values()] == [pytest.approx((0.89, 0.91)), pytest.approx((0.94, 0.96))]
    assert "softmax" not in text_of(figure)
    assert "each with its own 95 % interval: nothing is compared" in text_of(figure)


def test_one_seed_of_softmax_is_compared_with_nothing():
    figure = figure_of(row("softmax", 0.9), row("center", *around(0.95, 0.01)))
    (axes,) = figure.axes
    assert {name: mark[0] for name, mark in marks(axes).items()} == pytest.approx({"softmax": 0.9, "center": 0.95})
    assert marks(axes)["softmax"][2] == HOLLOW != marks(axes)["center"][2]
    assert list(bars(axes)) == ["center"]
    assert "than softmax" not in text_of(figure)


def test_the_key_names_what_is_drawn_and_no_more():
    figure = figure_of(SOFTMAX, row("center", *around(0.92, 0.01)))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [BETTER["label"], "softmax, the reference"]


def test_a_score_has_verdicts_of_its_own():
    center = {ACCURACY: around(0.52, 0.01), MAP: around(0.48, 0.01), RATIO: around(0.5, 0.01)}
    looks = [marks(axes)["center"][1] for axes in figure_of(SOFTMAX_OF_ALL, row("center", **center)).axes]
    assert looks == [">", "<", "o"]


def test_failed_seeds_are_told_beside_the_name():
    figure = figure_of(SOFTMAX, row("circle", failed=(1, 2)))
    assert "circle\nfailed: seed 1, seed 2" in words(figure)


def test_each_column_has_its_name_and_its_numbers():
    softmax = row("softmax", head_accuracy=[0.99], distance_ratio=[0.17])
    first, second = figure_of(softmax, row("center", distance_ratio=[0.11])).axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("head (%)", "intra/inter")
    assert numbers(first) == ["99.00", "–"]
    assert numbers(second) == ["0.170", "0.110"]


@pytest.mark.parametrize(
    ("score", "values", "expected"),
    [(ACCURACY, (0.90, 0.93), ["-2", "0", "+2"]), (RATIO, (0.25, 0.22), ["+0.02", "0", "-0.02"])],
)
def test_the_numbers_of_an_axis_are_round_and_signed(score, values, expected):
    softmax, center = (
        row(loss, **{score: around(mean, 0.001)}) for loss, mean in zip(("softmax", "center"), values, strict=True)
    )
    axes = drawn(softmax, center)
    left_to_right = sorted(axes.get_xticks(), key=lambda tick: axes.transData.transform((tick, 0))[0])
    assert [axes.xaxis.get_major_formatter()(tick) for tick in left_to_right] == expected


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_columns_are_the_headlines_of_the_protocol(protocol):
    run = make_run(protocol=protocol, split=0 if protocol == "open" else None)
    expected = [PROTOCOLS[protocol].scores[name].header for name in PROTOCOLS[protocol].headlines]
    figure = figure_of(Row("softmax", {RunFolder(run.settings.folder): run}))
    assert [axes.get_title(loc="left") for axes in figure.axes] == expected
    assert f"Scores of one {PROTOCOLS[protocol].unit}: " in text_of(figure)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_headline_is_better_in_one_direction(protocol):
    """The picture has a better side for each."""
    assert {PROTOCOLS[protocol].scores[name].better for name in PROTOCOLS[protocol].headlines} <= {-1, 1}


def test_a_score_that_no_loss_has_has_no_column():
    pixels = row(PIXELS, **{ACCURACY: [0.5], RATIO: [1.5]})
    figure = figure_of(pixels, row("triplet_only", **{RATIO: [0.2]}), row("softmax", failed=(0,)))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["intra/inter"]


def comparison(count, columns, softmax=True):
    rng = np.random.default_rng(0)
    scores = PROTOCOLS["closed"].headlines[:columns]
    rows = []
    for loss, overrides in COMPARED[: count + 1]:
        if loss == "softmax" and not softmax:
            continue
        seeds = 1 if loss == PIXELS or (loss != "softmax" and rng.random() < 0.3) else 3
        spread = rng.choice([0.001, 0.01, 0.2], p=[0.5, 0.4, 0.1])
        values = {name: rng.uniform(0.9 - spread, 0.9 + spread, seeds) for name in scores}
        rows.append(row(loss, **values, overrides=overrides, failed=(4, 5) if overrides else ()))
    return figure_of(*rows, title="QUICK · fashion_mnist: losses that differ from softmax: head 1 of 7, MAP@R 10 of 10")


@pytest.mark.parametrize("softmax", [True, False], ids=["tested", "untested"])
@pytest.mark.parametrize(("count", "columns"), [(2, 5), (4, 1), (12, 3), (33, 1), (33, 5)])
def test_every_text_of_the_intervals_can_be_read(count, columns, softmax):
    assert not unreadable(comparison(count, columns, softmax))
