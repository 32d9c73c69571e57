"""Letters that matplotlib's font lacks: fonts of this machine that have them."""

import functools

import matplotlib
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font
from matplotlib.text import Text


def undrawable(text):
    """The letters of a text that no font has, each once and in order: they are drawn as boxes."""
    return "".join(_lacking(text, families_for(text)))


def use_fonts(figure):
    """Gives the texts of a figure the fonts that have their letters."""
    texts = figure.findobj(Text)
    families = families_for("".join(text.get_text() for text in texts))
    if families != matplotlib.rcParams["font.family"]:
        for text in texts:
            text.set_fontfamily(families)


def families_for(text):
    """Names of matplotlib's font and, where it lacks letters of a text, of as few others as have what can be had."""
    families = matplotlib.rcParams["font.family"]
    return [*families, *_others(frozenset(_lacking(text, families)))]


def _lacking(text, families):
    letters = set().union(*(_letters(findfont(FontProperties(family=[family]))) for family in families))
    return [letter for letter in dict.fromkeys(text) if letter not in letters and letter != "\n"]


@functools.cache
def _others(lacking):
    """Names of fonts of this machine that together have the most of some letters."""
    names, paths = [], sorted(findSystemFonts()) if lacking else []
    while lacking and paths:
        best = max(paths, key=lambda path: len(lacking & _letters(path)))
        if not lacking & _letters(best):
            break
        fontManager.addfont(best)  # It may be newer than matplotlib's list of them.
        names.append(FontProperties(fname=best).get_name())
        lacking -= _letters(best)
    return names


@functools.cache
def _letters(path):
    """The letters of a font; none of one that cannot be drawn with, or has a box for every letter there is."""
    if "lastresort" in path.lower():
        return frozenset()
    try:
        return frozenset(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()
