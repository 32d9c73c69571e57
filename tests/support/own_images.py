"""Data sets of one's own in every form that is read, made of the same images."""

import csv
import pathlib
import struct

import numpy as np
from PIL import Image


def write_folder(folder, parts, names):
    """Parts, dict to images `(n, h, w, c)` and labels, as PNG files in folders of the classes; the files count on."""
    for part, (images, labels) in parts.items():
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            inside = pathlib.Path(folder, part, names[label])
            inside.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.squeeze()).save(inside / f"{number}.png")


def write_table(folder, parts, names):
    """The same in one folder, and what they are in a table; returns its path."""
    path = pathlib.Path(folder, "images.csv")
    path.parent.mkdir(parents=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "split"])
        for part, (images, labels) in parts.items():
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                Image.fromarray(image.squeeze()).save(path.with_name(f"{part} {number}.png"))
                table.writerow([f"{part} {number}.png", names[label], part])
    return path


def write_npz(path, parts):
    """The same as arrays; `val` is what the validation part is called."""
    short = {"train": "train", "validation": "val", "test": "test"}
    arrays = {f"x_{short[part]}": images for part, (images, _) in parts.items()}
    np.savez(path, **arrays, **{f"y_{short[part]}": labels for part, (_, labels) in parts.items()})


def write_idx(folder, parts, prefix="own-"):
    """Training and test images as IDX files."""
    folder.mkdir(parents=True)
    for part, (images, labels) in parts.items():
        for kind, array in (("images-idx3", images.squeeze(-1)), ("labels-idx1", labels.astype("uint8"))):
            head = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
            (folder / f"{prefix}{part}-{kind}-ubyte").write_bytes(head + array.tobytes())
