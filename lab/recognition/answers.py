"""What is said of new images: of which class each is, or that it is of none."""

import pathlib

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from evaluation.vectors import nearest
from lab.sources.found import shown

COLUMNS = ("path", "class", "distance", "second class", "second distance", "known")
HEADINGS = ("image", "class", "distance", "second", "distance", "known")
GAP = 2  # Letters between two columns.
SHOWN = 40  # Rows in a terminal.


def answer(paths, points, known, rates):
    """A dict of text by `COLUMNS` for each image; without a second class, or `rates`, what is of them is empty.

    Args:
        paths: Of the images.
        points: Their L2-normalised embeddings `(n, d)`.
        known: `Trained` or `References`: the `class_names` an image may be of, and their `means`.
        rates: As `recognition` has them, or None.
    """
    rows, means = [], known.means
    for path, numbers, distances in zip(paths, *nearest(points, means, min(2, len(means))), strict=True):
        found = [(known.class_names[number], f"{away:.6f}") for number, away in zip(numbers, distances, strict=True)]
        (name, distance), (second, further) = [*found, ("", "")][:2]
        is_known = "" if rates is None else "yes" if distances[0] < rates["distance"] else "no"
        rows.append(dict(zip(COLUMNS, (shown(str(path)), name, distance, second, further, is_known), strict=True)))
    return rows


def verdict(trained, gallery):
    """From which distance on an image is called unknown, and how often that is wrong; `gallery` is its `References`."""
    rates, known = trained.rates, len(trained.class_names)
    if rates is None:
        return (
            "Nothing is called unknown: this run was measured before a distance was chosen for that. "
            f"Its command again with --overwrite chooses one; it is in {trained.path / 'config.json'}."
        )
    said = [f"Unknown is what is {rates['distance']:.3f} or more away from the nearest class mean."]
    if gallery:
        said.append(
            f"That distance was chosen on the {known:,} classes of the training: for {gallery.what} it is a guess, "
            "the more so the fewer they are."
        )
        return "\n".join(said)
    part = "test" if "test_accepted" in rates else "validation"
    unknown, right = _percent(1 - rates[f"{part}_accepted"]), _percent(rates[f"{part}_right"])
    far = _percent(rates[f"{part}_far"])
    said.append(f"Of {part} images of known classes {unknown} are called unknown, {right} are recognised.")
    if "unknown_accepted" in rates:
        said.append(f"Of images of classes never seen {_percent(rates['unknown_accepted'])} are taken for known.")
    else:
        said.append(
            f"If their own class were unknown, {far} would be taken for another. Images of classes that were never "
            "trained on pass more often, perhaps far more: --protocol open measures how often."
        )
    return "\n".join(said)


def show(title, rows, where, console):
    """Prints the table of the first rows, and `where` all are."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in HEADINGS:
        table.add_column(name, justify="right" if name == "distance" else "left", overflow="fold")
    cells = [
        (path, name, distance[:-3], second, further[:-3], known)
        for path, name, distance, second, further, known in map(dict.values, rows[:SHOWN])
    ]
    _, *others = zip(HEADINGS, *cells, strict=True)
    room = console.width - GAP * len(HEADINGS) - sum(max(map(cell_len, column)) for column in others)
    for path, *row, known in cells:
        table.add_row(*map(Text, (_shortened(path, room), *row)), Text(known, "bold red" if known == "no" else ""))
    console.print(Text(title, "bold"))
    console.print(table, soft_wrap=False)
    more = f"The first {SHOWN} of {len(rows):,} images: all" if len(rows) > SHOWN else "All"
    console.print(f"{more} are in {where}", markup=False)


def _shortened(path, width):
    """A path without as many of its first folders as it takes to be no wider; the file's name stays."""
    parts = pathlib.PurePath(path).parts[1:]
    while parts and cell_len(path) > width:
        path, parts = str(pathlib.PurePath("…", *parts)), parts[1:]
    return path


def _percent(share):
    return f"{100 * share:.1f} %"
