"""Interval plots show the means and intervals given, and what is distinguishable."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from pictures import loss_names, unreadable, words

from evaluation.significance import Interval
from visualize import intervals_figure

ACCURACY = {"name": "5-NN", "text": "{:.2%}".format}
RATIO = {"name": "intra/inter", "text": "{:.3f}".format}


def row(name, *intervals, distinguishable=False, failed=""):
    distinguishable = [distinguishable] * len(intervals)
    return {"name": name, "intervals": intervals, "distinguishable": distinguishable, "failed": failed}


PIXELS = row("raw pixels", Interval(0.5, np.nan))
SOFTMAX = row("softmax", Interval(0.99, 0.002))


def drawn(*rows, column=ACCURACY):
    return intervals_figure("title", [column], rows).axes[0]


def dots(axes):
    return [line for line in axes.lines if line.get_marker() == "o"]


def bars(axes):
    """Place, and both ends, of each bar."""
    lines = [line.get_xydata() for line in axes.lines if line.get_marker() != "o" and len(line.get_xdata()) == 2]
    return [(y, left, right) for (left, y), (right, other) in lines if y == other and (left, right) != (0, 1)]


def test_dots_are_at_the_means_and_bars_reach_half_a_width_to_both_sides():
    axes = drawn(SOFTMAX, row("center", Interval(0.98, 0.001)))
    places = axes.get_yticks().tolist()
    assert [tuple(dot.get_xydata()[0]) for dot in dots(axes)] == [(0.99, places[0]), (0.98, places[1])]
    ends = [end for bar in bars(axes) for end in bar]
    assert ends == pytest.approx([places[0], 0.988, 0.992, places[1], 0.979, 0.981])


def test_rows_are_in_the_order_given_from_top_to_bottom():
    axes = drawn(row("b", Interval(0.9, np.nan)), SOFTMAX, row("a", Interval(0.95, np.nan)))
    heights = axes.transData.transform([[0, place] for place in axes.get_yticks()])[:, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "softmax", "a"]
    assert (np.diff(heights) < 0).all()


def test_a_single_seed_has_a_dot_and_no_bar():
    axes = drawn(row("softmax", Interval(0.99, np.nan)), row("center", Interval(0.98, 0.001)))
    assert len(dots(axes)) == 2
    assert [place for place, *_ in bars(axes)] == [axes.get_yticks()[1]]


def test_distinguishable_losses_have_filled_dots_and_others_hollow_ones():
    axes = drawn(row("yes", Interval(0.97, 0.001), distinguishable=True), SOFTMAX, row("no", Interval(0.98, 0.01)))
    fills = [to_hex(dot.get_markerfacecolor()) for dot in dots(axes)]
    edges = [to_hex(dot.get_markeredgecolor()) for dot in dots(axes)]
    assert [fill == edge for fill, edge in zip(fills, edges, strict=True)] == [True, True, False]
    assert fills[2] == "#ffffff"
    assert edges[0] == edges[2] != edges[1]


def test_a_line_marks_the_mean_of_softmax():
    axes = drawn(row("softmax (seed 1)", Interval(0.99, 0.002)), row("l2_softmax", Interval(0.98, 0.001)))
    upright = [line.get_xdata() for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    assert upright == [[0.99, 0.99]]


def test_raw_pixels_do_not_change_the_scale_and_an_arrow_tells_their_number():
    losses = [SOFTMAX, row("center", Interval(0.98, 0.001))]
    axes = drawn(PIXELS, *losses)
    assert axes.get_xlim() == drawn(*losses).get_xlim()
    assert [text.get_text() for text in axes.texts] == ["50.00%"]
    assert len(dots(axes)) == 2
    edge, place = axes.texts[0].xy
    assert (edge, place) == (0, axes.get_yticks()[0])


def test_the_arrow_is_at_the_side_of_the_number():
    axes = drawn(row("raw pixels", Interval(1.32, np.nan)), SOFTMAX, column=RATIO)
    assert axes.texts[0].xy[0] == 1
    assert axes.texts[0].get_text() == "1.320"


def test_raw_pixels_within_the_scale_are_a_dot():
    axes = drawn(row("raw pixels", Interval(0.9895, np.nan)), SOFTMAX)
    assert len(dots(axes)) == 2
    assert not axes.texts


def test_the_scale_holds_every_bar():
    left, right = drawn(SOFTMAX, row("center", Interval(0.95, 0.02))).get_xlim()
    assert left < 0.93
    assert right > 0.992


def test_a_loss_without_a_score_has_no_dot():
    assert len(dots(drawn(SOFTMAX, row("triplet", None)))) == 1


def test_failed_seeds_are_told_beside_the_name():
    figure = intervals_figure("title", [ACCURACY], [SOFTMAX, row("circle", None, failed="seed 1, seed 2")])
    assert "circle\nfailed: seed 1, seed 2" in words(figure)


def test_each_column_has_its_scores_and_format():
    rows = [row("softmax", Interval(0.99, 0.002), Interval(0.17, 0.01)), row("center", None, Interval(0.11, 0.01))]
    first, second = intervals_figure("title", [ACCURACY, RATIO], rows).axes
    assert [dot.get_xdata()[0] for dot in dots(first)] == [0.99]
    assert [dot.get_xdata()[0] for dot in dots(second)] == [0.17, 0.11]
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("5-NN", "intra/inter")
    assert first.xaxis.get_major_formatter()(0.9) == "90.00%"
    assert second.xaxis.get_major_formatter()(0.9) == "0.900"


def test_a_row_with_too_few_intervals_is_refused_by_name():
    with pytest.raises(ValueError, match="softmax: 1 intervals for 2 columns"):
        intervals_figure("title", [ACCURACY, RATIO], [SOFTMAX])


def test_a_score_that_no_loss_has_is_refused_by_name():
    with pytest.raises(ValueError, match="5-NN: no loss has this score"):
        intervals_figure("title", [ACCURACY], [PIXELS, row("softmax", None)])


def comparison(count, columns):
    rng = np.random.default_rng(0)
    rows = [
        row(
            name,
            *(Interval(rng.uniform(0.97, 0.99), rng.choice([np.nan, 0.003])) for _ in range(columns)),
            distinguishable=bool(rng.random() < 0.5),
            failed="seed 1, seed 2" if name.endswith("=6)") else "",
        )
        for name in loss_names(count)
    ]
    rows[0]["intervals"] = [Interval(0.5 if i % 2 else 1.5, np.nan) for i in range(columns)]
    title = "QUICK · fashion_mnist: is a difference from softmax more than chance?"
    return intervals_figure(title, [ACCURACY, RATIO, ACCURACY, RATIO, ACCURACY][:columns], rows)


@pytest.mark.parametrize(("count", "columns"), [(4, 1), (4, 5), (12, 3), (34, 1), (34, 5)])
def test_every_text_of_the_intervals_can_be_read(count, columns):
    assert not unreadable(comparison(count, columns))
