"""Mistakes are shown with their class and what they were taken for."""

import numpy as np
import pytest
from support.pictures import DIGITS, FASHION, WITHOUT_HEAD, named_run, unreadable, words

from lab.figures.mistakes import mistakes_figure

RNG = np.random.default_rng(0)
LABELS = np.arange(100) % 10


def run_with(images, class_names=DIGITS, **run):
    """A run with these images as its mistakes: every third of the test images, the last first."""
    mistakes = np.arange(99, 0, -3)[: len(images)]
    arrays = {"mistakes": mistakes, "mistake_images": images, "test_labels": LABELS}
    arrays["test_predictions"] = (LABELS + 3) % 10
    return named_run(class_names=class_names, arrays=arrays, **run), LABELS[mistakes]


@pytest.mark.parametrize("class_names", [DIGITS, FASHION])
@pytest.mark.parametrize("count", [1, 8, 24])
def test_every_image_has_its_class_above_and_what_it_was_taken_for_below(class_names, count):
    images = RNG.integers(0, 256, (count, 28, 28, 1), np.uint8)
    run, labels = run_with(images, class_names)
    figure = mistakes_figure("the worst mistakes", run)
    for i, axes in enumerate(figure.axes[:count]):
        np.testing.assert_array_equal(axes.images[0].get_array(), images[i, ..., 0])
        assert axes.images[0].get_cmap().name == "gray"  # Light on dark, as they are stored.
        assert axes.get_title() == class_names[labels[i]]
        assert [text.get_text() for text in axes.texts] == [class_names[(labels[i] + 3) % 10]]
    assert not unreadable_without_panels(figure)


@pytest.mark.parametrize(
    ("score", "classifier"), [(0.9, "the loss's own classifier"), (WITHOUT_HEAD, "the nearest class mean")]
)
def test_a_note_says_what_the_classifier_is(score, classifier):
    run, _ = run_with(RNG.integers(0, 256, (2, 28, 28, 1), np.uint8), score=score)
    note = f"Above: the class; below: what {classifier} takes it for. The surest first."
    assert any(" ".join(text.split()) == note for text in words(mistakes_figure("the worst mistakes", run)))


def unreadable_without_panels(figure):
    """Their panels are images without axes: only the texts among each other count."""
    for axes in figure.axes:
        axes.axison = True
        axes.set_xticks([])
        axes.set_yticks([])
    return [trouble for trouble in unreadable(figure) if trouble[0] != "over a panel"]


def test_colour_images_are_shown_in_colour():
    run, _ = run_with(RNG.integers(0, 256, (2, 8, 8, 3), np.uint8))
    assert mistakes_figure("title", run).axes[0].images[0].get_array().shape == (8, 8, 3)


def test_long_names_are_shortened_until_they_can_be_read():
    names = [f"vehicles/on the road/cars of the year {number}" for number in range(2000, 2010)]
    run, _ = run_with(RNG.integers(0, 256, (24, 28, 28, 3), np.uint8), names)
    assert not unreadable_without_panels(mistakes_figure("title", run))
