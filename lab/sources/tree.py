"""The image files in a folder, at any depth."""

import os
import pathlib
from typing import NamedTuple

from lab.errors import InputError

from .images import EXTENSIONS
from .listing import in_short

NO_CONTENT = frozenset(("thumbs.db", "desktop.ini", "__macosx"))  # Left by file managers.


class Tree(NamedTuple):
    """What lies in a folder, at any depth: sorted paths from it, as texts with `/`; what is hidden is left out.

    Args:
        images: Files whose names end like those of images.
        others: Everything else that is no folder.
        folders: Folders.
    """

    images: list
    others: list
    folders: list


def look_into(folder):
    """The `Tree` of a folder; links are followed.

    Raises:
        InputError: If a folder cannot be read.
    """
    tree, pending = Tree([], [], []), [("", ())]
    while pending:
        start, above = pending.pop()
        path = pathlib.Path(folder, start)
        try:
            status = path.stat()
            entries = list(os.scandir(path))
        except OSError as error:
            raise InputError(f"cannot read the folder {path} ({error.strerror})") from None
        identity = status.st_dev, status.st_ino
        if identity in above:
            continue  # A link to a folder that it lies in.
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in NO_CONTENT:
                continue
            name = start + entry.name
            if _is(entry.is_dir):
                tree.folders.append(name)
                pending.append((f"{name}/", (*above, identity)))
            elif is_image(name) and (_is(entry.is_file) or entry.is_symlink()):
                tree.images.append(name)
            else:
                tree.others.append(name)
    return Tree(*map(sorted, tree))


def is_image(name):
    """Whether the name of a file ends like that of an image."""
    return f".{name.lower().rpartition('.')[2]}" in EXTENSIONS  # A `Path` takes longer than all the rest.


def _is(question):
    """The answer of a directory entry; no, if it is a link that leads nowhere."""
    try:
        return question()
    except OSError:
        return False


def report_others(tree, report):
    """Says by `report` which files of a `Tree` are passed over."""
    if tree.others:
        report(f"passed over, as they are no images: {in_short(tree.others)}")


def image_files(path, report):
    """Image files under a path, sorted: those in a folder, at any depth, or the file itself.

    `report` is called with a line that names the files of a folder that are passed over.

    Raises:
        InputError: If there are none.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"there is no file or folder {path}")
    tree = look_into(path)
    images = [path / name for name in tree.images]
    if not images:
        raise InputError(f"{path} has no images: no files that end in {', '.join(sorted(EXTENSIONS))}")
    report_others(tree, report)
    return images
