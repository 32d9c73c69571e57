"""ROC curves are those given, listed with their numbers, and can be told apart."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from pictures import loss_names, unreadable, words

from visualize import roc_figure

FARS = np.logspace(-5, 0, 51)


def curve(name, log_odds, eer=0.05):
    """A curve whose TAR at FAR 1e-3 has these odds."""
    odds = np.exp(log_odds + np.log(FARS / 1e-3) / 2)
    return {"name": name, "fars": FARS, "tars": odds / (1 + odds), "eer": eer}


def comparison(count):
    """Losses of a few percent between them, and the raw pixels far below."""
    return [curve(name, -4.0 if name == "raw pixels" else 3 + 0.05 * i) for i, name in enumerate(loss_names(count))]


def drawn_lines(figure):
    """The curves in the order of drawing, without the line at FAR 1e-3."""
    return [line for line in figure.axes[0].lines if len(line.get_xdata()) == len(FARS)]


def looks(line):
    return to_hex(line.get_color()), line.get_linestyle()


def test_curves_are_listed_by_their_tar_at_the_same_far_with_the_numbers_given():
    figure = roc_figure("title", [curve("low", 0.0, 0.2), curve("high", 3.0, 0.0123), curve("middle", 1.0, 0.1)])
    rows = [text for text in words(figure) if text in ("low", "high", "middle") or text.endswith("%")]
    key = rows[-9:]
    assert key == ["high", "95.26%", "1.23%", "middle", "73.11%", "10.00%", "low", "50.00%", "20.00%"]
    heights = [text.get_position()[1] for text in figure.axes[1].texts if text.get_text() in ("high", "middle", "low")]
    assert heights == sorted(heights)  # The axis points down.


def test_curves_pass_through_their_points():
    first, second = curve("a", 2.0), curve("b", 1.0)
    for line, given in zip(drawn_lines(roc_figure("title", [second, first])), (first, second), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), FARS)
        np.testing.assert_allclose(line.get_ydata(), given["tars"], atol=1e-6)


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
    curves = sorted(comparison(count), key=lambda curve: -curve["tars"][20])
    lines = drawn_lines(roc_figure("title", curves))
    grey = looks(lines[len(lines) // 2])
    names = [curve["name"] for curve in curves if curve["name"] not in ("softmax", "raw pixels")]
    for given, line in zip(curves, lines, strict=True):
        stands_out = given["name"] in ("softmax", "raw pixels", *names[:3], *names[-3:])
        assert (looks(line) != grey) == stands_out, given["name"]
    assert len({looks(line) for line in lines}) == 8 + 1


def test_softmax_with_changed_arguments_is_still_drawn_as_softmax():
    looked = [
        looks(drawn_lines(roc_figure("title", [curve(name, 1.0)]))[0])
        for name in ("softmax", "softmax (softmax.smoothing=0.1)", "softmax (seed 1)", "l2_softmax")
    ]
    assert looked[0] == looked[1] == looked[2] != looked[3]


def test_the_scale_is_that_of_the_losses():
    with_pixels = roc_figure("title", comparison(4)).axes[0].get_ylim()
    without = roc_figure("title", [c for c in comparison(4) if c["name"] != "raw pixels"]).axes[0].get_ylim()
    assert with_pixels == without
    shown = np.concatenate([c["tars"][FARS <= 0.1] for c in comparison(4)[1:]])
    assert without[0] < shown.min() < shown.max() < without[1]


def test_high_rates_are_spread_out():
    axes = roc_figure("title", comparison(4)).axes[0]
    heights = axes.transData.transform([[1e-3, tar] for tar in (0.95, 0.97, 0.98, 0.99)])[:, 1]
    assert (np.diff(heights) > 0.05 * axes.bbox.height).all()


@pytest.mark.parametrize("first", [1e-5, 1e-3])
def test_rates_of_nought_and_one_can_be_drawn(first):
    step = {"name": "step", "fars": FARS, "tars": (first <= FARS).astype(float), "eer": 0.0}
    figure = roc_figure("title", [step])
    assert not unreadable(figure)
    assert figure.axes[0].get_xlim()[1] > 1e-3


def test_the_far_axis_has_the_range_it_is_given():
    assert roc_figure("title", comparison(4), far_range=(1e-4, 0.05)).axes[0].get_xlim() == (1e-4, 0.05)


def test_the_far_axis_ends_where_the_last_loss_has_left_the_picture():
    curves = comparison(4)
    axes = roc_figure("title", curves).axes[0]
    (_, last), (_, top) = axes.get_xlim(), axes.get_ylim()
    tars = np.array([c["tars"] for c in curves if c["name"] != "raw pixels"]).min(axis=0)
    shown = curves[0]["fars"] < last
    assert tars[shown].max() <= top < tars[~shown].min()
    assert last < 1


def test_curves_that_never_leave_are_shown_whole():
    flat = {"name": "flat", "fars": FARS, "tars": np.full(len(FARS), 0.5), "eer": 0.5}
    assert roc_figure("title", [flat, curve("other", 3)]).axes[0].get_xlim() == (1e-5, 1)


@pytest.mark.parametrize(("count", "noted"), [(10, False), (12, True)])
def test_a_note_says_which_losses_are_in_color(count, noted):
    shown = words(roc_figure("title", comparison(count)))
    assert any("the 3 best and the 3 worst losses" in text for text in shown) == noted


def test_a_curve_without_the_far_of_the_key_is_refused_by_name():
    sparse = {"name": "sparse", "fars": np.array([1e-5, 1e-2]), "tars": np.array([0.5, 0.9]), "eer": 0.05}
    with pytest.raises(ValueError, match=r"sparse: no TAR at FAR 0\.001"):
        roc_figure("title", [sparse])


@pytest.mark.parametrize("count", [1, 4, 12, 34])
def test_every_text_of_the_curves_can_be_read(count):
    title = "QUICK · fashion_mnist: are two images of the same class?"
    assert not unreadable(roc_figure(title, comparison(count)))
