"""The maps of a run: the same images and layouts for every loss, and nothing else of the process changed."""

import dataclasses

import numpy as np
import pytest
from support.small_network import few_digits, small_settings
from threadpoolctl import threadpool_info

from lab import maps
from lab.beside import beside
from lab.maps import FILM_ITERATIONS, QUICK_POINTS, Selection, film_maps, sample_indices, start_maps
from lab.pixels import pixel_vectors

SETTINGS = small_settings(perplexity=10.0, tsne_iterations=300)


@pytest.fixture(scope="module")
def digits():
    """The digits, of which 150 images are for training, 200 for tests."""
    return dataclasses.replace(few_digits(), train=few_digits().train[:150], test=few_digits().test[:200])


def pixels_of(data):
    """The pixels of each part."""
    return {part: pixel_vectors(split.images) for part, split in data.parts.items()}


def draw_maps(data, selection):
    """Facts and coordinates of the maps of the pixels."""
    with beside() as start:
        return start_maps(start, pixels_of(data), selection, SETTINGS)()


@pytest.fixture(scope="module")
def baseline(digits):
    """What the maps of the raw pixels make of themselves: their selection with its references."""
    selection = Selection.of_pixels(digits, SETTINGS)
    _, coordinates = draw_maps(digits, selection)
    return Selection.of_arrays(coordinates | selection.arrays)


@pytest.fixture(scope="module")
def drawn(digits, baseline):
    """Facts and arrays of the maps of the pixels once more, laid as the first ones are."""
    return draw_maps(digits, baseline)


def test_two_maps_at_once_are_the_same_as_ever_and_leave_the_threads_of_the_process(digits, baseline):
    before = [(pool["user_api"], pool["num_threads"]) for pool in threadpool_info()]
    _, arrays = draw_maps(digits, baseline)
    assert [(pool["user_api"], pool["num_threads"]) for pool in threadpool_info()] == before
    for name in ("test", "train"):
        np.testing.assert_allclose(arrays[f"tsne_{name}"], baseline.references[name], atol=1e-3, err_msg=name)


def test_every_map_shows_the_selected_images_with_their_classes(digits, baseline, drawn):
    facts, arrays = drawn[0], drawn[1] | baseline.images(digits)
    for name, key, split in (("test", "tsne_indices", digits.test), ("train", "tsne_train_indices", digits.train)):
        np.testing.assert_array_equal(arrays[key], baseline.indices[name])
        np.testing.assert_array_equal(arrays[f"tsne_{name}_labels"], split.labels[arrays[key]])
        assert arrays[f"tsne_{name}"].shape == (facts[name].n, 2) == (len(arrays[key]), 2)


def test_a_map_says_what_it_was_made_with_and_how_far_to_trust_it(drawn):
    for facts in drawn[0].values():
        assert (facts.perplexity, facts.iterations, facts.seed) == (10.0, 300, 0)
        assert facts.kl_divergence > 0
        assert 0.1 < facts.neighbor_preservation <= 1
        assert facts.seconds > 0
    facts = dataclasses.replace(facts, kl_divergence=1.234, neighbor_preservation=0.567)
    assert facts.trust == "KL 1.23 · 10 nearest kept 57%"


def test_an_embedding_with_the_same_distances_lies_as_the_pixels_do(digits, baseline):
    swapped = {name: places @ np.array([[0, 1], [1, 0]]) for name, places in baseline.references.items()}
    _, arrays = draw_maps(digits, dataclasses.replace(baseline, references=swapped))
    for name, places in swapped.items():
        np.testing.assert_allclose(arrays[f"tsne_{name}"], places, atol=1.0)


def test_the_map_of_test_images_shows_those_of_classes_never_seen(digits):
    parted = digits.hold_out([0, 1, 2, 3])
    selection = Selection.of_pixels(parted, SETTINGS)
    shown = parted.shown_labels[selection.indices["test"]]
    assert set(shown) == set(range(10))
    np.testing.assert_array_equal(selection.images(parted)["tsne_test_labels"], shown)
    np.testing.assert_array_equal(selection.indices["test"], np.arange(len(digits.test)))
    assert set(parted.train.labels[selection.indices["train"]]) == set(range(6))
    assert selection.layouts["test"].shape == (len(digits.test), 2)
    np.testing.assert_array_equal(parted.unseen.labels[selection.queries], np.arange(4))  # One of each judged class.


def test_a_selection_comes_back_from_the_arrays_that_the_raw_pixels_keep(digits, baseline):
    selection = Selection.of_pixels(digits, SETTINGS)
    for name in ("test", "train"):
        np.testing.assert_array_equal(baseline.indices[name], selection.indices[name])
        np.testing.assert_array_equal(baseline.layouts[name], selection.layouts[name])
    np.testing.assert_array_equal(baseline.queries, selection.queries)
    assert selection.references == {}


def test_the_images_of_a_map_are_a_sample_in_proportion_and_fewer_for_a_first_look():
    labels = np.repeat(np.arange(10), 500)
    whole, quick = (sample_indices(labels, dataclasses.replace(SETTINGS, quick=quick)) for quick in (False, True))
    assert (len(whole), len(quick)) == (2000, QUICK_POINTS)
    assert set(np.bincount(labels[whole])) == {200}
    np.testing.assert_array_equal(sample_indices(labels, SETTINGS), whole)
    assert len(sample_indices(labels, dataclasses.replace(SETTINGS, quick=True), points=70)) == 70


def test_each_map_of_a_film_begins_where_the_last_ended():
    calls = []

    def moved(points, start, perplexity, iterations, seed, exaggeration):
        calls.append((start[0, 0], perplexity, iterations, exaggeration))
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
        return start + 1, 0.0

    found = film_maps([np.full((5, 3), size) for size in (1.0, 2.0, 3.0)], np.zeros((5, 2)), 7, moved)
    # Exaggeration would scatter what the last map has laid out.
    assert calls == [(0, 7, FILM_ITERATIONS, 12), (1, 7, FILM_ITERATIONS, 1), (2, 7, FILM_ITERATIONS, 1)]
    assert [places[0, 0] for places in found] == [1, 2, 3]
    assert {places.dtype for places in found} == {np.dtype("float32")}


def many_classes(digits):
    """The digits, as if every fourth image were of a class of its own."""
    named = {"class_names": tuple(map(str, range(50)))}
    test = dataclasses.replace(digits.test, labels=np.arange(200, dtype=np.int32) // 4)
    validation = dataclasses.replace(digits.validation, labels=np.arange(100, dtype=np.int32) // 2)
    train = dataclasses.replace(digits.train, labels=np.arange(150, dtype=np.int32) // 3)
    return dataclasses.replace(digits, test=test, validation=validation, train=train, **named)


def test_of_many_classes_those_told_apart_are_asked_for_their_neighbours_and_have_half_of_a_map(monkeypatch, digits):
    monkeypatch.setattr(maps, "QUICK_POINTS", 100)
    data = many_classes(digits)
    selection = Selection.of_pixels(data, dataclasses.replace(SETTINGS, quick=True))
    colored = selection.colored
    assert len(colored) == 20
    np.testing.assert_array_equal(data.test.labels[selection.queries], colored)
    shown = data.test.labels[selection.indices["test"]]
    assert len(shown) == 100
    counts = np.bincount(shown, minlength=50)
    assert counts[colored].sum() == 50
    assert counts[colored].min() >= 2
    np.testing.assert_array_equal(selection.images(data)["colored_classes"], colored)
    kept = {f"tsne_{name}": np.zeros((100, 2)) for name in ("test", "train")} | selection.images(data)
    np.testing.assert_array_equal(Selection.of_arrays(kept | selection.arrays).colored, colored)


def test_of_few_classes_nothing_is_said_of_colours(digits, baseline):
    assert baseline.colored is None
    assert "colored_classes" not in baseline.images(digits)


def test_a_sample_has_all_images_of_the_classes_told_apart_where_they_are_few():
    labels = np.repeat(np.arange(1000), 3)
    chosen = sample_indices(labels, SETTINGS, 500, colored=[3, 700])
    assert len(chosen) == len(set(chosen)) == 500
    assert set(range(9, 12)) | set(range(2100, 2103)) < set(chosen)
    np.testing.assert_array_equal(sample_indices(labels, SETTINGS, 4000, colored=[3]), np.arange(3000))


def test_a_sample_of_classes_that_are_all_told_apart_or_none_is_as_ever():
    labels = np.repeat(np.arange(20), 50)
    expected = sample_indices(labels, SETTINGS, 200)
    np.testing.assert_array_equal(sample_indices(labels, SETTINGS, 200, colored=range(20)), expected)
    np.testing.assert_array_equal(sample_indices(labels, SETTINGS, 200, colored=range(20, 40)), expected)
