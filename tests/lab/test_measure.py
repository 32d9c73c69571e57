"""What is measured of a model and of the raw pixels: all that is ever said and shown of them, and the same images."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
from support.small_network import few_digits, small_model, small_settings

from data import Dataset
from evaluation import vectors
from evaluation.retrieval import retrieval
from evaluation.vectors import l2_normalize
from lab.film import Film, Frame
from lab.maps import STRIP, Selection
from lab.measure import MISTAKES, Logits, measure, measure_pixels
from lab.pixels import pixel_vectors
from lab.protocols import PROTOCOLS
from visualize import run_pictures

pytestmark = pytest.mark.xdist_group("measure")  # They share what takes long to make.

UNSEEN = (1, 4, 6, 9)
SETTINGS = {
    None: small_settings("center", perplexity=10.0, tsne_iterations=300),
    0: small_settings("center", perplexity=10.0, tsne_iterations=300, protocol="open", split=0),
}


def silent(stage):
    pass


@dataclasses.dataclass(frozen=True)
class Case:
    """What was measured of a split."""

    data: Dataset
    model: object
    pixels: object
    run: object
    stages: list


@pytest.fixture(scope="module", params=[None, 0], ids=["closed", "open"])
def case(request):
    """A model that need not be trained, measured on few images of all classes, or of classes never seen too."""
    few = dataclasses.replace(few_digits(), train=few_digits().train[:200], test=few_digits().test[:200])
    data, settings, stages = few.hold_out(() if request.param is None else UNSEEN), SETTINGS[request.param], []
    model, pixels = small_model(settings, data), measure_pixels(data, settings.of_pixels(), silent)
    run = measure(model, data, pixels.selection(), settings, stages.append)
    return Case(data, model, pixels, run, stages)


def points_of(case, part):
    """The L2-normalised embeddings of a part."""
    return l2_normalize(case.model.embed(case.data.parts[part].images))


def test_a_run_is_judged_by_its_protocol(case):
    data, run = case.data, case.run
    embeddings = {part: case.model.embed(split.images) for part, split in data.parts.items()}
    logits = {part: case.model.class_logits(found) for part, found in embeddings.items()}
    expected = PROTOCOLS[run.settings.protocol].judge(data, embeddings, logits)
    assert (run.scores, run.details) == (expected.scores, expected.details)
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(run.arrays[name], array, err_msg=name)
    right = run.arrays["test_predictions"] == data.test.labels
    assert run.scores[run.protocol.head] == right.mean()
    np.testing.assert_array_equal(run.arrays["test_embeddings"], embeddings["test"])


def test_logits_of_many_images_and_classes_are_made_part_by_part(monkeypatch):
    """As a whole array has them, also of no images."""
    sizes, weights = [], np.random.default_rng(0).normal(size=(3, 7))
    embeddings = np.random.default_rng(1).normal(size=(10, 3))

    class Classifier:
        def class_logits(self, part):
            sizes.append(len(part))
            return part @ weights

    monkeypatch.setattr(vectors, "VALUES", 28)
    logits, expected = Logits(Classifier(), embeddings), embeddings @ weights
    np.testing.assert_array_equal(logits.argmax(axis=1), expected.argmax(axis=1))
    np.testing.assert_allclose(logits.max(axis=1), expected.max(axis=1))
    assert max(sizes) == 4
    np.testing.assert_allclose(logits[slice(2, 5)], expected[2:5])
    assert Logits(Classifier(), embeddings[:0]).max(axis=1).shape == (0,)


def test_raw_pixels_are_judged_as_if_they_were_embeddings(case):
    judged = case.data.parts[case.data.judged_part]
    expected = retrieval(l2_normalize(pixel_vectors(judged.images)), judged.labels)
    name = case.pixels.protocol.roles["map_at_r"]
    assert case.pixels.scores[name] == pytest.approx(expected["map_at_r"])
    assert case.pixels.scores[case.pixels.protocol.head] is None
    assert case.pixels.name == "raw pixels"
    assert case.pixels.training is None


def test_a_run_names_its_settings_and_classes(case):
    for run, settings in ((case.run, SETTINGS[case.run.settings.split]), (case.pixels, case.run.settings.of_pixels())):
        assert run.settings == settings
        assert run.class_names == case.data.shown_names
        assert run.judged_names == case.data.judged_names
        assert run.known_names == case.data.class_names
        assert run.failure is None


def test_each_stage_is_said(case):
    assert case.stages == ["embedding", "scoring", "t-SNE"]


def test_the_class_weights_and_centers_of_the_loss_are_kept_if_it_has_them(case):
    np.testing.assert_array_equal(case.run.arrays["directions"], case.model.class_directions)
    np.testing.assert_array_equal(case.run.arrays["centers"], case.model.shown_centers)
    assert not case.pixels.arrays.keys() & {"directions", "centers"}


def test_every_run_shows_the_same_images_in_its_maps_as_the_raw_pixels(case):
    for run in (case.run, case.pixels):
        for name, key, labels in (
            ("test", "tsne_indices", case.data.shown_labels),
            ("train", "tsne_train_indices", case.data.train.labels),
        ):
            np.testing.assert_array_equal(run.arrays[key], case.pixels.arrays[key])
            np.testing.assert_array_equal(run.arrays[f"tsne_{name}_labels"], labels[run.arrays[key]])
            assert run.arrays[f"tsne_{name}"].shape == (len(run.arrays[key]), 2) == (run.maps[name].n, 2)
    assert not np.allclose(case.run.arrays["tsne_test"], case.pixels.arrays["tsne_test"])


def test_two_dimensions_have_no_map_but_say_which_images_are_shown(case):
    settings, stages = dataclasses.replace(case.run.settings, embedding_dim=2), []
    run = measure(small_model(settings, case.data), case.data, case.pixels.selection(), settings, stages.append)
    assert stages == ["embedding", "scoring"]
    assert run.maps == {}
    assert case.run.arrays.keys() - run.arrays.keys() == {"tsne_test", "tsne_train"}
    for name in ("tsne_indices", "tsne_test_labels", "tsne_train_indices", "tsne_train_labels"):
        np.testing.assert_array_equal(run.arrays[name], case.run.arrays[name])
    assert {picture.file for picture in run_pictures(run)} >= {"features.png", "neighbors.png"}


def test_the_maps_of_a_film_are_made_beside_and_are_what_they_would_be_alone(case):
    films = [Film(case.data.validation, case.run.settings) for _ in range(2)]
    for film in films:
        film.frames = [Frame(epochs, case.model.embed(film.split.images), None, None) for epochs in (1, 2)]
    measure(case.model, case.data, case.pixels.selection(), case.run.settings, silent, film=films[0])
    assert "coordinates" in vars(films[0])
    np.testing.assert_allclose(films[0].coordinates, films[1].coordinates, atol=1e-3)


def test_a_film_without_frames_is_not_in_the_way(case):
    film = Film(case.data.validation, case.run.settings)
    run = measure(case.model, case.data, case.pixels.selection(), case.run.settings, silent, film=film)
    assert run.scores == case.run.scores


def test_a_strip_is_an_image_of_each_judged_class_and_its_nearest_others(case):
    part = case.data.judged_part
    split, points = case.data.parts[part], points_of(case, part)
    images, labels = case.run.arrays["strip_images"], case.run.arrays["strip_labels"]
    assert labels.shape == (len(case.data.judged_names), 1 + STRIP)
    assert labels[:, 0].tolist() == list(range(len(case.data.judged_names)))
    queries = case.pixels.arrays["queries"]
    np.testing.assert_array_equal(images[:, 0], split.images[queries])
    for query, strip, classes in zip(queries, images, labels, strict=True):
        distances = np.linalg.norm(points - points[query], axis=1)
        distances[query] = -1
        order = np.argsort(distances)[: 1 + STRIP]
        np.testing.assert_array_equal(strip, split.images[order])
        np.testing.assert_array_equal(classes, split.labels[order])


def test_the_neighbors_of_raw_pixels_are_of_the_same_images(case):
    np.testing.assert_array_equal(case.pixels.arrays["strip_images"][:, 0], case.run.arrays["strip_images"][:, 0])
    np.testing.assert_array_equal(case.pixels.arrays["strip_labels"][:, 0], case.run.arrays["strip_labels"][:, 0])


def test_the_surest_mistakes_are_kept_with_their_images(case):
    arrays, test = case.run.arrays, case.data.test
    wrong = np.flatnonzero(arrays["test_predictions"] != test.labels)
    assert len(wrong) > MISTAKES  # Nothing was learnt.
    mistakes = arrays["mistakes"]
    assert len(mistakes) == MISTAKES
    assert set(mistakes) <= set(wrong)
    errors = arrays["test_errors"]
    assert (np.diff(errors[mistakes]) <= 0).all()
    assert errors[mistakes].min() >= max(errors[number] for number in set(wrong) - set(mistakes))
    np.testing.assert_array_equal(arrays["mistake_images"], test.images[mistakes])


def test_in_the_map_those_test_images_are_mistakes_whose_class_is_known_and_another(case):
    arrays, known = case.run.arrays, len(case.data.test)
    for shown, mistaken in zip(arrays["tsne_indices"], arrays["tsne_mistakes"], strict=True):
        wrong = shown < known and arrays["test_predictions"][shown] != case.data.test.labels[shown]
        assert mistaken == wrong
    assert arrays["tsne_mistakes"].any()


def test_raw_pixels_keep_no_embeddings_and_no_mistakes_but_the_selection(case):
    kept = case.pixels.arrays.keys()
    assert not [name for name in kept if name.endswith("_embeddings")]
    assert not kept & {"mistakes", "mistake_images", "tsne_mistakes"}
    assert kept - case.run.arrays.keys() == {"queries", "tsne_test_layout", "tsne_train_layout"}
    assert case.run.arrays.keys() - kept == {
        *("test_embeddings", "mistakes", "mistake_images", "tsne_mistakes", "directions", "centers"),
        *(["unknown_embeddings"] if case.data.unseen else []),
    }


def test_the_selection_of_raw_pixels_is_the_one_they_were_measured_with_and_their_maps_are_what_others_turn_to(case):
    chosen, kept = Selection.of_pixels(case.data, case.pixels.settings), Selection.of_arrays(case.pixels.arrays)
    for name in ("test", "train"):
        np.testing.assert_array_equal(kept.indices[name], chosen.indices[name])
        np.testing.assert_array_equal(kept.layouts[name], chosen.layouts[name])
        np.testing.assert_array_equal(kept.references[name], case.pixels.arrays[f"tsne_{name}"])
    np.testing.assert_array_equal(kept.queries, chosen.queries)
    assert case.pixels.selection().arrays.keys() == chosen.arrays.keys()


def test_a_loss_without_a_classifier_and_centers_is_measured_by_its_class_means(case):
    settings = dataclasses.replace(case.run.settings, loss="triplet_only")
    run = measure(small_model(settings, case.data), case.data, case.pixels.selection(), settings, silent)
    assert run.scores[run.protocol.head] is None
    assert run.classifier == "the nearest class mean"
    assert case.run.classifier == "the loss's own classifier"
    assert not run.arrays.keys() & {"directions", "centers"}
    points, means = l2_normalize(run.arrays["test_embeddings"]), run.arrays["class_means"]
    nearest = np.linalg.norm(points[:, None] - means, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(run.arrays["test_predictions"], nearest)


def test_after_it_nobody_needs_the_data_or_the_model(case):
    data, model = dataclasses.replace(case.data), small_model(case.run.settings, case.data)
    run = measure(model, data, case.pixels.selection(), case.run.settings, silent)
    before = {name: array.copy() for name, array in run.arrays.items()}
    for weight in model.weights:
        weight.assign(weight * 0)
    for name, array in before.items():
        np.testing.assert_array_equal(run.arrays[name], array, err_msg=name)
    gone = weakref.ref(data)
    del data, model
    gc.collect()
    assert gone() is None
    names = {picture.file for picture in run_pictures(run)}
    assert {"tsne_test.png", "tsne_train.png", "confusion.png", "neighbors.png", "mistakes.png"} <= names
