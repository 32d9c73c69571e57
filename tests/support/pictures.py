"""Runs to draw, and what a reader sees of a figure: its texts, and which of them cannot be read."""

import dataclasses
import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from support.runs import make_run

from lab.protocols import PROTOCOLS
from lab.settings import PIXELS
from lab.sources import SOURCES
from losses import LOSSES

FASHION = SOURCES["fashion_mnist"].class_names
DIGITS = SOURCES["mnist"].class_names
LONGEST_NAME = max(LOSSES, key=len)
WITHOUT_HEAD = dict.fromkeys(PROTOCOLS["closed"].scores, 0.9999) | {"head_accuracy": None}
# What a comparison has: raw pixels, softmax, one with a changed argument, then other losses.
COMPARED = [
    (PIXELS, {}),
    ("softmax", {}),
    (LONGEST_NAME, {"exponential_center_weight": 0.25}),
    *((name, {}) for name in LOSSES if name != "softmax"),
]


def named_run(loss="center", class_names=DIGITS, unseen_names=(), score=0.9999, **run):
    """A `Run` as `make_run` makes it, of classes with names, open if some of them were never seen.

    Its scores are as long as they get.
    """
    run = make_run(loss, score, **({"protocol": "open", "split": 0} if unseen_names else {}) | run)
    shown = (*class_names, *(f"{name}*" for name in unseen_names))
    return dataclasses.replace(run, class_names=shown, judged_names=tuple(unseen_names or class_names))


def compared(count, class_names=DIGITS, arrays=lambda number: {}, **run):
    """Dict by name of so many `Run`s side by side; `arrays` is a function from the number of one to its arrays."""
    runs = (
        named_run(loss, class_names, overrides=overrides, arrays=arrays(number), **run)
        for number, (loss, overrides) in enumerate(COMPARED[:count])
    )
    return {run.name: run for run in runs}


def drawn_texts(figure):
    """Every text that the rendering of a figure draws, with the box it takes."""
    texts = []
    draw = Text.draw

    def record(text, renderer):
        texts.append(text)
        draw(text, renderer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", record)
        FigureCanvasAgg(figure).draw()
    shown = [text for text in dict.fromkeys(texts) if text.get_visible() and text.get_text().strip()]
    return [(text, text.get_window_extent()) for text in shown]


def words(figure):
    """The texts that a figure shows, in the order of drawing."""
    return [text.get_text() for text, _ in drawn_texts(figure)]


def unreadable(figure):
    """Texts that are cropped, that cover another text, or that reach into a panel from outside."""
    texts = drawn_texts(figure)
    panels = [axes for axes in figure.axes if axes.axison]
    assert texts
    assert panels
    return [*_cropped(figure.bbox, texts), *_covered(texts), *_over_panels(panels, texts)]


def _cropped(page, texts):
    return [
        ("cropped", text.get_text())
        for text, box in texts
        if box.x0 < page.x0 or box.y0 < page.y0 or box.x1 > page.x1 or box.y1 > page.y1
    ]


def _covered(texts):
    return [
        ("covered", a.get_text(), b.get_text())
        for (a, box_a), (b, box_b) in itertools.combinations(texts, 2)
        # The boxes of slanted neighbours overlap, the words in them do not.
        if _overlap(box_a, box_b) and not (a.get_rotation() % 90 and b.get_rotation() % 90)
    ]


def _over_panels(panels, texts):
    return [
        ("over a panel", text.get_text())
        for axes, (text, box) in itertools.product(panels, texts)
        if _overlap(box, axes.get_window_extent()) and text not in _inside(axes)
    ]


def _overlap(a, b):
    """Whether two boxes share more than a hair's breadth."""
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.5


def _inside(axes):
    """The texts that belong into the box of some axes."""
    legend = axes.get_legend()
    return [*axes.texts, *(legend.get_texts() if legend else [])]
