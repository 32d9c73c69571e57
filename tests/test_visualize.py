"""Pictures of a run, of its training, and of all losses side by side say what they show."""

import dataclasses
import io
import textwrap

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from support.pictures import DIGITS, WITHOUT_HEAD, named_run, words
from support.runs import make_run, write_run

import visualize
from data import Dataset, Split
from lab import maps
from lab import measure as measurement
from lab.figures import style
from lab.film import Film, Frame
from lab.maps import Selection
from lab.protocols import PROTOCOLS
from lab.results import Results, Row, gather
from lab.run_folder import RunFolder
from lab.settings import PIXELS
from losses import LOSSES
from visualize import CAPTIONS, class_colors, comparison_pictures, run_pictures, training_pictures

PNG = b"\x89PNG\r\n"
KNOWN, UNSEEN = DIGITS[:6], DIGITS[6:]
UNSEEN_NOTE = PROTOCOLS["open"].map_note
IN_TWO_DIMENSIONS, MAPS = "comparison_features.png", "comparison_tsne.png"


@pytest.fixture
def as_figures(monkeypatch):
    """Pictures have their figure as their content, and an animation all of them."""
    monkeypatch.setattr(visualize, "as_png", lambda figure, dpi=None: figure)
    monkeypatch.setattr(visualize, "animation", lambda figures, smooth: list(figures))


@pytest.fixture
def coarse(monkeypatch):
    monkeypatch.setattr(style, "DPI", 40)


def read(figure):
    """What a figure says, without its line breaks."""
    return " ".join(" ".join(words(figure)).split())


def title(figure):
    return " ".join((figure.get_suptitle() or figure.axes[0].get_title(loc="left")).split())


def contents(pictures):
    """Dict from the file of each picture of a result to its content."""
    return {picture.file: picture.content for picture in pictures if picture.epoch is None}


# Of one run.


def wrong_run(**run):
    """A run that is wrong about two of twenty test images, one of which is kept, and about 3 of the nearest others."""
    labels, strips = np.arange(20) % 10, np.arange(10)[:, None] + np.zeros(9, int)
    strips[[0, 4, 7], 1] = 5  # A class has one other image.
    strips[:, 2:] = 9  # Hence these are not shown.
    arrays = {
        "test_embeddings": np.eye(2)[labels % 2],
        "test_predictions": np.where(labels == 3, 4, labels),
        "tsne_mistakes": labels == 3,
        "mistakes": np.array([13]),
        "mistake_images": np.zeros((1, 4, 4, 1), np.uint8),
        "strip_labels": strips,
    }
    return named_run(**{"arrays": arrays} | run)


@pytest.mark.parametrize(("dim", "own"), [(64, ("tsne_test", "tsne_train")), (2, ("features",))])
def test_a_run_has_every_kind_of_picture(dim, own, coarse):
    """t-SNE is for embeddings that cannot be drawn as they are."""
    pictures = run_pictures(wrong_run(embedding_dim=dim))
    names = ("distances", "roc", "neighbors", "confusion", "mistakes", *own)
    assert {picture.file for picture in pictures} == {f"{name}.png" for name in names}
    assert {picture.epoch for picture in pictures} == {None}
    assert all(picture.content.startswith(PNG) for picture in pictures)


@pytest.mark.usefixtures("as_figures")
def test_what_is_not_there_has_no_picture():
    """Mistakes of a run without any, and embeddings of more than two dimensions."""
    assert not {"mistakes.png", "features.png"} & contents(run_pictures(make_run())).keys()


@pytest.mark.usefixtures("as_figures")
def test_of_many_classes_without_a_mistake_nothing_is_confused(monkeypatch):
    assert "confusion.png" in contents(run_pictures(make_run()))
    monkeypatch.setattr(visualize, "MOST_ROWS", 9)
    assert "confusion.png" not in contents(run_pictures(make_run()))


@pytest.mark.usefixtures("as_figures")
@pytest.mark.parametrize(("dim", "own"), [(64, {"tsne_test", "tsne_train"}), (2, {"features"})])
def test_where_no_class_of_the_test_images_is_known_nothing_is_misclassified(dim, own):
    none = {"test_embeddings": np.zeros((0, 2)), "test_labels": np.arange(0), "test_predictions": np.arange(0)}
    unknown = {"unknown_embeddings": np.eye(20, 2), "unknown_labels": np.arange(20) % 4, "mistakes": np.arange(0)}
    run = open_run(embedding_dim=dim)
    arrays = run.arrays | none | unknown
    found = contents(run_pictures(dataclasses.replace(run, arrays=arrays)))
    assert {file.removesuffix(".png") for file in found} == {"distances", "roc", "neighbors", *own}
    assert not any("misclassified" in read(figure) for figure in found.values())


@pytest.mark.usefixtures("as_figures", "quick_maps")
@pytest.mark.parametrize("failure", [None, "diverged"])
def test_a_film_of_many_classes_has_the_colours_of_the_maps_also_if_the_run_failed(failure):
    names = [f"class {number}" for number in range(40)]
    run = named_run(class_names=names, failure=failure)
    images = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 1), np.uint8)
    film = Film(Split(images, np.arange(80) % 40), run.settings, colored=np.arange(0, 40, 2))
    film.frames.append(Frame(1.0, np.random.default_rng(0).normal(size=(80, 64)), None, None))
    (figure,) = contents(training_pictures(film, run))["training.gif"]
    rest, _, told_apart, _ = figure.axes[0].collections
    assert (len(rest.get_offsets()), len(told_apart.get_offsets())) == (40, 40)
    assert len({to_hex(color) for color in told_apart.get_facecolors()}) == 20
    assert "20 of 40 classes in colour, a seeded choice; the rest grey." in read(figure)


def test_a_run_that_failed_has_no_pictures():
    assert run_pictures(make_run(failure="diverged")) == []


class Undecided:
    """A model that knows every class by the images' brightness, but cannot decide between the second and the third."""

    class_directions = shown_centers = None

    def embed(self, images):
        brightness = images[:, 0, 0, 0]
        return np.eye(10, dtype=np.float32)[brightness % 10] + brightness[:, None] / 1000

    def class_logits(self, embeddings):
        logits = np.eye(10)[embeddings.argmax(axis=1)]
        logits[logits[:, 2] == 1, 1] = 1
        return logits


@pytest.mark.usefixtures("as_figures")
def test_only_mistakes_are_shown_as_mistakes(monkeypatch):
    """Even where the classifier is as sure of right images as of wrong ones."""
    images = np.zeros((100, 4, 4, 1), np.uint8) + np.arange(100, dtype=np.uint8)[:, None, None, None]
    split = Split(images, np.arange(100) % 10)
    data = Dataset("digits", split, split, split, DIGITS)
    selection = Selection(dict.fromkeys(("test", "train"), np.arange(100)), {}, np.arange(10), {})
    facts = make_run().maps
    places = {
        f"tsne_{part}{kind}": array
        for part in facts
        for kind, array in (("", np.eye(100, 2)), ("_labels", split.labels))
    }
    monkeypatch.setattr(measurement, "start_maps", lambda *_: lambda: (facts, places))
    run = measurement.measure(Undecided(), data, selection, make_run("center").settings, lambda stage: None)
    assert not run.arrays["test_errors"].any()
    figure = contents(run_pictures(run))["mistakes.png"]
    assert title(figure) == "center on digits, seed 0: all 10 mistakes"
    assert [(axes.get_title(), axes.texts[0].get_text()) for axes in figure.axes if axes.images] == [("2", "1")] * 10


@pytest.mark.usefixtures("as_figures")
def test_titles_of_a_run_say_which_it_is_and_its_finding():
    scores = {"map_at_r": 0.1, "eer": 0.2, "tar_at_far_1e-3": 0.3, "center_accuracy": 0.4}
    scores = dict.fromkeys(PROTOCOLS["closed"].scores, 0.9) | scores
    runs = wrong_run(score=scores), wrong_run(score=scores, embedding_dim=2)
    found = contents([picture for run in runs for picture in run_pictures(run)])
    assert {file.removesuffix(".png"): title(figure) for file, figure in found.items()} == {
        "tsne_test": "center on digits, seed 0, test images: MAP@R 0.1000",
        "tsne_train": "center on digits, seed 0, training images",
        "distances": "center on digits, seed 0: EER 20.00 %",
        "roc": "center on digits, seed 0: TAR at FAR 1e-3 30.00 %",
        "neighbors": "center on digits, seed 0: 7 of 10 neighbours of the same class",
        "confusion": "center on digits, seed 0: 2 of 20 test images wrong",
        "mistakes": "center on digits, seed 0: the 1 worst of 2 mistakes",
        "features": "center on digits, seed 0, test images: nearest mean 40.00 %",
    }


def open_run(**run):
    """A run that was trained on six of the ten digits."""
    labels = np.arange(20) % 6
    arrays = {
        "test_embeddings": np.eye(2)[labels % 2],
        "test_labels": labels,
        "test_predictions": labels,
        "class_means": np.eye(6),
        "directions": np.ones((6, 1, 2)),
        "unknown_labels": np.arange(36) % 4,
        "strip_labels": np.arange(4)[:, None] + np.zeros(9, int),
        "strip_images": np.zeros((4, 9, 4, 4, 1), np.uint8),
    }
    usual = {"class_names": KNOWN, "unseen_names": UNSEEN, "arrays": arrays, "embedding_dim": 2}
    return named_run(**usual | run)


@pytest.mark.usefixtures("as_figures")
def test_titles_of_an_open_run_say_which_classes_they_speak_of():
    scores = {"unseen_map_at_r": 0.1, "unseen_eer": 0.2, "unseen_tar_at_far_1e-3": 0.3, "known_center_accuracy": 0.4}
    scores = dict.fromkeys(PROTOCOLS["open"].scores, 0.9) | scores
    runs = open_run(score=scores), open_run(score=scores, embedding_dim=64)
    found = contents([picture for run in runs for picture in run_pictures(run)])
    run = "center on digits, split 0, seed 0"
    assert {file.removesuffix(".png"): title(figure) for file, figure in found.items()} == {
        "tsne_test": f"{run}, test images: unseen: MAP@R 0.1000",
        "tsne_train": f"{run}, training images",
        "distances": f"{run}, classes never seen: unseen: EER 20.00 %",
        "roc": f"{run}, classes never seen: unseen: TAR at FAR 1e-3 30.00 %",
        "neighbors": f"{run}, classes never seen: 32 of 32 neighbours of the same class",
        "confusion": f"{run}: 0 of 20 test images wrong",
        "features": f"{run}, test images of known classes: known: nearest mean 40.00 %",
    }
    assert {f"{name}*" for name in UNSEEN} <= set(words(found["tsne_test.png"]))
    assert not {f"{name}*" for name in UNSEEN} & set(words(found["features.png"]))


@pytest.mark.usefixtures("as_figures")
def test_changes_and_a_first_look_are_told_in_every_title():
    runs = (wrong_run(embedding_dim=d, quick=True, overrides={"center_weight": 0.5}, seed=3) for d in (2, 64))
    found = contents([picture for run in runs for picture in run_pictures(run)]).values()
    assert len(found) == 8
    for figure in found:
        assert title(figure).startswith("QUICK · center (center_weight=0.5) on digits, seed 3")


@pytest.mark.parametrize(
    ("score", "classifier"), [(0.9999, "the loss's own classifier"), (WITHOUT_HEAD, "the nearest class mean")]
)
@pytest.mark.usefixtures("as_figures")
def test_a_map_of_test_images_says_what_misclassifies(score, classifier):
    found = contents(run_pictures(wrong_run(score=score)))
    assert f"× misclassified by {classifier}" in read(found["tsne_test.png"])
    assert "misclassified" not in read(found["tsne_train.png"])


@pytest.mark.usefixtures("as_figures")
def test_maps_say_what_they_were_made_with_and_what_decides():
    run = wrong_run()
    run = dataclasses.replace(
        run, maps=run.maps | {"train": dataclasses.replace(run.maps["train"], n=1234, kl_divergence=2.5)}
    )
    found = contents(run_pictures(run))
    facts = "perplexity 5 · t-SNE seed 0"
    assert f"n 20 · {facts} · KL 1.00 · 10 nearest kept 50%" in read(found["tsne_test.png"])
    assert f"n 1,234 · {facts} · KL 2.50 · 10 nearest kept 50%" in read(found["tsne_train.png"])
    for name in ("tsne_test.png", "tsne_train.png"):
        text = read(found[name])
        assert f"full space, all test images: {run.protocol.line(run.scores)}" in text
        assert "How to read t-SNE" in text
        assert "start from the same layout" in text
        assert "never seen" not in text


@pytest.mark.usefixtures("as_figures")
def test_maps_of_an_open_run_say_what_the_stars_are():
    found = contents(run_pictures(open_run(embedding_dim=64)))
    for name in ("tsne_test.png", "tsne_train.png"):
        assert UNSEEN_NOTE in read(found[name])


@pytest.mark.usefixtures("as_figures")
def test_a_class_has_its_colour_in_all_pictures_of_every_split():
    unseen = PROTOCOLS["open"].splits("digits", 10)[2]
    names = {
        "class_names": [name for name in DIGITS if int(name) not in unseen],
        "unseen_names": [DIGITS[number] for number in unseen],
        "split": 2,
    }
    expected = dict(zip(DIGITS, class_colors(10), strict=True))
    for dim, files in ((2, ["features.png"]), (64, ["tsne_test.png", "tsne_train.png"])):
        run = open_run(embedding_dim=dim, **names)
        found = contents(run_pictures(run))
        labels = {"features.png": run.arrays["test_labels"]}
        for file in files:
            dots = found[file].axes[0].collections[0]
            kept = labels.get(file, run.arrays["tsne_test_labels"])
            shown = {to_hex(color) for color in dots.get_facecolors()}
            assert shown == {expected[run.class_names[label].strip("*")] for label in np.unique(kept)}, file


@pytest.mark.usefixtures("as_figures")
def test_each_map_shows_its_own_images_and_mistakes_are_of_the_test_images_alone():
    run = wrong_run()
    run = dataclasses.replace(run, arrays=run.arrays | {"tsne_train_labels": np.arange(20) % 5})
    found = contents(run_pictures(run))
    for part, wrong in (("test", run.arrays["tsne_mistakes"]), ("train", np.zeros(20, bool))):
        (axes,) = found[f"tsne_{part}.png"].axes
        dots, crosses = (scatter.get_offsets() for scatter in axes.collections)
        places = run.arrays[f"tsne_{part}"]
        assert sorted(map(tuple, dots)) == sorted(map(tuple, places[~wrong]))
        assert sorted(map(tuple, crosses)) == sorted(map(tuple, places[wrong]))
        assert {text.get_text() for text in axes.texts} == set(map(str, run.arrays[f"tsne_{part}_labels"]))


# Of a training.


def filmed(moments, dim=2, epochs=4, **run):
    """A film of forty images at some moments of a training, and the run that it ended in."""
    run = named_run(embedding_dim=dim, epochs=epochs, **run)
    rng = np.random.default_rng(0)
    labels = np.arange(40) % len(run.known_names)
    film = Film(Split(rng.integers(0, 256, (40, 8, 8, 1), np.uint8), labels), run.settings)
    for moment in moments:
        states = (rng.normal(size=(len(run.known_names), *shape)) for shape in ((1, dim), (dim,)))
        film.frames.append(Frame(moment, (1 + moment) * rng.normal(size=(40, dim)), *states))
    return film, run


@pytest.fixture
def quick_maps(monkeypatch):
    """t-SNE leaves points where they are."""
    monkeypatch.setattr(maps, "tsne", lambda points, start, *_: (start, 0.0))


def ends(pictures):
    """Dict from each epoch to the file and the content of its picture."""
    return {picture.epoch: (picture.file, picture.content) for picture in pictures if picture.epoch is not None}


@pytest.mark.usefixtures("as_figures", "quick_maps")
@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize(("epochs", "shown"), [(1.0, "1"), (1.25, "1.25"), (4.0, "4")])
def test_pictures_of_a_film_say_how_far_the_training_is(dim, epochs, shown):
    (figure,) = contents(training_pictures(*filmed([epochs], dim)))["training.gif"]
    assert title(figure) == f"center on digits, seed 0: validation images after {shown} of 4 epochs"


@pytest.mark.usefixtures("as_figures", "quick_maps")
@pytest.mark.parametrize(
    ("loss", "dataset", "dim", "epochs", "moments"),
    [
        ("softmax", "mnist", 2, 3, [0.1, 1, 1.1]),
        ("center", "mnist", 2, 15, [0.5, 9.5, 10]),
        ("center", "mnist", 2, 100, [9, 10]),
        ("triplet", "mnist", 3, 1000, [9, 10, 100, 1000]),
    ],
)
def test_nothing_but_the_embeddings_moves_in_a_film(loss, dataset, dim, epochs, moments):
    places, breaks = set(), set()
    film, run = filmed(moments, dim, epochs, loss=loss, dataset=dataset)
    for figure in contents(training_pictures(film, run))["training.gif"]:
        figure.draw_without_rendering()
        places.add(tuple(np.round(figure.axes[0].get_position().bounds, 6)))
        shown = figure.get_suptitle() or figure.axes[0].get_title(loc="left")
        breaks.add(tuple(len(line.split(" ")) for line in shown.split("\n")))
    assert len(places) == len(breaks) == 1


@pytest.mark.usefixtures("as_figures", "quick_maps")
def test_maps_of_a_film_do_not_claim_to_start_from_one_layout():
    for figure in contents(training_pictures(*filmed([1, 2], dim=3)))["training.gif"]:
        shown = read(figure)
        assert "How to read t-SNE" in shown
        assert "start from the same layout" not in shown


@pytest.mark.usefixtures("as_figures", "quick_maps")
def test_the_first_map_alone_says_that_it_began_from_the_pixels():
    shown = [read(figure) for figure in contents(training_pictures(*filmed([1, 2, 3], dim=3)))["training.gif"]]
    assert ["begun from a PCA of the pixels" in text for text in shown] == [True, False, False]
    assert ["begun where the map before it ended" in text for text in shown] == [False, True, True]
    assert all("n 40 · perplexity 30 · begun" in text for text in shown)


@pytest.mark.usefixtures("quick_maps")
@pytest.mark.parametrize("dim", [2, 3])
def test_a_film_is_a_picture_for_each_frame_of_one_size(dim):
    pictures = training_pictures(*filmed([0.5, 1, 2], dim))
    with Image.open(io.BytesIO(contents(pictures)["training.gif"])) as film:
        assert film.format == "GIF"
        assert film.n_frames == 3
        size = film.size
    stills = [Image.open(io.BytesIO(content)) for _, content in ends(pictures).values()]
    assert [(still.format, still.size) for still in stills] == [("PNG", size)] * 2


@pytest.mark.usefixtures("as_figures", "quick_maps")
@pytest.mark.parametrize(("dim", "file"), [(2, "features_over_training.png"), (3, "tsne_over_training.png")])
def test_the_ends_of_epochs_are_pictures_of_their_own(dim, file):
    film, run = filmed([0.5, 1, 1.5, 2, 3.5, 4], dim)
    pictures = training_pictures(film, run)
    assert [picture.file for picture in pictures] == ["training.gif", file, file, file]
    for epoch, (_, figure) in ends(pictures).items():
        assert f"after {epoch}.00 of 4 epochs" in title(figure)
    assert list(ends(pictures)) == [1, 2, 4]


@pytest.mark.usefixtures("as_figures")
def test_frames_of_two_dimensions_show_the_embeddings_of_their_moment_on_one_scale():
    film, run = filmed([0.5, 1, 2])
    figures = contents(training_pictures(film, run))["training.gif"]
    for figure, frame in zip(figures, film.frames, strict=True):
        points, centers = (scatter.get_offsets() for scatter in figure.axes[0].collections)
        assert sorted(map(tuple, points)) == sorted(map(tuple, frame.embeddings))
        np.testing.assert_array_equal(centers, frame.centers)
        assert {"class weight (direction)", "center"} <= set(words(figure))
    farthest = max(np.abs(frame.embeddings).max() for frame in film.frames)
    limits = [limit for figure in figures for limit in (*figure.axes[0].get_xlim(), *figure.axes[0].get_ylim())]
    assert limits == pytest.approx([-1.05 * farthest, 1.05 * farthest] * 6)


@pytest.mark.usefixtures("as_figures")
def test_frames_of_maps_show_the_places_of_their_moment(monkeypatch):
    monkeypatch.setattr(maps, "tsne", lambda points, start, *_: (points[:, :2], 0.0))
    film, run = filmed([1, 2], dim=3)
    for figure, places in zip(contents(training_pictures(film, run))["training.gif"], film.coordinates, strict=True):
        assert sorted(map(tuple, figure.axes[0].collections[0].get_offsets())) == sorted(map(tuple, places))
    assert not np.allclose(*film.coordinates)


@pytest.mark.usefixtures("as_figures", "quick_maps")
@pytest.mark.parametrize("dim", [2, 3])
def test_a_film_of_an_open_run_names_the_classes_trained_on(dim):
    film, run = filmed([4], dim, class_names=KNOWN, unseen_names=UNSEEN)
    (figure,) = contents(training_pictures(film, run))["training.gif"]
    assert {text for text in words(figure) if text.strip("*") in DIGITS} == set(KNOWN)


@pytest.mark.usefixtures("as_figures", "quick_maps")
@pytest.mark.parametrize("dim", [2, 3])
def test_a_film_of_an_open_run_has_the_colours_of_the_classes_trained_on(dim):
    unseen = PROTOCOLS["open"].splits("digits", 10)[2]
    known = [number for number in range(10) if number not in unseen]
    names = {"class_names": [DIGITS[number] for number in known], "unseen_names": [DIGITS[n] for n in unseen]}
    (figure,) = contents(training_pictures(*filmed([4], dim, split=2, **names)))["training.gif"]
    shown = {to_hex(color) for color in figure.axes[0].collections[0].get_facecolors()}
    assert shown == {class_colors(10)[number] for number in known}


@pytest.mark.parametrize(("dim", "smooth"), [(2, True), (3, False)])
@pytest.mark.usefixtures("as_figures", "quick_maps")
def test_a_film_of_maps_lasts_as_long_however_many_there_are(dim, smooth, monkeypatch):
    monkeypatch.setattr(visualize, "animation", lambda pngs, smooth: smooth)
    assert contents(training_pictures(*filmed([1, 2], dim)))["training.gif"] == smooth


@pytest.mark.usefixtures("as_figures")
def test_two_dimensional_embeddings_of_a_run_that_failed_are_shown_as_they_were_last():
    film, run = filmed([1, 1.5], failure="collapsed")
    pictures = training_pictures(film, run)
    figure = contents(pictures)["features.png"]
    assert title(figure) == "center on digits, seed 0: validation images after 1.50 of 4 epochs"
    points = film.frames[-1].embeddings
    assert sorted(map(tuple, figure.axes[0].collections[0].get_offsets())) == sorted(map(tuple, points))
    assert figure.axes[0].get_xlim()[1] == pytest.approx(1.1 * np.abs(points).max())  # A collapse may be small.


@pytest.mark.usefixtures("as_figures", "quick_maps")
@pytest.mark.parametrize(("dim", "failure"), [(2, None), (3, "diverged")])
def test_a_film_alone_has_no_picture_of_the_result(dim, failure):
    assert contents(training_pictures(*filmed([1, 1.5], dim, failure=failure))).keys() == {"training.gif"}


def test_a_training_that_failed_before_its_first_frame_has_no_pictures():
    assert training_pictures(*filmed([], failure="diverged")) == []


# Of all losses.


def results_of(*runs):
    """`Results` of some runs, the raw pixels first."""
    rows = {}
    for run in runs:
        rows.setdefault(run.settings.key, {})[RunFolder(run.settings.folder)] = run
    return Results(None, runs[-1].settings, [Row(key, found) for key, found in rows.items()], {})


@pytest.fixture
def given(monkeypatch, as_figures):
    """Comparisons have as their content the title and what else they are drawn from, and are not drawn."""
    for name in ("comparison_tsne", "comparison_features", "distances", "roc", "class_means", "intervals"):
        monkeypatch.setattr(visualize, f"{name}_figure", lambda *arguments: arguments)
    monkeypatch.setattr(visualize, "neighbors_pages", lambda *arguments: [arguments])


def test_comparisons_are_drawn_from_the_run_folders_alone(tmp_path, coarse):
    write_run(tmp_path, PIXELS)
    write_run(tmp_path)
    write_run(tmp_path, "center", seed=1)
    write_run(tmp_path, "ring", failure="diverged")
    pictures = comparison_pictures(gather(tmp_path))
    assert {picture.file for picture in pictures} == CAPTIONS.keys() - {IN_TWO_DIMENSIONS}
    assert {picture.epoch for picture in pictures} == {None}
    assert all(picture.content.startswith(PNG) for picture in pictures)


def test_two_dimensional_embeddings_are_drawn_themselves(coarse):
    arrays = {"test_embeddings": np.ones((10, 2)), "test_labels": np.arange(10)}
    flat = {"embedding_dim": 2}
    runs = make_run(PIXELS, **flat), make_run(arrays=arrays, **flat), make_run("ring", failure="collapsed", **flat)
    assert {picture.file for picture in comparison_pictures(results_of(*runs))} == CAPTIONS.keys() - {MAPS}


def test_two_dimensional_embeddings_of_the_open_protocol_are_those_of_known_classes(as_figures):
    found = contents(comparison_pictures(results_of(open_run())))
    assert {text for text in words(found[IN_TWO_DIMENSIONS]) if text.strip("*") in DIGITS} == set(KNOWN)
    assert "digits, classes unseen (split 0), test images of known classes" in title(found[IN_TWO_DIMENSIONS])


def test_raw_pixels_are_not_among_the_embeddings_of_two_dimensions(given):
    runs = make_run(PIXELS), make_run(embedding_dim=2), make_run("center", embedding_dim=2)
    _, shown = contents(comparison_pictures(results_of(*runs)))[IN_TWO_DIMENSIONS]
    assert list(shown) == ["softmax", "center"]


@pytest.mark.parametrize("dim", [2, 64])
def test_where_every_loss_failed_the_raw_pixels_are_drawn_alone(dim, as_figures):
    runs = make_run(PIXELS), make_run("ring", failure="collapsed", embedding_dim=dim)
    found = contents(comparison_pictures(results_of(*runs)))
    expected = CAPTIONS.keys() - {IN_TWO_DIMENSIONS, "comparison_scores.png"}
    assert found.keys() == (expected - {MAPS} if dim == 2 else expected)
    assert title(found["comparison_distances.png"]) == f"digits: {DISTANCES}"


def test_neighbours_of_many_losses_are_pictures_with_a_number(as_figures):
    runs = [make_run(loss) for loss in list(LOSSES)[:13]]
    found = contents(comparison_pictures(results_of(*runs)))
    pages = [file for file in found if "neighbors" in file]
    assert pages == [f"comparison_neighbors_{number}.png" for number in range(1, len(pages) + 1)]
    assert len(pages) > 1
    assert "(1 of" in title(found[pages[0]])


def test_nothing_is_drawn_of_nothing(tmp_path):
    write_run(tmp_path, failure="diverged")
    assert comparison_pictures(gather(tmp_path)) == []


def test_a_score_that_no_loss_has_is_no_column_of_the_picture(as_figures):
    runs = [make_run("triplet_only", WITHOUT_HEAD, seed=seed) for seed in (0, 1)]
    figure = contents(comparison_pictures(results_of(*runs)))["comparison_scores.png"]
    headers = [axes.get_title(loc="left") for axes in figure.axes]
    assert headers == ["nearest mean (%)", "MAP@R", "TAR at FAR 1e-3 (%)", "intra/inter"]


def test_open_pictures_show_one_split_and_leave_out_what_failed_on_it(given):
    runs = [
        make_run(loss, 0.5 + split / 10, failure, protocol="open", split=split)
        for loss in (PIXELS, "softmax", "center", "triplet")
        for split in (0, 1)
        for failure in ["diverged" if (loss, split) == ("center", 0) else None]
    ]
    found = contents(comparison_pictures(results_of(*runs)))
    for file in found.keys() - {"comparison_scores.png"}:
        text, shown, *_ = found[file]
        assert text.startswith("digits, classes unseen (split 1)")
        assert list(shown) == ["raw pixels", "softmax", "center", "triplet"]
        assert {run.settings.split for run in shown.values()} == {1}
        assert {run.scores["unseen_eer"] for run in shown.values()} == {0.6}


def test_pictures_show_the_seed_that_most_losses_have_and_say_where_it_is_another(given):
    trained = (("softmax", 0), ("softmax", 1), ("center", 1), ("triplet", 2))
    runs = [make_run(PIXELS), *(make_run(loss, seed / 10, seed=seed) for loss, seed in trained)]
    found = contents(comparison_pictures(results_of(*runs)))
    for file in found.keys() - {"comparison_scores.png"}:
        text, shown, *_ = found[file]
        assert text.startswith("digits (seed 1): ")
        assert {name: run.settings.seed for name, run in shown.items()} == {
            "raw pixels": None,
            "softmax": 1,
            "center": 1,
            "triplet (seed 2)": 2,
        }


DISTANCES = "distances between images of the same class and of different classes"
ROC = "verification ROC, pairs of the same class accepted over pairs of different classes accepted"
NEIGHBORS = "the same images and their nearest neighbours"


def losses_of_three_seeds(**settings):
    """Softmax, center and triplet of three seeds; center is better by about .2, triplet by nothing to speak of."""
    for seed in range(3):
        yield make_run("softmax", 0.5 + seed / 100, seed=seed, **settings)
        yield make_run("center", 0.7 + seed / 90, seed=seed, **settings)
        yield make_run("triplet", 0.52 - seed / 100, seed=seed, **settings)


def titles(*runs):
    """Dict from the name of each comparison of some runs to its title."""
    found = contents(comparison_pictures(results_of(*runs)))
    return {file.removeprefix("comparison_").removesuffix(".png"): text for file, (text, *_) in found.items()}


def test_titles_of_the_comparisons_say_what_they_show_and_the_scores_what_was_tested(given):
    counts = ", ".join(f"{name} 1 of 2" for name in ("head", "nearest mean", "MAP@R", "TAR at FAR 1e-3", "intra/inter"))
    assert titles(make_run(PIXELS, 0.1), *losses_of_three_seeds()) == {
        "tsne": "digits (seed 0): t-SNE of the same test images",
        "distances": f"digits (seed 0): {DISTANCES}",
        "roc": f"digits (seed 0): {ROC}",
        "class_means": "digits (seed 0): distances between the class means",
        "neighbors": f"digits (seed 0): {NEIGHBORS}",
        "scores": f"digits: losses that differ from softmax: {counts}",
    }


def test_the_title_of_embeddings_of_two_dimensions_says_of_which_images(given):
    found = titles(*losses_of_three_seeds(embedding_dim=2))
    assert found["features"] == "digits (seed 0), test images: two-dimensional embeddings as they are"


def test_titles_of_open_comparisons_say_which_classes_they_speak_of(given):
    stamp = "digits, classes unseen (split 0)"
    found = titles(open_run(embedding_dim=64))
    assert {name: found[name] for name in ("distances", "roc", "neighbors")} == {
        "distances": f"{stamp}: {DISTANCES}",
        "roc": f"{stamp}: {ROC}",
        "neighbors": f"{stamp}: {NEIGHBORS}",
    }
    features = titles(open_run())["features"]
    assert features == f"{stamp}, test images of known classes: two-dimensional embeddings as they are"


@pytest.mark.parametrize(
    ("runs", "finding"),
    [
        ([("softmax", 0), ("center", 0)], "scores of one seed, too few to tell a difference from chance"),
        ([("ring", 0), ("center", 0), ("center", 1)], "means with their 95 % intervals"),
    ],
)
def test_where_nothing_can_be_told_from_chance_the_scores_say_so(runs, finding, given):
    results = results_of(*(make_run(loss, seed=seed) for loss, seed in runs))
    assert contents(comparison_pictures(results))["comparison_scores.png"] == (f"digits: {finding}", results)


@pytest.mark.parametrize("dim", [2, 64])
def test_a_first_look_is_told_in_the_title_of_every_comparison(dim, given):
    found = titles(make_run(quick=True, embedding_dim=dim))
    assert len(found) == 6
    assert all(text.startswith("QUICK · digits") for text in found.values())


@pytest.mark.parametrize("run", [make_run(), open_run(embedding_dim=64)], ids=["closed", "open"])
def test_the_note_of_the_maps_says_what_they_share_and_what_decides(run, given):
    *_, note = contents(comparison_pictures(results_of(run)))["comparison_tsne.png"]
    assert note.startswith("20 test images, perplexity 5, 300 iterations, t-SNE seed 0; ")
    assert "measured on all test images in the full space: they decide" in note
    assert note.endswith(UNSEEN_NOTE if run.protocol.name == "open" else "not the picture.")


# On anyone's own axes.


def test_the_example_of_the_module_draws_the_digits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    matplotlib.use("Agg")
    _, example = visualize.__doc__.split("\n\n", 1)
    names = {}
    exec(textwrap.dedent(example), names)
    names["plt"].close(names["figure"])
    assert (tmp_path / "digits.png").read_bytes().startswith(PNG)
    assert set(DIGITS) <= set(words(names["figure"]))
    (dots, _) = names["axes"].collections
    assert len(dots.get_offsets()) == 1797
