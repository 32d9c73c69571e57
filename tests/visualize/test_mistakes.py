"""Mistakes are shown with their class and what they were taken for."""

import numpy as np
import pytest
from pictures import DIGITS, FASHION, unreadable, words

from visualize import mistakes_figure

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("class_names", [DIGITS, FASHION])
@pytest.mark.parametrize("count", [1, 8, 24])
def test_every_image_has_its_class_above_and_what_it_was_taken_for_below(class_names, count):
    images = RNG.integers(0, 256, (count, 28, 28, 1), np.uint8)
    labels = np.arange(count) % 10
    figure = mistakes_figure("the worst mistakes", images, labels, (labels + 3) % 10, class_names, "a note")
    for i, axes in enumerate(figure.axes[:count]):
        np.testing.assert_array_equal(axes.images[0].get_array(), images[i, ..., 0])
        assert axes.get_title() == class_names[labels[i]]
        assert [text.get_text() for text in axes.texts] == [class_names[(labels[i] + 3) % 10]]
    assert "a note" in words(figure)
    assert not unreadable_without_panels(figure)


def unreadable_without_panels(figure):
    """Their panels are images without axes: only the texts among each other count."""
    for axes in figure.axes:
        axes.axison = True
        axes.set_xticks([])
        axes.set_yticks([])
    return [trouble for trouble in unreadable(figure) if trouble[0] != "over a panel"]


def test_colour_images_are_shown_in_colour():
    images = RNG.integers(0, 256, (2, 8, 8, 3), np.uint8)
    figure = mistakes_figure("title", images, [0, 1], [1, 0], DIGITS, "note")
    assert figure.axes[0].images[0].get_array().shape == (8, 8, 3)
