"""Files that are there whole or not at all."""

import contextlib
import csv
import io
import json
import os
import tempfile

import numpy as np

from lab.errors import InputError


@contextlib.contextmanager
def whole_file(path):
    """Gives a temporary path to write to, which takes the place of `path` only if all went well."""
    # TensorBoard reads whatever has "tfevents" in its name.
    temporary = path.with_name(f".partial-{os.getpid()}-{path.name.replace('tfevents', '')}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path, flag="--runs"):
    """Makes a folder for results, which a flag names, if there is none.

    Raises:
        InputError: If it cannot be made, or not be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"cannot write to {flag} {path} ({error.strerror}). Choose a folder of yours") from None


def parts_of(path):
    """The files that are there of a picture: its own, then those of its parts, which end in `_1`, `_2` and so on."""
    numbers = {part: part.stem.removeprefix(f"{path.stem}_") for part in path.parent.glob(f"{path.stem}*{path.suffix}")}
    parts = [part for part, number in numbers.items() if part == path or number.isdecimal()]
    return sorted(parts, key=lambda part: (len(part.name), part.name))


def save_bytes(path, content):
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def save_text(path, text):
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def save_json(path, content):
    save_text(path, json.dumps(content, indent=2) + "\n")


def save_arrays(path, arrays):
    """Writes a dict of arrays as `.npz`."""
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def save_table(path, rows, columns):
    """Writes a list of dicts as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    save_text(path, text.getvalue())


def read_json(path):
    """The JSON object in a file; empty if there is none, or the file is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
