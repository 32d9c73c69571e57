"""What a reader sees of a figure: its texts, and which of them cannot be read."""

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from data import CLASS_NAMES
from losses import LOSSES

FASHION = CLASS_NAMES["fashion_mnist"]
DIGITS = CLASS_NAMES["mnist"]
LONGEST_NAME = max(LOSSES, key=len)


def loss_names(count):
    """Names of a comparison: raw pixels, softmax, one with a changed argument, then other losses."""
    changed = f"{LONGEST_NAME} (exponential_triplet.overlap=6)"
    others = [name for name in LOSSES if name != "softmax"]
    return ["raw pixels", "softmax", changed, *others][:count]


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
