"""Files that are there whole or not at all."""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import time
import uuid

import numpy as np

from lab.errors import InputError
from lab.processes import place, see
from lab.reading import open_archive, read_array, read_bytes, require_file

# What a process that was killed leaves; an older version's has neither place nor random part.
LEFTOVER = re.compile(r"\.(?:partial|old)-(?:(?P<place>[0-9a-f]+)-)?(?P<process>\d+)-")
DIGEST_NAME = "digest"  # Of all else in a JSON file.
LONGEST_JSON = 24_000_000  # Bytes: the names of 100,000 classes take a half of it.
MOST_MARKS = 700_000  # Of JSON: quotes and commas of the names of 100,000 classes, twice, are 600,000.
DAY = 24 * 60 * 60  # Seconds. No file takes that long to write.
LAST_USED = 20  # Of what is kept for other commands.
DIGEST = 32  # Bytes at the beginning of a sealed file.


@contextlib.contextmanager
def whole_file(path, lasting=True):
    """Gives a temporary path to write to, which takes the place of `path` only if all went well.

    If it is to be `lasting`, it is on the disk by then: else a power loss might leave the name without the content. The
    system brings the name there in seconds: until then, the old file is whole.

    Raises:
        OSError: If the system refuses; it names `path`.
    """
    # TensorBoard reads whatever has "tfevents" in its name.
    temporary = path.with_name(f"{partial()}{uuid.uuid4().hex[:8]}-{path.name.replace('tfevents', '')}")
    try:
        with naming(path):
            yield temporary
            if lasting:
                with open(temporary, "rb+") as file:
                    os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):  # What went wrong before matters more.
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path):
    """Has errors of the system name the file that is written, not none or one that is only for the time being."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def partial():
    """How the names of what this process has half written begin."""
    return f".partial-{_place()}-{os.getpid()}-"


def remove_leftovers(folder):
    """Removes the files that processes which are dead by now left half written in a folder."""
    for path in folder.glob(".partial-*"):
        if is_leftover(path):
            with contextlib.suppress(OSError):
                path.unlink()


def is_leftover(path):
    """Whether a process of ours made a file for the time being, and is dead: of another place, after a day."""
    made_by = LEFTOVER.match(path.name)
    if made_by is None:
        return False
    if made_by["place"] in (None, _place()) and see(int(made_by["process"])) is None:
        return True
    try:
        return time.time() - path.lstat().st_mtime > DAY
    except OSError:
        return False


def keep_last_used(path):
    """Marks a file or folder as used now, and removes those beside it of the same ending but the last used.

    Where the system refuses, they stay.
    """
    with contextlib.suppress(OSError):
        os.utime(path)
        alike = [other for other in path.parent.glob("[!.]*") if other.suffix == path.suffix]
        for old in sorted(alike, key=lambda other: other.stat().st_mtime_ns)[:-LAST_USED]:
            shutil.rmtree(old) if old.is_dir() else old.unlink()


def _place():
    """Where this process counts, in letters and digits that a file name may have."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, place()).hex[:8]


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
    """Writes a dict as JSON, and with it by what to know that it is whole: see `read_json`."""
    save_text(path, json.dumps(content | {DIGEST_NAME: _digest(content)}, indent=2) + "\n")


def _digest(content):
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def save_arrays(path, arrays):
    """Writes a dict of arrays as `.npz`."""
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def save_sealed(path, arrays, lasting=True):
    """Writes a dict of arrays and plain values, after the hash of all; `lasting` as for `whole_file`."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    with whole_file(path, lasting) as temporary, open(temporary, "wb") as file:
        file.write(hashlib.sha256(content.getbuffer()).digest())
        file.write(content.getbuffer())


def read_sealed(path):
    """The dict of arrays in a file that `save_sealed` wrote; None if there is none, or it is damaged."""
    try:
        require_file(path)
        with open(path, "rb") as file, open_archive(file) as archive:  # It is one whatever comes before it.
            file.seek(0)
            if file.read(DIGEST) != hashlib.file_digest(file, "sha256").digest():
                return None
            return {member.filename.removesuffix(".npy"): read_array(archive, member) for member in archive.infolist()}
    except (OSError, ValueError):
        return None


def save_table(path, rows, columns):
    """Writes a list of dicts as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    save_text(path, text.getvalue())


def read_json(path):
    """The JSON object in a file; empty if there is none, or it is not what `save_json` wrote.

    Of one that says nothing of that, as those of older versions, everything is taken.
    """
    try:
        content = json.loads(_modest(read_bytes(path, LONGEST_JSON)).decode())
        json.dumps(content, ensure_ascii=False).encode()  # Half a pair of surrogates could not be written again.
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    is_damaged = DIGEST_NAME in content and content.pop(DIGEST_NAME) != _digest(content)
    return {} if is_damaged else content


def _modest(content):
    """Bytes of JSON as they are.

    Raises:
        ValueError: If they have more values than anything of ours: two bytes may take a hundred of memory.
    """
    bare = content.translate(None, b" \t\r\n").replace(rb"\\", b"").replace(rb"\"", b"")
    quotes = bare.count(b'"')
    if quotes > MOST_MARKS or quotes + len(re.sub(rb'"[^"]*"', b"", bare)) > MOST_MARKS:
        raise ValueError(f"more than {MOST_MARKS:,} quotes, commas and the like")
    return content
