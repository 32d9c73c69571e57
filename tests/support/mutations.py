"""Files as a fault of the disk, of a transfer or of an editor leaves them."""

import copy
import io
import json
import zipfile

import numpy as np

from lab.files import DIGEST_NAME

VALUES = (
    *(None, True, [], {}, "", "x", "\ud800", "a" * 10_000, "0\0", -1, 0, 1.5, 10**12, 10**400, 1e999, float("nan")),
    *([None], {"a": 1}, [[["x"]]], ["a"] * 3),
)
WORDS = (b"nan", b"1e999", b"-1", b"9" * 5000, b"", b'"', b"\r", b"\0", b"text", b",,,,")


def mutated(content, kind, rng):
    """The bytes of a file, changed.

    Args:
        content: The bytes.
        kind: How the name of the file ends, as `.json`: of some kinds the content is changed, not the bytes alone.
        rng: `random.Random`.
    """
    changes = [_flipped, _flipped, _cut, _zeroed, _doubled, _with_junk, _recoded, _emptied]
    changes += {".json": 3 * [_json], ".npz": 3 * [_arrays], ".csv": 3 * [_cells]}.get(kind, [])
    return rng.choice(changes)(content, rng)


def _flipped(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 5, 50])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _cut(content, rng):
    return content[: rng.randrange(len(content))]


def _zeroed(content, rng):
    start, length = rng.randrange(len(content)), rng.choice([1, 100, 4096])
    return content[:start] + bytes(len(content[start : start + length])) + content[start + length :]


def _doubled(content, rng):
    start, stop = sorted(rng.choices(range(len(content)), k=2))
    return content[:stop] + content[start:]


def _with_junk(content, rng):
    start = rng.randrange(len(content))
    return content[:start] + rng.randbytes(rng.randrange(1, 40)) + content[start:]


def _recoded(content, rng):
    return content.decode("latin-1").encode(rng.choice(["utf-16", "utf-32", "utf-8-sig"]))


def _emptied(content, rng):
    return rng.choice([b"", b"\0" * len(content), b"[" * 100_000, b"{}", b"\n"])


def _json(content, rng):
    """Another value, name or order somewhere; of half of them nothing says that they are not whole."""
    content = json.loads(content)
    if rng.random() < 0.5:
        content.pop(DIGEST_NAME, None)
    holder, key = rng.choice(list(_places(content)))
    change = rng.choice(["value", "value", "without", "renamed", "swapped"])
    if change == "without":
        del holder[key]
    elif change == "renamed" and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif change == "swapped":
        other, its = rng.choice(list(_places(content)))
        holder[key], other[its] = copy.deepcopy(other[its]), copy.deepcopy(holder[key])
    else:
        holder[key] = rng.choice(VALUES)
    return json.dumps(content).encode()


def _places(content):
    """Pairs of a dict or list and a key in it."""
    for key in content if isinstance(content, dict) else range(len(content)):
        yield content, key
        if isinstance(content[key], dict | list):
            yield from _places(content[key])


def _arrays(content, rng):
    """Another array, or none, in place of one; its length and checksum are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(arrays))
    array = np.load(io.BytesIO(arrays[name]))
    others = (
        *(array[:0], array[None], array.ravel()[: array.size // 2], array.astype("float16"), array.astype("U5")),
        *(array.astype(complex), np.zeros(0), np.zeros(()), np.full(array.shape, 10**9), np.full(array.shape, -5)),
        *(np.full(array.shape, np.nan), np.full(array.shape, np.inf), np.zeros(array.shape, "M8[s]")),
        *(np.array([{"a": 1}], object), np.zeros(3, [("a", "i4"), ("b", "f8")])),
    )
    replaced = {name: rng.choice([None, *others, np.load(io.BytesIO(arrays[rng.choice(list(arrays))]))])}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for other, old in arrays.items():
            if other not in replaced:
                archive.writestr(other, old)
            elif replaced[other] is not None:
                with archive.open(other, "w") as member:
                    np.lib.format.write_array(member, replaced[other])
    return file.getvalue()


def _cells(content, rng):
    """Another word in a cell, or a line less or twice."""
    lines = [line.split(b",") for line in content.split(b"\n")]
    change, line = rng.choice(["word", "word", "without", "twice"]), rng.randrange(len(lines))
    if change == "word":
        lines[line][rng.randrange(len(lines[line]))] = rng.choice(WORDS)
    elif change == "without":
        del lines[line]
    else:
        lines.insert(line, lines[line])
    return b"\n".join(map(b",".join, lines))
