"""Says where two folders of results differ: scores, arrays, tables and text by value, pictures by pixel.

    python tests/support/same_results.py BEFORE AFTER

Times may differ, and what says where or by which version a run was made. Ends with 1 if anything else does.
"""

import csv
import json
import pathlib
import sys

import numpy as np
from PIL import Image, ImageSequence

TIMES = {"timing", "seconds"}
PROVENANCE = {"command", "versions", "git_commit", "machine", "digest"}
NOT_COMPARED = ("*.tfevents.*", "*.keras", "*.h5")  # Events have times in them; models are told by their scores.


def differences(before, after):
    """Yields a line for each file that is in one of the folders alone, or whose content is another one."""
    names = {path.relative_to(folder) for folder in (before, after) for path in folder.rglob("*") if path.is_file()}
    for name in sorted(names):
        if any(name.match(pattern) for pattern in NOT_COMPARED) or name.name.startswith("."):
            continue
        one, other = before / name, after / name
        if not (one.exists() and other.exists()):
            yield f"{name}: only in {before if one.exists() else after}"
        else:
            compare = READERS.get(name.suffix, _compare_bytes)
            yield from (f"{name}: {difference}" for difference in compare(one, other))


def _compare_json(one, other):
    a, b = (_without_times(json.loads(path.read_text(encoding="utf-8"))) for path in (one, other))
    if isinstance(a, list):
        a, b = ({"": content} for content in (a, b))
    for name in sorted(a.keys() | b.keys()):
        if a.get(name) != b.get(name):
            yield f"{name} is {a.get(name)!r} and {b.get(name)!r}"


def _without_times(content):
    """JSON without what is measured with a clock or says by what it was made; "NaN" for what is not equal to itself."""
    if isinstance(content, dict):
        return {name: _without_times(value) for name, value in content.items() if name not in TIMES | PROVENANCE}
    return "NaN" if content != content else content


def _compare_arrays(one, other):
    with np.load(one) as a, np.load(other) as b:
        for name in sorted(set(a.files) | set(b.files)):
            if name not in a.files or name not in b.files:
                yield f"array {name} only in {one if name in a.files else other}"
            elif a[name].dtype != b[name].dtype or not np.array_equal(
                a[name], b[name], equal_nan=a[name].dtype.kind == "f"
            ):
                yield f"array {name} differs: {a[name].dtype} {a[name].shape} and {b[name].dtype} {b[name].shape}"


def _compare_pictures(one, other):
    with Image.open(one) as a, Image.open(other) as b:
        a, b = ([np.asarray(f.convert("RGB")) for f in ImageSequence.Iterator(picture)] for picture in (a, b))
    if len(a) != len(b) or a[0].shape != b[0].shape:
        yield f"{len(a)} x {a[0].shape} and {len(b)} x {b[0].shape}"
    elif changed := sum((x != y).any(axis=-1).sum() for x, y in zip(a, b, strict=True)):
        yield f"{changed:,} pixels differ"


def _compare_table(one, other):
    with open(one, newline="", encoding="utf-8") as a, open(other, newline="", encoding="utf-8") as b:
        if list(csv.reader(a)) != list(csv.reader(b)):
            yield "rows differ"


def _compare_bytes(one, other):
    if one.read_bytes() != other.read_bytes():
        yield "contents differ"


READERS = {
    ".json": _compare_json,
    ".npz": _compare_arrays,
    ".png": _compare_pictures,
    ".gif": _compare_pictures,
    ".csv": _compare_table,
}


def main():
    before, after = map(pathlib.Path, sys.argv[1:])
    found = list(differences(before, after))
    print("\n".join(found) or "the same")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
