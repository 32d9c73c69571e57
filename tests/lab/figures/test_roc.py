"""ROC curves are those given, listed with their numbers, and can be told apart."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from support.pictures import DIGITS, compared, named_run, unreadable, words

from lab.figures.roc import KEY_FAR, roc_figure
from lab.protocols import ROC_FARS
from lab.settings import PIXELS

FARS = np.logspace(-5, 0, 51)


def rates(log_odds):
    """TARs of a curve that has these odds at FAR 1e-3."""
    odds = np.exp(log_odds + np.log(FARS / 1e-3) / 2)
    return odds / (1 + odds)


def run_of(tars, eer=0.05, loss="center", **run):
    return named_run(loss, score={"eer": eer}, arrays={"roc_fars": FARS, "roc_tars": tars}, **run)


def comparison(count):
    """Losses of a few percent between them, and the raw pixels far below."""
    return compared(
        count,
        arrays=lambda number: {"roc_fars": FARS, "roc_tars": rates(3 + 0.05 * number if number else -4.0)},
        score={"eer": 0.05},
    )


def drawn_lines(figure):
    """The curves in the order of drawing, without the line at FAR 1e-3."""
    return [line for line in figure.axes[0].lines if len(line.get_xdata()) == len(FARS)]


def looks(line):
    return to_hex(line.get_color()), line.get_linestyle()


def test_curves_are_listed_by_their_tar_at_the_same_far_with_the_numbers_given():
    given = {"low": (0.0, 0.2), "high": (3.0, 0.0123), "middle": (1.0, 0.1)}
    figure = roc_figure("title", {name: run_of(rates(odds), eer) for name, (odds, eer) in given.items()})
    rows = [text for text in words(figure) if text in ("low", "high", "middle") or text.endswith("%")]
    key = rows[-9:]
    assert key == ["high", "95.26%", "1.23%", "middle", "73.11%", "10.00%", "low", "50.00%", "20.00%"]
    heights = [text.get_position()[1] for text in figure.axes[1].texts if text.get_text() in ("high", "middle", "low")]
    assert heights == sorted(heights)  # The axis points down.


def test_curves_pass_through_their_points():
    first, second = rates(2.0), rates(1.0)
    figure = roc_figure("title", {"b": run_of(second), "a": run_of(first)})
    for line, given in zip(drawn_lines(figure), (first, second), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), FARS)
        shown = (given > 0.001) & (given < 0.9997)
        assert shown.sum() > 40
        np.testing.assert_array_equal(line.get_ydata()[shown], given[shown])


def test_the_key_shows_the_line_of_its_curve():
    figure = roc_figure("title", comparison(7))
    assert list(map(looks, drawn_lines(figure))) == list(map(looks, figure.axes[1].lines))


@pytest.mark.parametrize("count", [4, 10])
def test_a_few_curves_all_look_different(count):
    lines = drawn_lines(roc_figure("title", comparison(count)))
    assert len(set(map(looks, lines))) == len(lines) == count


def test_the_best_curves_are_told_apart_without_colors():
    strokes = [(line.get_linestyle(), line.get_linewidth()) for line in drawn_lines(roc_figure("title", comparison(5)))]
    assert len(set(strokes)) == 5


@pytest.mark.parametrize("count", [12, 34])
def test_of_many_curves_the_extremes_softmax_and_raw_pixels_stand_out(count):
    runs = comparison(count)
    ranked = sorted(runs, key=lambda name: -runs[name].arrays["roc_tars"][20])
    lines = drawn_lines(roc_figure("title", runs))
    grey = looks(lines[len(lines) // 2])
    names = [name for name in ranked if name not in ("softmax", "raw pixels")]
    for name, line in zip(ranked, lines, strict=True):
        stands_out = name in ("softmax", "raw pixels", *names[:3], *names[-3:])
        assert (looks(line) != grey) == stands_out, name
    assert len({looks(line) for line in lines}) == 8 + 1


def test_softmax_and_raw_pixels_are_drawn_as_such_whatever_their_name_says():
    changed = {"overrides": {"smoothing": 0.1}}
    given = [("softmax", {}), ("softmax", changed), ("softmax", {"seed": 1}), ("l2_softmax", {}), (PIXELS, {})]
    looked = [
        looks(drawn_lines(roc_figure("title", {f"name {i}": run_of(rates(1.0), loss=loss, **settings)}))[0])
        for i, (loss, settings) in enumerate(given)
    ]
    assert looked[0] == looked[1] == looked[2]
    assert len({looked[0], looked[3], looked[4]}) == 3


def test_values_of_an_argument_of_softmax_are_told_apart():
    smoothed = [{"overrides": {"label_smoothing": value}, "sweep": "label_smoothing"} for value in (0.0, 0.1, 0.2)]
    figure = roc_figure("title", {f"{s}": run_of(rates(1.0), loss="softmax", **s) for s in smoothed})
    assert len({looks(line) for line in drawn_lines(figure)}) == 3


def test_every_picture_has_the_same_scales():
    given = [comparison(4), {"chance": run_of(np.clip(FARS, 0, 1))}, {"perfect": run_of(np.ones(len(FARS)))}]
    for runs in given:
        axes = roc_figure("title", runs).axes[0]
        assert (axes.get_xlim(), axes.get_ylim()) == ((1e-5, 1), (0.001, 0.9997))


def test_a_curve_leaves_the_scales_where_it_lies_outside_of_them():
    (line,) = drawn_lines(roc_figure("title", {"step": run_of((FARS >= 1e-3).astype(float))}))
    assert line.get_clip_on()
    low, high = line.axes.get_ylim()
    assert (np.where(FARS >= 1e-3, line.get_ydata() > high, line.get_ydata() < low)).all()
    assert np.isfinite(line.axes.transData.transform(line.get_xydata())).all()


def test_high_rates_are_spread_out():
    axes = roc_figure("title", comparison(4)).axes[0]
    heights = axes.transData.transform([[1e-3, tar] for tar in (0.95, 0.97, 0.98, 0.99)])[:, 1]
    assert (np.diff(heights) > 0.02 * axes.bbox.height).all()


@pytest.mark.parametrize("first", [1e-5, 1e-3])
def test_rates_of_nought_and_one_can_be_drawn(first):
    assert not unreadable(roc_figure("title", {"step": run_of((first <= FARS).astype(float), eer=0.0)}))


@pytest.mark.parametrize(("count", "noted"), [(10, False), (12, True)])
def test_a_note_says_which_losses_are_in_color(count, noted):
    shown = words(roc_figure("title", comparison(count)))
    assert any("the 3 best and the 3 worst losses" in text for text in shown) == noted


def test_every_run_has_a_rate_at_the_far_of_the_key():
    assert KEY_FAR == 1e-3
    assert np.isclose(ROC_FARS, KEY_FAR, rtol=1e-6).sum() == 1


def test_the_equal_error_rate_of_the_open_protocol_is_that_of_classes_never_seen():
    arrays = {"roc_fars": FARS, "roc_tars": rates(0)}
    run = named_run(unseen_names=DIGITS, score={"unseen_eer": 0.0123}, arrays=arrays)
    assert words(roc_figure("title", {"center": run}))[-3:-1] == ["50.00%", "1.23%"]


@pytest.mark.parametrize("count", [1, 4, 12, 34])
def test_every_text_of_the_curves_can_be_read(count):
    title = "QUICK · fashion_mnist: are two images of the same class?"
    assert not unreadable(roc_figure(title, comparison(count)))
