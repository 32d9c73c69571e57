"""The confusion matrix shows the right counts, and its texts can be read."""

import itertools

import numpy as np
import pytest
from support.pictures import DIGITS, FASHION, WITHOUT_HEAD, named_run, unreadable

from lab.figures.confusion import confusion_figure


def predictions(size=10_000):
    """Labels and predictions of a classifier that is right in nine of ten cases; class 7 does not occur."""
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 9], size)
    return labels, np.where(rng.random(size) < 0.9, labels, rng.integers(0, 10, size))


def confusion(labels, predicted, class_names, title="title", **run):
    arrays = {"test_labels": labels, "test_predictions": predicted}
    return confusion_figure(title, named_run(class_names=class_names, arrays=arrays, **run))


def test_confusion_matrix_has_true_classes_in_rows_and_counts_as_a_loop_does():
    labels, predicted = predictions(500)
    axes = confusion(labels, predicted, FASHION).axes[0]
    shown = {text.get_position(): int(text.get_text()) for text in axes.texts}
    expected = dict.fromkeys(itertools.product(range(10), range(10)), 0)
    for row, column in zip(labels.tolist(), predicted.tolist(), strict=True):
        expected[column, row] += 1
    assert shown == expected
    assert [label.get_text() for label in axes.get_xticklabels()] == list(FASHION)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(FASHION)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted by the loss's own classifier", "true")


def test_a_loss_without_a_classifier_predicts_by_the_class_means():
    axes = confusion(*predictions(50), DIGITS, score=WITHOUT_HEAD).axes[0]
    assert axes.get_xlabel() == "predicted by the nearest class mean"


def test_classes_never_seen_are_not_in_the_matrix():
    axes = confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), class_names="ab", unseen_names="c").axes[0]
    assert [text.get_text() for text in axes.texts] == ["1", "0", "1", "1"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]


def test_confusion_matrix_is_darker_for_a_larger_share_of_the_true_class():
    labels, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 0, 1])
    image = np.asarray(confusion(labels, predicted, ("a", "b", "c")).axes[0].images[0].get_array())
    shares = [[3 / 4, 1 / 4, 0], [1 / 2, 1 / 2, 0], [0, 0, 0]]
    assert image.ravel().argsort(kind="stable").tolist() == np.ravel(shares).argsort(kind="stable").tolist()


@pytest.mark.parametrize("class_names", [FASHION, DIGITS])
def test_every_text_of_a_confusion_matrix_can_be_read(class_names):
    title = "QUICK · triplet_center on fashion_mnist, seed 10: 10,000 of 10,000 test images wrong"
    assert not unreadable(confusion(*predictions(), class_names, title, score=WITHOUT_HEAD))


def test_of_many_classes_those_confused_most_are_shown_two_by_two_and_all_others_as_one():
    names = [f"class_{number}" for number in range(300)]
    right = np.repeat(np.arange(300), 4)
    labels = [*right, *[7] * 3, *[2] * 2, 200, 299]
    predicted = [*right, *[250] * 3, *[7, 7], 3, 0]
    axes = confusion(np.array(labels), np.array(predicted), names, "wrong").axes[0]
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown == ["class_7", "class_250", "class_2", "class_0", "class_299", "class_3", "class_200", "others"]
    assert axes.get_title(loc="left").replace("\n", " ") == "wrong; the 7 most confused of 300 classes"
    assert axes.get_xlabel().endswith("others: the 293 classes without a row of their own, together")
    cells = {text.get_position(): int(text.get_text()) for text in axes.texts}
    assert (7, 7) not in cells
    assert [cells[column, 0] for column in range(8)] == [4, 3, 0, 0, 0, 0, 0, 0]
    assert [cells[column, 2] for column in range(8)] == [2, 0, 4, 0, 0, 0, 0, 0]


def test_no_more_than_twenty_classes_are_shown_of_many():
    rng = np.random.default_rng(0)
    names = [f"a/rather/long/name/of_class_{number}" for number in range(1000)]
    figure = confusion(rng.integers(0, 1000, 5000), rng.integers(0, 1000, 5000), names, "title")
    assert len(figure.axes[0].get_xticks()) == 21
    assert not unreadable(figure)
