"""A CSV file of images, labels, and perhaps parts and cameras."""

import csv
import pathlib

from lab.errors import InputError

from .found import in_order
from .listing import Row, in_short

SPLITS = {
    **{"train": "train", "validation": "validation", "val": "validation", "valid": "validation"},
    **{"test": "test", "query": "test", "gallery": "test"},
}
COLUMNS = "path", "label"
MORE_COLUMNS = "split", "camera"
LONGEST_LINE = 1 << 20  # Characters.
EXPECTED = f"Expected: a first line that names the columns {' and '.join(COLUMNS)}, maybe {' and '.join(MORE_COLUMNS)}"


def list_table(file, report):
    """Lists the images of a CSV file.

    Args:
        file: Path of a file, UTF-8, separated by commas, semicolons or tabs. The paths in it count from its folder.
            Without a column `split`, whose values are those of `SPLITS`, all images are of the part `"train"`.
        report: Function called with one line of text for each thing the user should know.

    Returns:
        List of `Row`s, in the order of the file.

    Raises:
        InputError: If columns or values are missing, or an image is there with two labels or in two parts.
    """
    lines = _lines(file)
    rows = list(dict.fromkeys(_rows(file, lines)))
    if len(rows) < len(lines):
        report(f"lines that say again what another one says, and are left out: {len(lines) - len(rows):,}")
    _require_one_meaning(file, rows)
    return rows


def _lines(file):
    """List of line numbers and dicts from the columns to their values."""
    try:
        with open(file, encoding="utf-8-sig") as text:
            names = _line(text)
            text.seek(0)
            delimiter = max(",;\t", key=names.count)
            reader = csv.DictReader(iter(lambda: _line(text), ""), delimiter=delimiter, strict=True)
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            lines = [(reader.line_num, line) for line in reader]
    except UnicodeDecodeError:
        raise InputError(f"{file} is not in UTF-8. Save it as CSV UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{file} is no CSV file ({error}). {EXPECTED}") from None
    names = list(filter(None, reader.fieldnames))
    if missing := [name for name in COLUMNS if name not in names]:
        raise InputError(
            f"{file} has no column {' and '.join(missing)}. {EXPECTED}. Received: {in_short(names) or 'none'}"
        )
    if twice := [name for name in COLUMNS + MORE_COLUMNS if names.count(name) > 1]:
        raise InputError(f"{file} has several columns {in_short(twice)}. Leave one of them")
    return lines


def _line(text):
    """The next line of an open file; empty at its end."""
    line = text.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise csv.Error(f"a line of {LONGEST_LINE:,} characters or more")
    return line


def _rows(file, lines):
    """Rows of lines."""
    cameras = _cameras(file, [line for _, line in lines])
    is_retrieval = any(_split(line) in ("query", "gallery") for _, line in lines)
    for number, line in lines:
        if any(map(str.strip, line.get(None, ()))):
            raise InputError(
                f"{file}, line {number}: has more values than there are columns. Quote what has a separator"
            )
        if lacking := [name for name in COLUMNS if not (line[name] or "").strip()]:
            raise InputError(f"{file}, line {number}: has no {' and no '.join(lacking)}")
        split = _split(line)
        if split not in SPLITS or (is_retrieval and split == "test"):
            valid = [name for name in SPLITS if name != "test" or not is_retrieval]
            raise InputError(f"{file}, line {number}: unknown split {split or '(empty)'}. Valid: {', '.join(valid)}")
        query = split == "query" if is_retrieval and SPLITS[split] == "test" else None
        camera = cameras.get(_camera(line)) if SPLITS[split] == "test" else None
        path = pathlib.Path(line["path"].strip())  # Without what says nothing, as in ./1.png
        yield Row(str(file.parent / path), str(path), SPLITS[split], line["label"].strip(), query, camera)


def _split(line):
    return "train" if "split" not in line else (line["split"] or "").strip().lower()


def _camera(line):
    return (line.get("camera") or "").strip()


def _cameras(file, lines):
    """Dict from the cameras of the test part to their numbers; empty if there are none."""
    names = {_camera(line) for line in lines if SPLITS.get(_split(line)) == "test"}
    if names in (set(), {""}):
        return {}
    if "" in names:
        raise InputError(f"{file}: some test images have a camera and some have none. Give every one its camera")
    return {name: number for number, name in enumerate(in_order(names))}


def _require_one_meaning(file, rows):
    """Refuses an image of which different things are said, and queries without a gallery or the reverse."""
    meanings = {}
    for row in rows:
        other = meanings.setdefault(row.path, row)
        if other != row:
            said = " and ".join(f"{each.label} ({_part(each)})" for each in (other, row))
            raise InputError(f"{file}: {in_short([row.name])} is there twice, as {said}. Leave one of them")
    queries = {row.query for row in rows if row.query is not None}
    if len(queries) == 1:
        raise InputError(f"{file}: has {'queries but no gallery' if True in queries else 'a gallery but no queries'}")


def _part(row):
    return row.part if row.query is None else "query" if row.query else "gallery"
