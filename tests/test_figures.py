"""Pictures of a run say what they show."""

import numpy as np
import pytest
from pictures import words

from data import load_dataset, part_of
from figures import film_features_figure, film_figure, run_figures
from film import Frame
from scoring import judge
from training import Settings


@pytest.fixture(scope="module")
def digits():
    return part_of(load_dataset("digits"), 500, 100)


def settings(dim=3):
    return Settings("digits", "softmax", 0, 4, embedding_dim=dim)


def read(figure):
    """What a figure says, without its line breaks."""
    return " ".join(" ".join(words(figure)).split())


@pytest.fixture(scope="module")
def judgement(digits):
    rng = np.random.default_rng(0)
    return judge(digits, {part: rng.normal(size=(len(split), 3)) for part, split in digits.parts.items()}, None)


def figures_of(digits, judgement, classifier="the loss's own classifier", **changed):
    rng = np.random.default_rng(0)
    facts = {"n": 100, "perplexity": 30, "seed": 0, "kl_divergence": 1.0, "neighbor_preservation": 0.5}
    labels = np.arange(100) % 10
    arrays = judgement.arrays | {
        "strip_images": np.zeros((10, 9, 28, 28, 1), np.uint8),
        "strip_labels": np.zeros((10, 9), int),
        "tsne_mistakes": labels == 0,
    }
    for part in ("test", "train"):
        arrays |= {f"tsne_{part}": rng.normal(size=(100, 2)), f"tsne_{part}_labels": labels}
    maps = {"test": facts, "train": facts}
    return run_figures(settings(), digits, judgement.scores, maps, arrays | changed, classifier)


@pytest.mark.parametrize("classifier", ["the loss's own classifier", "the nearest class mean"])
def test_a_map_of_test_images_says_what_misclassifies(digits, judgement, classifier):
    figures = figures_of(digits, judgement, classifier)
    assert f"× misclassified by {classifier}" in read(figures["tsne_test"])
    assert "misclassified" not in read(figures["tsne_train"])


@pytest.mark.parametrize(("epochs", "shown"), [(1.0, "1"), (1.25, "1.25"), (4.0, "4")])
def test_pictures_of_a_film_say_how_far_the_training_is(digits, epochs, shown):
    labels = digits.validation.labels
    points = np.random.default_rng(0).normal(size=(len(labels), 2))
    for figure in (
        film_figure(settings(), digits, epochs, points, labels, first=True),
        film_features_figure(settings(dim=2), digits, Frame(epochs, points, None, None), labels),
    ):
        assert f"after {shown} of 4 epochs" in read(figure)


def test_maps_of_a_film_do_not_claim_to_start_from_one_layout(digits):
    labels = digits.validation.labels
    points = np.random.default_rng(0).normal(size=(len(labels), 2))
    shown = read(film_figure(settings(), digits, 1, points, labels, first=False))
    assert "How to read t-SNE" in shown
    assert "start from the same layout" not in shown


def test_only_mistakes_are_shown_as_mistakes(digits, judgement, monkeypatch):
    """Even where the classifier is as sure of right images as of wrong ones."""
    shown = {}
    monkeypatch.setattr("figures.mistakes_figure", lambda title, images, labels, *rest: shown.update(labels=labels))
    predictions = np.where(digits.test.labels == 3, 4, digits.test.labels)
    figures_of(digits, judgement, test_predictions=predictions, test_errors=np.zeros(len(predictions)))
    assert set(shown["labels"]) == {3}
