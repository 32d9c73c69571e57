"""Interval plots show the means and intervals over the runs, and what is distinguishable."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex
from support.pictures import COMPARED, unreadable, words
from support.runs import make_run

from lab.figures.intervals import intervals_figure
from lab.protocols import PROTOCOLS
from lab.results import Results, Row
from lab.run_folder import RunFolder
from lab.settings import PIXELS

ACCURACY, RATIO = "center_accuracy", "distance_ratio"
NO_SCORES = dict.fromkeys(PROTOCOLS["closed"].scores)
STUDENT_T = 4.302653  # 97.5 % quantile for three runs.


def around(mean, half_width):
    """Scores of three seeds that have this mean and this half-width of its 95 % interval."""
    deviation = half_width * math.sqrt(3) / STUDENT_T
    return [mean - deviation, mean, mean + deviation]


def row(loss, *values, failed=(), overrides=None, **scores):
    """The runs of a loss: its accuracies, or several `scores` by name, over the seeds; and the seeds that failed."""
    scores = scores or {ACCURACY: values}
    runs = [
        make_run(loss, NO_SCORES | dict(zip(scores, of_seed, strict=True)), seed=seed, overrides=overrides or {})
        for seed, of_seed in enumerate(zip(*scores.values(), strict=True))
    ]
    runs += [make_run(loss, failure="diverged", seed=seed, overrides=overrides or {}) for seed in failed]
    return Row(runs[0].settings.key, {RunFolder(run.settings.folder): run for run in runs})


def figure_of(*rows, title="title"):
    return intervals_figure(title, Results(None, rows[0].first.settings, list(rows), {}))


def drawn(*rows):
    (axes,) = figure_of(*rows).axes
    return axes


SOFTMAX = row("softmax", *around(0.99, 0.002))


def dots(axes):
    return [line for line in axes.lines if line.get_marker() == "o"]


def bars(axes):
    """Place, and both ends, of each bar."""
    lines = [line.get_xydata() for line in axes.lines if line.get_marker() != "o" and len(line.get_xdata()) == 2]
    return [(y, left, right) for (left, y), (right, other) in lines if y == other and (left, right) != (0, 1)]


def test_dots_are_at_the_means_and_bars_reach_half_a_width_to_both_sides():
    axes = drawn(SOFTMAX, row("center", *around(0.98, 0.001)))
    places = axes.get_yticks().tolist()
    means = [number for dot in dots(axes) for number in dot.get_xydata()[0]]
    assert means == pytest.approx([0.99, places[0], 0.98, places[1]])
    ends = [end for bar in bars(axes) for end in bar]
    assert ends == pytest.approx([places[0], 0.988, 0.992, places[1], 0.979, 0.981], rel=1e-6)


def test_rows_are_in_the_order_given_from_top_to_bottom():
    axes = drawn(row("triplet", 0.9), SOFTMAX, row("center", 0.95))
    heights = axes.transData.transform([[0, place] for place in axes.get_yticks()])[:, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["triplet", "softmax", "center"]
    assert (np.diff(heights) < 0).all()


def test_a_single_seed_has_a_dot_and_no_bar():
    axes = drawn(row("softmax", 0.99), row("center", *around(0.98, 0.001)))
    assert len(dots(axes)) == 2
    assert [place for place, *_ in bars(axes)] == [axes.get_yticks()[1]]


def fills_and_edges(axes):
    marks = dots(axes)
    return [[to_hex(mark) for mark in (dot.get_markerfacecolor(), dot.get_markeredgecolor())] for dot in marks]


def test_distinguishable_losses_have_filled_dots_and_others_hollow_ones():
    axes = drawn(row("center", *around(0.97, 0.001)), SOFTMAX, row("triplet", *around(0.985, 0.01)))
    looks = fills_and_edges(axes)
    assert [fill == edge for fill, edge in looks] == [True, True, False]
    assert looks[2][0] == "#ffffff"
    assert looks[0][1] == looks[2][1] != looks[1][1]


def test_what_one_seed_alone_has_is_not_called_distinguishable():
    axes = drawn(row("softmax", 0.99), row("center", 0.5))
    assert [fill == edge for fill, edge in fills_and_edges(axes)] == [True, False]


def test_each_column_has_distinguishable_losses_of_its_own():
    center = {ACCURACY: around(0.97, 0.001), RATIO: around(0.2, 0.1)}
    softmax = {ACCURACY: around(0.99, 0.002), RATIO: around(0.21, 0.2)}
    looks = [fills_and_edges(axes)[1] for axes in figure_of(row("softmax", **softmax), row("center", **center)).axes]
    assert [fill == edge for fill, edge in looks] == [True, False]


def test_a_line_marks_the_mean_of_softmax():
    axes = drawn(row("softmax", *around(0.99, 0.002), overrides={"smoothing": 0.1}), row("l2_softmax", 0.98))
    upright = [line.get_xdata() for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    np.testing.assert_allclose(upright, [[0.99, 0.99]])


def test_raw_pixels_do_not_change_the_scale_and_an_arrow_tells_their_number():
    losses = [SOFTMAX, row("center", *around(0.98, 0.001))]
    axes = drawn(row(PIXELS, 0.5), *losses)
    assert axes.get_xlim() == drawn(*losses).get_xlim()
    assert [text.get_text() for text in axes.texts] == ["50.00"]
    assert len(dots(axes)) == 2
    edge, place = axes.texts[0].xy
    assert (edge, place) == (0, axes.get_yticks()[0])
    assert axes.get_yticklabels()[0].get_text() == "raw pixels"


def test_the_arrow_is_at_the_side_of_the_number():
    axes = drawn(row(PIXELS, **{RATIO: [1.32]}), row("softmax", **{RATIO: around(0.99, 0.002)}))
    assert axes.texts[0].xy[0] == 1
    assert axes.texts[0].get_text() == "1.320"


def test_raw_pixels_within_the_scale_are_a_dot():
    axes = drawn(row(PIXELS, 0.9895), SOFTMAX)
    assert len(dots(axes)) == 2
    assert not axes.texts


def test_the_scale_holds_every_bar():
    left, right = drawn(SOFTMAX, row("center", *around(0.95, 0.02))).get_xlim()
    assert left < 0.93
    assert right > 0.992


def test_a_loss_without_a_score_has_no_dot():
    softmax = row("softmax", **{ACCURACY: [0.99], RATIO: [0.2]})
    accuracy, ratio = figure_of(softmax, row("center", **{RATIO: [0.1]})).axes
    assert (len(dots(accuracy)), len(dots(ratio))) == (1, 2)


def test_failed_seeds_are_told_beside_the_name():
    figure = figure_of(SOFTMAX, row("circle", failed=(1, 2)))
    assert "circle\nfailed: seed 1, seed 2" in words(figure)


def test_each_column_has_its_scores_and_format():
    softmax = row("softmax", head_accuracy=[0.99], distance_ratio=[0.17])
    first, second = figure_of(softmax, row("center", distance_ratio=[0.11])).axes
    assert [dot.get_xdata()[0] for dot in dots(first)] == [0.99]
    assert [dot.get_xdata()[0] for dot in dots(second)] == [0.17, 0.11]
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("head (%)", "intra/inter")
    assert first.xaxis.get_major_formatter()(0.9) == "90.00"
    assert second.xaxis.get_major_formatter()(0.9) == "0.900"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_columns_are_the_headlines_of_the_protocol(protocol):
    run = make_run(protocol=protocol, split=0 if protocol == "open" else None)
    expected = [PROTOCOLS[protocol].scores[name].header for name in PROTOCOLS[protocol].headlines]
    figure = figure_of(Row("softmax", {RunFolder(run.settings.folder): run}))
    assert [axes.get_title(loc="left") for axes in figure.axes] == expected
    assert any(f"means over {PROTOCOLS[protocol].units}" in " ".join(text.split()) for text in words(figure))


def test_a_score_that_no_loss_has_has_no_column():
    pixels = row(PIXELS, **{ACCURACY: [0.5], RATIO: [1.5]})
    figure = figure_of(pixels, row("triplet_only", **{RATIO: [0.2]}), row("softmax", failed=(0,)))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["intra/inter"]


def comparison(count, columns):
    rng = np.random.default_rng(0)
    scores = PROTOCOLS["closed"].headlines[:columns]
    rows = []
    for loss, overrides in COMPARED[:count]:
        seeds = 1 if loss == PIXELS or rng.random() < 0.5 else 3
        values = {name: rng.uniform(0.97, 0.99, seeds) for name in scores}
        if loss == PIXELS:
            values = {name: [0.5 if column % 2 else 1.5] for column, name in enumerate(scores)}
        rows.append(row(loss, **values, overrides=overrides, failed=(4, 5) if overrides else ()))
    return figure_of(*rows, title="QUICK · fashion_mnist: is a difference from softmax more than chance?")


@pytest.mark.parametrize(("count", "columns"), [(4, 1), (4, 5), (12, 3), (34, 1), (34, 5)])
def test_every_text_of_the_intervals_can_be_read(count, columns):
    assert not unreadable(comparison(count, columns))
