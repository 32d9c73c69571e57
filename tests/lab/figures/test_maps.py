"""Maps show every point, class and mistake, and no text is cropped or covered."""

import dataclasses
import functools
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from support.pictures import DIGITS, FASHION, LONGEST_NAME, named_run, unreadable, words

from lab.figures.maps import comparison_tsne_figure, draw_tsne, tsne_figure
from lab.figures.style import REST, class_colors
from lab.protocols import PROTOCOLS
from losses import LOSSES

UNSEEN_NOTE = PROTOCOLS["open"].map_note


@pytest.fixture
def drawn_map():
    """Axes with a drawn map, and what was drawn."""
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.repeat([0, 1, 3], 40))  # None of class 2.
    coordinates = rng.normal(size=(4, 2))[labels] * [60, 20] + rng.normal(size=(120, 2))
    mistakes = rng.random(120) < 0.15
    axes = Figure(figsize=(4, 6)).add_subplot()
    draw_tsne(axes, coordinates, labels, ("a", "b", "c", "d"), mistakes, "title", "caption")
    FigureCanvasAgg(axes.figure).draw()
    return axes, coordinates, labels, mistakes


def test_each_class_is_named_once_at_its_medoid(drawn_map):
    axes, coordinates, labels, _ = drawn_map
    assert [text.get_text() for text in axes.texts] == ["a", "b", "d"]
    for text, label in zip(axes.texts, (0, 1, 3), strict=True):
        own = coordinates[labels == label]
        medoid = min(own.tolist(), key=lambda point, own=own: sum(math.dist(point, other) for other in own))
        assert list(text.get_position()) == medoid


def test_mistakes_are_crosses_and_the_rest_dots_in_the_color_of_their_class(drawn_map):
    axes, coordinates, labels, mistakes = drawn_map
    dots, crosses = axes.collections
    assert (len(dots.get_offsets()), len(crosses.get_offsets())) == (120 - mistakes.sum(), mistakes.sum())
    assert mistakes.sum() > 5
    colors = [to_hex(color) for color in class_colors(4)]
    place = {tuple(point): i for i, point in enumerate(coordinates)}
    for scatter, wrong in ((dots, False), (crosses, True)):
        for point, color in zip(scatter.get_offsets(), scatter.get_facecolors(), strict=True):
            i = place[tuple(point)]
            assert mistakes[i] == wrong
            assert to_hex(color) == colors[labels[i]]
    # A cross is two open strokes, a dot one closed curve.
    assert len(crosses.get_paths()[0].to_polygons(closed_only=False)) == 2
    assert len(dots.get_paths()[0].to_polygons()) == 1


def test_colours_may_be_given():
    axes = Figure().add_subplot()
    draw_tsne(axes, np.eye(4, 2), np.arange(4) % 2, ("a", "b"), np.arange(4) > 1, colors=("#ff0000", "#00ff00"))
    shown = {to_hex(color) for scatter in axes.collections for color in scatter.get_facecolors()}
    assert shown == {"#ff0000", "#00ff00"}


def test_a_map_without_mistakes_has_no_crosses():
    axes = Figure().add_subplot()
    draw_tsne(axes, np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2, ("a", "b"))
    assert [len(scatter.get_offsets()) for scatter in axes.collections] == [20, 0]


def test_a_map_is_square_on_paper_and_in_scale_and_holds_every_point(drawn_map):
    axes, coordinates, _, _ = drawn_map
    box = axes.get_window_extent()
    assert box.width == pytest.approx(box.height)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert right - left == pytest.approx(top - bottom)
    assert ([left, bottom] < coordinates.min(axis=0)).all()
    assert (coordinates.max(axis=0) < [right, top]).all()


def test_title_and_caption_are_drawn(drawn_map):
    axes, *_ = drawn_map
    assert axes.get_title(loc="left") == "title"
    assert axes.get_xlabel() == "caption"


TSNE_CAPTION = (
    "n 2,000 · perplexity 12.5 · seed 0 · KL 10.22 · 10 nearest kept 100%\n"
    "full space, all test images: 5-NN 100.00% · nearest mean 100.00% · MAP@R 0.999"
)
NOTE = (
    "2,000 test images, perplexity 12.5, 1,000 iterations, seed 0; embeddings L2-normalised. KL and the share of the "
    "10 nearest neighbours kept say how faithful a panel is. 5-NN, nearest mean and MAP@R are measured on all test "
    "images in the full space: they decide, not the picture."
)


def ring():
    """A map of ten clusters in a ring, so that no name has to cover another."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 30)
    angles = 2 * math.pi * (labels + 0.5) / 10
    coordinates = 10 * np.stack([np.cos(angles), np.sin(angles)], axis=1) + rng.normal(scale=0.7, size=(300, 2))
    return {"coordinates": coordinates, "labels": labels, "mistakes": rng.random(300) < 0.1}


UNSEEN_CAPTION = f"{TSNE_CAPTION}\n× misclassified by the loss's own classifier\n{UNSEEN_NOTE}"


def run_of(class_names, coordinates, labels, mistakes):
    """A `Run` with this map, of which the numbers are as long as they get."""
    run = named_run(
        class_names=class_names,
        arrays={"tsne_test": coordinates, "tsne_test_labels": labels, "tsne_mistakes": mistakes},
    )
    facts = dataclasses.replace(run.maps["test"], kl_divergence=10.22, neighbor_preservation=1.0)
    return dataclasses.replace(run, maps={"test": facts})


def comparison(panels, class_names, note=NOTE):
    runs = {f"{LONGEST_NAME} {number}": run_of(class_names, **ring()) for number in range(panels)}
    return comparison_tsne_figure("QUICK · fashion_mnist: what the loss does to the embedding", runs, note)


def single(class_names, caption=TSNE_CAPTION, name="triplet_center"):
    title = f"QUICK · {name} on fashion_mnist, seed 10: train images"
    return tsne_figure(title, caption, class_names=class_names, **ring())


FIGURES = {
    "one": lambda: single(FASHION),
    "one, digits": lambda: single(DIGITS),
    "one with changes": lambda: single(FASHION, name=f"{LONGEST_NAME} (exponential_center_weight=0.25)"),
    "one of unseen classes": lambda: single(FASHION, UNSEEN_CAPTION),
    "comparison of 1": lambda: comparison(1, FASHION),
    "comparison of 2": lambda: comparison(2, FASHION),
    "comparison of 5": lambda: comparison(5, FASHION),
    "comparison of 5, digits": lambda: comparison(5, DIGITS),
    "comparison of 5 of unseen classes": lambda: comparison(5, FASHION, f"{NOTE} {UNSEEN_NOTE}"),
    "comparison of 12": lambda: comparison(12, FASHION),
    "comparison of all": lambda: comparison(len(LOSSES) + 1, FASHION),
}


@functools.cache
def laid_out(name):
    """A figure whose panels have found their places."""
    figure = FIGURES[name]()
    FigureCanvasAgg(figure).draw()
    return figure


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_of_a_map_can_be_read(name):
    assert not unreadable(FIGURES[name]())


@pytest.mark.parametrize("name", FIGURES)
def test_names_of_classes_stay_inside_of_the_frame(name):
    for axes in (axes for axes in laid_out(name).axes if axes.axison):
        frame = axes.get_window_extent()
        for box in (text.get_window_extent() for text in axes.texts):
            assert frame.x0 <= box.x0
            assert box.x1 <= frame.x1


@pytest.mark.parametrize("name", [name for name in FIGURES if "comparison" in name])
def test_panels_of_a_comparison_are_squares_of_one_size(name):
    figure = laid_out(name)
    sides = [side for axes in figure.axes if axes.axison for side in axes.get_window_extent().size]
    assert sides == pytest.approx([sides[0]] * len(sides), rel=0.02)
    assert sides[0] > 3 * figure.dpi  # Inches.


def test_a_comparison_has_every_panel_and_a_key_of_all_classes():
    figure = comparison(5, FASHION)
    assert sum(axes.axison for axes in figure.axes) == 5
    shown = words(figure)
    for name in FASHION:
        assert shown.count(name) == 5 + 1
    assert "misclassified" in shown
    assert any("by the loss's own classifier" in " ".join(text.split()) for text in shown)
    assert sum(LONGEST_NAME in word for word in shown) == 5


def test_wide_names_in_the_key_take_no_width_from_the_maps():
    two_classes = ring() | {"labels": ring()["labels"] // 5}
    runs = {f"{LONGEST_NAME} {number}": run_of(20 * ["обыкновенный снегирь"], **two_classes) for number in range(5)}
    assert not unreadable(comparison_tsne_figure("title", runs, NOTE))


def test_a_comparison_draws_each_panel_from_its_own_run():
    places = [ring()["coordinates"] * (number + 1) for number in range(3)]
    runs = {f"panel {i}": run_of(DIGITS, **ring() | {"coordinates": found}) for i, found in enumerate(places)}
    figure = comparison_tsne_figure("title", runs, NOTE)
    for i, axes in enumerate(figure.axes[:3]):
        assert axes.get_title(loc="left") == f"panel {i}"
        crosses = places[i][ring()["mistakes"]]
        np.testing.assert_array_equal(axes.collections[1].get_offsets(), crosses)


def test_a_panel_says_the_scores_and_how_far_to_trust_the_map():
    caption = "5-NN 99.99% · nearest mean 99.99% · MAP@R 1.000\nKL 10.22 · 10 nearest kept 100%"
    assert words(comparison(2, DIGITS)).count(caption) == 2


def test_raw_pixels_have_no_mistakes():
    run = run_of(DIGITS, **ring())
    arrays = {name: array for name, array in run.arrays.items() if name != "tsne_mistakes"}
    axes, _ = comparison_tsne_figure("title", {"raw pixels": dataclasses.replace(run, arrays=arrays)}, NOTE).axes
    assert [len(scatter.get_offsets()) for scatter in axes.collections] == [300, 0]


def test_a_map_takes_lists_too():
    axes = Figure().add_subplot()
    draw_tsne(axes, [[0, 1], [2, 3], [4, 5]], [0, 1, 1], ["a", "b"])
    assert sorted(map(tuple, axes.collections[0].get_offsets())) == [(0, 1), (2, 3), (4, 5)]
    assert [text.get_text() for text in axes.texts] == ["a", "b"]


def test_the_note_below_a_map_is_how_to_read_it_or_another():
    usual, other = (
        " ".join(" ".join(words(tsne_figure("title", class_names=DIGITS, **ring(), **note))).split())
        for note in ({}, {"note": "another note"})
    )
    assert "Colour: the true class. How to read t-SNE" in usual
    assert "start from the same layout" in usual
    assert "another note" in other
    assert "How to read t-SNE" not in other


def test_a_comparison_stars_the_classes_never_seen():
    run = named_run(class_names=DIGITS[:6], unseen_names=DIGITS[6:])
    names = {*DIGITS[:6], *(f"{name}*" for name in DIGITS[6:])}
    panel, key = comparison_tsne_figure("title", {"loss": run}, NOTE).axes
    assert {text.get_text() for text in panel.texts} == names
    assert {text.get_text() for text in key.get_legend().get_texts()} == names | {"misclassified"}


def test_a_class_has_its_colour_in_every_split_in_the_map_and_in_the_key():
    closed = named_run()
    unseen = PROTOCOLS["open"].splits("digits", 10)[1]
    held_out = named_run(
        class_names=[name for name in DIGITS if int(name) not in unseen],
        unseen_names=[DIGITS[number] for number in unseen],
        split=1,
    )
    for run in (closed, held_out):
        panel, key = comparison_tsne_figure("title", {"loss": run}, NOTE).axes
        handles = key.get_legend().legend_handles[:10]
        keyed = {handle.get_label().strip("*"): to_hex(handle.get_color()) for handle in handles}
        assert keyed == dict(zip(DIGITS, map(to_hex, class_colors(10)), strict=True))
        places = list(map(tuple, run.arrays["tsne_test"]))
        dots = panel.collections[0]
        for point, color in zip(dots.get_offsets(), dots.get_facecolors(), strict=True):
            label = run.arrays["tsne_test_labels"][places.index(tuple(point))]
            assert to_hex(color) == keyed[run.class_names[label].strip("*")]


def test_a_key_of_many_classes_fits():
    names = [f"long_name_{number}" for number in range(47)]
    rng = np.random.default_rng(0)
    labels = np.arange(470) % 47
    places = 30 * rng.normal(size=(47, 2))[labels] + rng.normal(size=(470, 2))
    arrays = {"tsne_test": places, "tsne_test_labels": labels, "tsne_mistakes": labels < 0}
    runs = {f"loss {number}": named_run(class_names=names, arrays=arrays) for number in range(2)}
    figure = comparison_tsne_figure("title", runs, NOTE)
    shown = [text for text in words(figure) if text in names]
    assert set(shown[-47:]) == set(names)
    # In a panel, names may cover a part of another.
    assert not [trouble for trouble in unreadable(figure) if not set(names).issuperset(trouble[1:])]


def many_classes(unseen=0, **arrays):
    """A run of 1,000 classes, of which every fiftieth is told apart, and of 2,000 points."""
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.repeat(np.arange(0, 1000, 50), 50), np.arange(1000)])
    names = [f"kind/of/{number}" for number in range(1000)]
    arrays = {
        "tsne_test": 30 * rng.normal(size=(1000, 2))[labels] + rng.normal(size=(2000, 2)),
        "tsne_test_labels": labels,
        "tsne_mistakes": rng.random(2000) < 0.2,
        "colored_classes": np.arange(0, 1000, 50),
    } | arrays
    return named_run(class_names=names[: 1000 - unseen], unseen_names=names[1000 - unseen :], arrays=arrays)


def test_of_many_classes_those_told_apart_lie_in_front_and_are_named_as_far_as_there_is_room():
    run = many_classes()
    panel, key = comparison_tsne_figure("title", {"loss": run}, NOTE).axes
    labels, mistakes = run.arrays["tsne_test_labels"], run.arrays["tsne_mistakes"]
    own = np.isin(labels, run.arrays["colored_classes"])
    shown = [len(scatter.get_offsets()) for scatter in panel.collections]
    assert shown == [(chosen & kind).sum() for chosen in (~own, own) for kind in (~mistakes, mistakes)]
    for scatter in panel.collections[:2]:
        assert {to_hex(color) for color in scatter.get_facecolors()} == {REST}
    names = {run.class_names[number] for number in run.arrays["colored_classes"]}
    assert 10 < len(panel.texts) <= 20
    assert {text.get_text() for text in panel.texts} <= names
    keyed = [text.get_text() for text in key.get_legend().get_texts()]
    assert set(keyed[:20]) == names
    assert keyed[20:] == ["another class", "misclassified"]
    assert "20 of 1,000 classes in colour, a seeded choice; the rest grey." in " ".join(key.texts[0].get_text().split())


def test_every_text_of_a_map_of_many_classes_can_be_read():
    runs = {f"loss {number}": many_classes() for number in range(2)}
    figure = comparison_tsne_figure("title", runs, NOTE)
    names = set(runs["loss 0"].class_names)
    # In a panel, names may cover a part of another.
    assert not [trouble for trouble in unreadable(figure) if not names.issuperset(trouble[1:])]


def test_where_no_class_of_the_test_images_is_known_the_key_is_of_those_never_seen():
    run = many_classes(unseen=300, test_labels=np.arange(0))
    _, key = comparison_tsne_figure("title", {"loss": run}, NOTE).axes
    keyed = [text.get_text() for text in key.get_legend().get_texts()]
    assert keyed == [*(f"kind/of/{number}*" for number in range(700, 1000, 50)), "another class"]
    said = " ".join(key.texts[0].get_text().split())
    assert "6 of 300 classes in colour" in said
    assert "isclassified" not in said


def test_a_name_that_begins_with_an_underscore_is_in_the_key():
    run = named_run(class_names=["_a", "b", *DIGITS[2:]])
    _, key = comparison_tsne_figure("title", {"loss": run}, NOTE).axes
    assert [text.get_text().strip() for text in key.get_legend().get_texts()][:2] == ["_a", "b"]


@pytest.mark.parametrize(("rest", "each", "above"), [(True, 60, True), (False, 60, False), (False, 10, True)])
def test_a_name_stands_above_few_points_of_its_class(rest, each, above):
    points = np.random.default_rng(0).normal(scale=0.001, size=(4 * each, 2)) + np.repeat(
        [[0, 0], [1, 0], [0, 1], [1, 1]], each, 0
    )
    colors = (REST if rest else "#000000", "#ff0000", "#00ff00", "#0000ff")
    axes = Figure(figsize=(6, 6)).add_subplot()
    draw_tsne(axes, points, np.repeat(np.arange(4), each), "abcd", colors=colors)
    names = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert names.keys() == set("bcd" if rest else "abcd")
    assert (names["b"] > 0.01, names["c"] > 1.01) == (above, above)  # `c` and `d` are at the upper edge, within it.
    assert max(names.values()) < axes.get_ylim()[1]


def test_colors_may_be_any_that_matplotlib_knows():
    points, labels = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 3
    drawn = []
    for colors in (("#ff0000", "#00ff00", "#0000ff"), [(1, 0, 0), (0, 1, 0), (0, 0, 1)], np.eye(3)):
        axes = Figure().add_subplot()
        draw_tsne(axes, points, labels, "abc", colors=colors)
        drawn.append(axes.collections[0].get_facecolors())
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])
