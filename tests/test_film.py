"""Snapshots at evenly spread moments of a training, the end among them."""

import io

import numpy as np
import pytest
from pictures import words
from PIL import Image

import tsne_maps
from data import Batches, load_dataset, part_of
from film import Film, Frame, after_epochs, draw_film
from models import embed
from training import Failure, Settings, train

any_network = pytest.mark.usefixtures("small_network")


class Silent:
    def batches(self, count):
        pass

    def epoch(self, number, logs):
        pass


@pytest.fixture(scope="module")
def digits():
    return part_of(load_dataset("digits"), 500, 100)


def filmed(loss, digits, path, epochs, dim=3):
    settings = Settings("digits", loss, 0, epochs, embedding_dim=dim)
    film = Film(digits.validation, settings, len(Batches(digits.train, 0)))
    try:
        model, _ = train(settings, digits, path, Silent(), film)
    except Failure:
        model = None
    return film, model


@any_network
def test_the_last_frame_is_the_end_of_training(digits, tmp_path):
    film, model = filmed("softmax", digits, tmp_path, epochs=1)
    (frame,) = film.frames
    assert frame.epochs == 1
    np.testing.assert_allclose(frame.embeddings, embed(model, digits.validation.images), rtol=1e-5)


@any_network
def test_the_frames_are_of_different_moments(digits, tmp_path):
    film, _ = filmed("softmax", digits, tmp_path, epochs=2)
    assert [frame.epochs for frame in film.frames] == [1, 2]
    assert not np.allclose(film.frames[0].embeddings, film.frames[1].embeddings)


@pytest.mark.parametrize("number", [1e30, np.inf, np.nan])
def test_embeddings_without_a_finite_length_are_no_frame(digits, monkeypatch, number):
    monkeypatch.setattr("film.embed", lambda model, images: np.full((len(images), 3), number, np.float32))
    film = Film(digits.validation, Settings("digits", "softmax", 0, 1, embedding_dim=3), steps_per_epoch=1)
    film.set_model(None)
    film.on_epoch_begin(0)
    film.on_train_batch_end(0)
    assert film.frames == []


@any_network
def test_frames_have_the_class_weights_and_centers_of_their_moment(digits, tmp_path):
    film, _ = filmed("center", digits, tmp_path, epochs=2)
    for name, shape in (("directions", (10, 1, 3)), ("centers", (10, 3))):
        first, last = (getattr(frame, name) for frame in film.frames)
        assert first.shape == last.shape == shape
        assert not np.allclose(first, last)


@any_network
def test_a_loss_without_class_weights_and_centers_has_frames_without(digits, tmp_path):
    film, _ = filmed("triplet_only", digits, tmp_path, epochs=1)
    (frame,) = film.frames
    assert frame.directions is None
    assert frame.centers is None


@any_network
def test_a_film_does_not_change_what_it_watches(digits, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, one = filmed("center", digits, tmp_path / "a", epochs=3, dim=2)
    settings = Settings("digits", "center", 0, 3, embedding_dim=2)
    other, _ = train(settings, digits, tmp_path / "b", Silent())
    images = digits.test.images
    np.testing.assert_array_equal(embed(one, images), embed(other, images))


def settings(epochs, dim):
    return Settings("digits", "softmax", 0, epochs, embedding_dim=dim)


@pytest.mark.parametrize(
    ("epochs", "shown"), [(1, [1]), (6, [1, 2, 3, 4, 5, 6]), (12, [1, 2, 3, 5, 6, 7, 8, 10, 11, 12])]
)
def test_a_map_is_taken_after_at_most_ten_epochs_and_the_last(epochs, shown):
    assert Film(None, settings(epochs, 64), 229).due == [229 * epoch for epoch in shown]


@pytest.mark.parametrize("epochs", [1, 6, 40])
def test_two_dimensions_have_as_many_moments_of_every_epoch_and_each_end(epochs):
    due = np.array(Film(None, settings(epochs, 2), 229).due)
    assert len(due) >= 30
    assert len(due) % epochs == 0
    assert {229 * epoch for epoch in range(1, epochs + 1)} <= set(due.tolist())
    np.testing.assert_allclose(np.diff(due), 229 * epochs / len(due), atol=1)


def test_what_tensorboard_shows_are_ends_of_epochs_and_the_last():
    film = Film(None, settings(40, 2), 10)
    film.frames = [Frame(step / 20, None, None, None) for step in range(1, 801)]
    shown = [film.frames[i].epochs for i in after_epochs(film)]
    assert len(shown) == 10
    assert shown[-1] == 40
    assert all(epochs == int(epochs) for epochs in shown)
    film.frames = []
    assert after_epochs(film) == []


@any_network
def test_a_film_is_a_picture_for_each_frame_of_one_size(digits, tmp_path):
    for dim in (2, 3):
        (tmp_path / str(dim)).mkdir()
        film, _ = filmed("center", digits, tmp_path / str(dim), epochs=2, dim=dim)
        pngs, arrays = draw_film(film, digits)
        assert arrays["coordinates"].shape == (len(film.frames), len(digits.validation), 2)
        assert arrays["epochs"].tolist() == [frame.epochs for frame in film.frames]
        pictures = [Image.open(io.BytesIO(content)) for content in pngs]
        assert len(pictures) == len(film.frames) > 1
        assert len({picture.size for picture in pictures}) == 1


def test_the_first_map_alone_says_that_it_began_from_the_pixels(digits, monkeypatch):
    shown = []
    monkeypatch.setattr("film.png", lambda figure, _: shown.append(" ".join(words(figure))))
    monkeypatch.setattr("tsne_maps.tsne", lambda points, start, *_: (start, 0.0))
    film = Film(digits.validation, settings(3, 3), 10)
    embeddings = np.random.default_rng(0).normal(size=(len(digits.validation), 3))
    film.frames = [Frame(epoch, embeddings, None, None) for epoch in (1, 2, 3)]
    draw_film(film, digits)
    assert ["begun from a PCA of the pixels" in text for text in shown] == [True, False, False]
    assert ["begun where the map before it ended" in text for text in shown] == [False, True, True]


def test_each_map_begins_where_the_last_ended(monkeypatch):
    began = []

    def moved(points, start, *_):
        began.append(start)
        return start + 1, 0.0

    monkeypatch.setattr(tsne_maps, "tsne", moved)
    frames = [Frame(epoch, np.ones((5, 3)), None, None) for epoch in (1, 2, 3)]
    maps = tsne_maps.film_maps(frames, np.zeros((5, 2)), settings(3, 3))
    assert [start[0, 0] for start in began] == [0, 1, 2]
    assert [found[0, 0] for found in maps] == [1, 2, 3]
