"""Letters that matplotlib's font lacks come from another font, or are told."""

import io
import pathlib

import matplotlib
import pytest
from matplotlib.figure import Figure

from lab.figures import fonts
from lab.figures.fonts import undrawable, use_fonts
from lab.figures.style import as_png

# One that matplotlib's own font lacks, one that is a box in every font here.
LETTER, NOWHERE = "ℊ", "\ue0fe"
STIX = str(pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf", "STIXGeneral.ttf"))


@pytest.fixture(params=[[], [STIX]], ids=["no other font", "a font that has it"])
def machine(request, monkeypatch):
    """The fonts of this machine."""
    monkeypatch.setattr(fonts, "findSystemFonts", lambda: [*request.param, "LastResort.otf", "damaged.ttf"])
    fonts._others.cache_clear()
    yield request.param
    fonts._others.cache_clear()


def test_letters_that_no_font_has_are_told_each_once(machine):
    lacking = f"{NOWHERE}" if machine else f"{NOWHERE}{LETTER}"
    assert undrawable(f"Jäcke\n{NOWHERE}{LETTER} {NOWHERE}") == lacking


def test_a_letter_is_drawn_by_a_font_that_has_it(machine):
    figure = Figure()
    axes = figure.add_subplot(title=f"Jäcke {LETTER}")
    axes.set_xticks([0], [LETTER])
    if machine:
        use_fonts(figure)
        figure.savefig(io.BytesIO())  # Warnings are errors here.
    else:
        with pytest.warns(UserWarning, match="missing from font"):
            figure.savefig(io.BytesIO())
        assert as_png(figure).startswith(b"\x89PNG")


def test_texts_that_lack_nothing_keep_their_font(machine):
    figure = Figure()
    figure.suptitle("Jäcke")
    use_fonts(figure)
    assert figure.findobj(lambda artist: hasattr(artist, "get_fontfamily"))[0].get_fontfamily() == ["sans-serif"]
