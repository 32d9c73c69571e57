"""Snapshots at evenly spread moments of a training, the end among them."""

import types

import keras
import numpy as np
import pytest
from support.small_network import few_digits, small_model, small_settings, trained

from evaluation.tsne import pca_layout
from evaluation.vectors import l2_normalize
from lab.film import Film, Frame
from lab.maps import FILM_POINTS, film_maps, sample_indices
from lab.pixels import pixel_vectors

pytestmark = pytest.mark.xdist_group("film")  # They share what takes long to make.


class State(keras.callbacks.Callback):
    """Keeps what a film should have taken at the end of every epoch."""

    def __init__(self):
        super().__init__()
        self.embeddings, self.directions, self.centers = [], [], []

    def on_epoch_end(self, epoch, logs=None):
        self.embeddings.append(self.model.embed(few_digits().validation.images))
        self.directions.append(self.model.class_directions)
        self.centers.append(self.model.shown_centers)


def filmed(dim, epochs):
    settings = small_settings("center", embedding_dim=dim, epochs=epochs)
    film, state = Film(few_digits().validation, settings), State()
    model, _ = trained(settings, few_digits(), film, state)
    return film, state, model


@pytest.fixture(scope="module")
def mapped():
    """The film of a training of three-dimensional embeddings, and their state after each epoch."""
    return filmed(dim=3, epochs=2)


@pytest.fixture(scope="module")
def flat():
    """The film of a training of two-dimensional embeddings, their state after each epoch, and the model."""
    return filmed(dim=2, epochs=3)


def watching(epochs=1, dim=8, steps=1, loss="softmax", model=None):
    """A film at the beginning of a training."""
    film = Film(few_digits().validation, small_settings(loss, epochs=epochs, embedding_dim=dim))
    film.set_params({"steps": steps})
    film.set_model(model)
    film.on_train_begin()
    return film


def test_there_is_a_frame_of_the_end_of_every_epoch_as_it_was_then(mapped):
    film, state, _ = mapped
    assert [frame.epochs for frame in film.frames] == [1, 2]
    for number, frame in enumerate(film.frames):
        np.testing.assert_array_equal(frame.embeddings, state.embeddings[number])
    assert not np.allclose(film.frames[0].embeddings, film.frames[1].embeddings)


def test_frames_have_the_class_weights_and_centers_of_their_moment(mapped):
    film, state, _ = mapped
    for name, shape in (("directions", (10, 1, 3)), ("centers", (10, 3))):
        for frame, expected in zip(film.frames, getattr(state, name), strict=True):
            assert getattr(frame, name).shape == shape
            np.testing.assert_array_equal(getattr(frame, name), expected)
        first, last = (getattr(frame, name) for frame in film.frames)
        assert not np.allclose(first, last)


def test_two_dimensions_are_filmed_within_the_epochs_and_at_their_ends(flat):
    film, state, _ = flat
    # An epoch has two steps, which Keras takes in one call: no moments but the ends of epochs can be had.
    assert [frame.epochs for frame in film.frames] == [1, 2, 3]
    np.testing.assert_array_equal(film.frames[-1].embeddings, state.embeddings[-1])


def test_a_film_does_not_change_what_it_watches(flat):
    film, _, model = flat
    other, _ = trained(film.settings, few_digits())
    images = few_digits().test.images
    np.testing.assert_array_equal(model.embed(images), other.embed(images))


def test_a_loss_without_class_weights_and_centers_has_frames_without():
    film = watching(loss="triplet_only", model=small_model(small_settings("triplet_only"), few_digits()))
    film.on_epoch_begin(0)
    film.on_train_batch_end(0)
    (frame,) = film.frames
    assert frame.embeddings.shape == (100, 8)
    assert frame.directions is None
    assert frame.centers is None


@pytest.mark.parametrize("number", [1e30, np.inf, np.nan])
def test_embeddings_without_a_finite_length_are_no_frame(number):
    film = watching(model=types.SimpleNamespace(embed=lambda images: np.full((len(images), 8), number, np.float32)))
    film.on_epoch_begin(0)
    film.on_train_batch_end(0)
    assert film.frames == []


def test_a_frame_is_taken_by_the_first_call_that_reaches_its_moment():
    """Keras counts whole calls of eight steps, also where an epoch ends within one."""
    model = types.SimpleNamespace(
        embed=lambda images: np.ones((len(images), 2)), class_directions=None, shown_centers=None
    )
    film = watching(epochs=2, dim=2, steps=20, model=model)
    for epoch in (0, 1):
        film.on_epoch_begin(epoch)
        for batch in (7, 15, 23):
            film.on_train_batch_end(batch)
    assert [frame.epochs for frame in film.frames] == [0.4, 0.8, 1, 1.4, 1.8, 2]


@pytest.mark.parametrize(
    ("epochs", "shown"), [(1, [1]), (6, [1, 2, 3, 4, 5, 6]), (12, [1, 2, 3, 5, 6, 7, 8, 10, 11, 12])]
)
def test_a_map_is_taken_after_at_most_ten_epochs_and_the_last(epochs, shown):
    assert watching(epochs, dim=64, steps=229).due == [229 * epoch for epoch in shown]


@pytest.mark.parametrize("epochs", [1, 6, 40])
def test_two_dimensions_have_as_many_moments_of_every_epoch_and_each_end(epochs):
    due = np.array(watching(epochs, dim=2, steps=229).due)
    assert len(due) >= 30
    assert len(due) % epochs == 0
    assert {229 * epoch for epoch in range(1, epochs + 1)} <= set(due.tolist())
    np.testing.assert_allclose(np.diff(due), 229 * epochs / len(due), atol=1)


def test_what_tensorboard_shows_are_ends_of_epochs_and_the_last():
    film = watching(epochs=40, dim=2, steps=10)
    film.frames = [Frame(step / 20, None, None, None) for step in range(1, 801)]
    shown = [film.frames[number].epochs for number in film.ends]
    assert len(shown) == 10
    assert shown[-1] == 40
    assert all(epochs == int(epochs) for epochs in shown)
    film.frames = []
    assert film.ends == []


def test_two_dimensional_embeddings_lie_where_they_are(flat):
    film, _, _ = flat
    np.testing.assert_array_equal(film.coordinates, [frame.embeddings for frame in film.frames])


def test_other_embeddings_lie_where_t_sne_puts_them_begun_from_the_pixels(mapped):
    film, _, _ = mapped
    layout = pca_layout(l2_normalize(pixel_vectors(film.split.images)))
    expected = film_maps([frame.embeddings for frame in film.frames], layout, film.settings.perplexity)
    np.testing.assert_allclose(film.coordinates, expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["mapped", "flat"])
def test_what_a_film_shows_is_a_place_for_each_image_in_each_frame(kind, request):
    film, _, _ = request.getfixturevalue(kind)
    arrays = film.arrays
    assert arrays.keys() == {"epochs", "coordinates", "labels"}
    assert arrays["coordinates"].shape == (len(film.frames), len(few_digits().validation), 2)
    assert arrays["epochs"].tolist() == [frame.epochs for frame in film.frames]
    np.testing.assert_array_equal(arrays["labels"], few_digits().validation.labels)


def test_of_many_images_a_sample_is_filmed():
    many = few_digits().train[np.resize(np.arange(500), 2000)]
    film = Film(many, small_settings())
    chosen = sample_indices(many.labels, small_settings(), FILM_POINTS)
    assert len(film.split) == len(chosen) == 800
    np.testing.assert_array_equal(film.split.images, many.images[chosen])
    np.testing.assert_array_equal(film.split.labels, many.labels[chosen])
    assert len(Film(many, small_settings(quick=True)).split) == 600
