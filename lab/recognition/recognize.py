"""The job of `--embed`, from the image files to what is said and kept of them."""

import numpy as np

from evaluation.vectors import l2_normalize
from lab.errors import InputError
from lab.files import make_folder, parts_of, save_arrays, save_bytes, save_table
from lab.sources.tree import image_files

from .answers import COLUMNS, answer, show, verdict
from .files import embed_files
from .references import read_gallery, read_training
from .similar import MOST_QUERIES, similar_pictures
from .trained import load_trained


def recognize(options, load, log):
    """Embeds image files by a trained run, says of which class each is, or that it is of none, and keeps that.

    Args:
        options: `Options`: `embed`, `gallery`, `neighbors`, `npz` and `to`.
        load: `load_dataset`, for the images that the run was trained on.
        log: `Log`.

    Raises:
        InputError: If the run cannot be used, an image or a folder is missing, or no image can be read.
    """
    path, *given = options.embed
    trained = load_trained(path)
    files = list(dict.fromkeys(file for each in given for file in image_files(each, log.say)))
    make_folder(options.to, "--to")
    _require_own(options.to)
    gallery = read_gallery(trained, options.gallery, log) if options.gallery else None
    references = gallery or (read_training(trained, load, log) if options.neighbors else None)
    found = embed_files(trained, files, log)
    points = l2_normalize(found.embeddings)
    rows = answer(found.paths, points, gallery or trained, trained.rates)
    _keep(options, rows, found)
    show(f"By {trained.title}", rows, options.to / "embedded.csv", log.terminal.console)
    log.say(verdict(trained, gallery))
    if options.neighbors:
        for name, png in similar_pictures(trained, found.paths, points, references, options.neighbors).items():
            save_bytes(options.to / name, png)
        which = f"the first {MOST_QUERIES} images" if len(rows) > MOST_QUERIES else "each"
        log.say(f"The {references.what} most similar to {which} are in {options.to}/neighbors*.png")


def _require_own(folder):
    """Refuses the folder of a run, and one with files that would be replaced though no `--embed` has written them."""
    if (folder / "config.json").exists():
        raise InputError(f"--to: {folder} has a config.json, as a run has. Choose another folder")
    if (folder / "embedded.csv").exists():
        return
    for file in (folder / "embeddings.npz", *parts_of(folder / "neighbors.png")):
        if file.exists():
            raise InputError(f"--to: {folder} has {file.name} of something else, which would go. Choose another folder")


def _keep(options, rows, found):
    """Writes the table, and the embeddings if they are asked for; what is there of other images goes."""
    save_table(options.to / "embedded.csv", rows, COLUMNS)
    arrays = options.to / "embeddings.npz"
    for stale in (arrays, *parts_of(options.to / "neighbors.png")):
        stale.unlink(missing_ok=True)
    if options.npz:
        save_arrays(arrays, {"paths": np.array([row["path"] for row in rows]), "embeddings": found.embeddings})
