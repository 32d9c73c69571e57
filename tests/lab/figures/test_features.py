"""Two-dimensional embeddings are drawn as they are, legibly; the animation has every frame."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from support.pictures import DIGITS, FASHION, compared, drawn_texts, named_run, unreadable, words

from lab.figures.features import animation, comparison_features_figure, features_figure, features_of
from lab.figures.style import REST, as_png, known_colors_of


def panel(seed=0, scale=10.0, classes=10):
    rng = np.random.default_rng(seed)
    centers = scale * rng.normal(size=(classes, 2))
    labels = rng.integers(0, classes, 400)
    points = centers[labels] + rng.normal(size=(400, 2))
    return {"points": points, "labels": labels, "directions": centers[:, None], "centers": centers}


def arrays_of(given):
    """A panel as a run keeps it."""
    names = {"points": "test_embeddings", "labels": "test_labels"}
    return {names.get(name, name): array for name, array in given.items()}


def comparison(count, class_names, arrays=lambda number: arrays_of(panel(number))):
    runs = compared(count, class_names, arrays, embedding_dim=2)
    return comparison_features_figure("QUICK · fashion_mnist: the embeddings themselves", runs)


def test_points_are_where_the_embeddings_are_in_the_colour_of_their_class():
    given = panel()
    axes = features_figure("title", **given, class_names=DIGITS).axes[0]
    drawn = axes.collections[0]
    order = np.lexsort(np.asarray(drawn.get_offsets()).T)
    np.testing.assert_allclose(
        np.asarray(drawn.get_offsets())[order], given["points"][np.lexsort(given["points"].T)], atol=1e-6
    )
    colors = drawn.get_facecolors()[order]
    labels = given["labels"][np.lexsort(given["points"].T)]
    assert all(len(np.unique(colors[labels == label], axis=0)) == 1 for label in range(10))
    low, high = axes.get_xlim()
    assert low == -high < -np.abs(given["points"]).max() * 0.99


def test_arrows_point_along_the_class_weights_and_crosses_are_at_the_centers():
    given = panel()
    axes = features_figure("title", **given, class_names=DIGITS).axes[0]
    ends = np.array([text.xy for text in axes.texts if text.get_text() == ""])
    directions = given["directions"][:, 0]
    cosines = (ends * directions).sum(axis=1) / np.linalg.norm(ends, axis=1) / np.linalg.norm(directions, axis=1)
    np.testing.assert_allclose(cosines, 1)
    np.testing.assert_allclose(axes.collections[1].get_offsets(), given["centers"])


@pytest.mark.parametrize(("directions", "centers"), [(True, False), (False, True), (False, False)])
def test_what_a_loss_does_not_have_is_neither_drawn_nor_named(directions, centers):
    given = panel()
    if not directions:
        given["directions"] = None
    if not centers:
        given["centers"] = None
    shown = words(features_figure("title", **given, class_names=DIGITS))
    assert ("class weight (direction)" in shown, "center" in shown) == (directions, centers)


def test_embeddings_that_are_all_zero_are_drawn():
    given = panel() | {"points": np.zeros((400, 2)), "directions": np.zeros((10, 1, 2))}
    assert features_figure("title", **given, class_names=DIGITS).axes[0].get_xlim() == (-1, 1)


@pytest.mark.parametrize("class_names", [DIGITS, FASHION])
@pytest.mark.parametrize("count", [1, 4, 12, 33])
def test_a_comparison_names_every_loss(class_names, count):
    figure = comparison(count, class_names)
    shown = words(figure)
    texts = "".join("".join(shown).split())
    assert all("".join(name.split()) in texts for name in compared(count))
    assert shown.count("5-NN 99.99% · nearest mean 99.99% · MAP@R 1.000") == count
    assert ("Each panel has its own scale." in shown) == (count > 1)
    names = {*class_names}  # Where classes lie on each other, so may theirs.
    assert not [trouble for trouble in unreadable(figure) if not names.issuperset(trouble[1:])]


def test_a_comparison_draws_each_panel_from_its_own_run():
    figure = comparison(4, DIGITS)
    for number, (axes, name) in enumerate(zip(figure.axes, compared(4), strict=True)):
        given = panel(number)
        assert "".join(axes.get_title(loc="left").split()) == "".join(name.split())
        drawn, centers = (np.asarray(scatter.get_offsets()) for scatter in axes.collections)
        np.testing.assert_allclose(sorted(map(tuple, drawn)), sorted(map(tuple, given["points"])))
        np.testing.assert_allclose(centers, given["centers"])
        assert sum(text.get_text() == "" for text in axes.texts) == 10  # Arrows.
        assert axes.get_xlim()[1] == pytest.approx(1.1 * np.abs(given["points"]).max())


def test_the_key_says_what_colours_mean():
    assert "image, in the colour of its class" in words(features_figure("title", **panel(), class_names=DIGITS))


@pytest.mark.parametrize(("kind", "shown"), [("directions", "class weight (direction)"), ("centers", "center")])
def test_the_key_of_a_comparison_names_what_one_of_the_losses_has(kind, shown):
    def arrays(number):
        return {name: array for name, array in arrays_of(panel(number)).items() if name[:4] == "test" or number == 1}

    both = {"class weight (direction)", "center"}
    assert both <= set(words(comparison(2, DIGITS, arrays)))
    others = words(comparison(2, DIGITS, lambda number: {k: v for k, v in arrays(number).items() if k != kind}))
    assert both - set(others) == {shown}


def test_what_is_shown_of_a_run_are_its_test_images_of_the_classes_trained_on():
    given = panel(classes=6)
    arrays = {name: array for name, array in arrays_of(given).items() if name != "centers"}
    shown = features_of(named_run(class_names=DIGITS[:6], unseen_names=DIGITS[6:], arrays=arrays))
    assert shown["colors"] == known_colors_of(named_run(class_names=DIGITS[:6], unseen_names=DIGITS[6:]))
    assert len(shown["colors"]) == 6
    for name in ("points", "labels", "directions"):
        np.testing.assert_array_equal(shown[name], given[name])
    assert (shown["class_names"], shown["centers"]) == (DIGITS[:6], None)


def test_names_of_classes_stay_inside_of_the_frame():
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]] * 10)
    figure = features_figure("title", points=corners, labels=np.arange(40) % 4, class_names=FASHION[:4], half=1)
    shown = dict(drawn_texts(figure))
    frame = figure.axes[0].get_window_extent()
    for box in (shown[text] for text in figure.axes[0].texts):
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1


@pytest.mark.parametrize(("frames", "moving"), [(1, 0), (2, 2500), (4, 830), (10, 270)])
def test_an_animation_that_is_not_smooth_lasts_four_seconds_of_which_the_last_frame_rests(frames, moving):
    figures = (features_figure(f"{number}", **panel(number), class_names=DIGITS) for number in range(frames))
    pngs = [as_png(figure, dpi=20) for figure in figures]
    film = Image.open(io.BytesIO(animation(pngs, smooth=False)))
    durations = []
    for number in range(frames):
        film.seek(number)
        durations.append(film.info["duration"])
    assert durations[:-1] == [moving] * (frames - 1)
    assert sum(durations) == 4000
    assert frames == 1 or durations[-1] == pytest.approx(1500, abs=100)


@pytest.mark.parametrize("collapsed", [None, 0, 2])
def test_an_animation_has_every_frame_in_its_colours_and_rests_on_the_last(collapsed):
    frames = []
    for number in range(3):
        given = panel(number) if number != collapsed else panel() | {"points": np.zeros((400, 2))}
        frames.append(as_png(features_figure(f"frame {number}", **given, class_names=DIGITS, half=40), dpi=60))
    film = Image.open(io.BytesIO(animation(frames)))
    assert film.n_frames == 3
    durations = []
    for number, content in enumerate(frames):
        film.seek(number)
        durations.append(film.info["duration"])
        shown = np.asarray(film.convert("RGB"), int)
        wanted = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), int)
        colored = np.ptp(wanted, axis=-1) > 60
        assert (np.abs(shown - wanted)[colored].max(axis=-1) > 60).mean() < 0.02
        assert np.abs(shown - wanted).mean() < 3
    assert durations[-1] > 5 * durations[0] > 0


def test_what_is_grey_lies_behind_without_name_arrow_or_cross():
    given = panel()
    colors = [REST] * 10
    colors[3], colors[8] = "#ff0000", "#00ff00"
    figure = features_figure("title", **given, class_names=FASHION, colors=colors)
    axes = figure.axes[0]
    behind, told_apart, centers = axes.collections
    assert {to_hex(color) for color in behind.get_facecolors()} == {REST}
    own = np.isin(given["labels"], [3, 8])
    np.testing.assert_allclose(sorted(map(tuple, told_apart.get_offsets())), sorted(map(tuple, given["points"][own])))
    np.testing.assert_allclose(centers.get_offsets(), given["centers"][[3, 8]])
    assert sorted(text.get_text() for text in axes.texts) == ["", "", "Bag", "Dress"]
    assert "2 of 10 classes in colour, a seeded choice; the rest grey." in words(figure)


def test_where_no_class_of_the_test_images_is_known_those_never_seen_are_shown():
    arrays = {"test_labels": np.arange(0), "unknown_embeddings": np.eye(4, 2), "unknown_labels": np.arange(4)}
    run = named_run(class_names=DIGITS[:6], unseen_names=DIGITS[6:], arrays=arrays | {"centers": np.eye(6, 2)})
    shown = features_of(run)
    np.testing.assert_array_equal(shown["points"], np.eye(4, 2))
    assert (shown["class_names"], len(shown["colors"])) == (DIGITS[6:], 4)
    assert "centers" not in shown
    assert "center" not in words(comparison_features_figure("title", {"loss": run}))
