"""Thousands of damaged files through the command: it never fails, and the next training makes the damage good."""

import dataclasses
import gzip
import hashlib
import io
import json
import math
import os
import random
import shutil
from contextlib import nullcontext

import numpy as np
import pytest
from support.mutations import mutated
from support.own_images import write_folder, write_idx, write_npz, write_table
from support.runs import make_run, write_run
from support.small_network import few_digits

import main as story
from lab.backup import BACKUP
from lab.dashboard.comparison import CURVES
from lab.dashboard.events import replace_events, texts
from lab.files import DIGEST_NAME, read_json, save_arrays, save_json
from lab.log import Log
from lab.results import Results, gather
from lab.run_folder import RunFolder
from lab.settings import PIXELS
from lab.sources import SOURCES, idx
from losses import LOSSES

TRAINED = ("--dataset", "digits", "--epochs", "2", "--optimizer", "adamw", "--precision", "float32", "--losses", "all")
MOST_MEMORY = 200_000_000  # Bytes more than after the first round.


def short_and_long(short, long):
    """Number of the files that are damaged."""
    return pytest.mark.parametrize("count", [short, pytest.param(long, marks=pytest.mark.long)])


@pytest.fixture
def rng():
    return random.Random(0)


@pytest.fixture
def quick_parts(monkeypatch):
    """Few digits, no pictures, and runs that end as soon as they begin."""

    def run_loss(settings, data, shown, folder, log):
        folder.start(settings, log.command, data.source)
        log.begin(settings.title)
        log.backup(folder)
        log.end(folder, make_run(settings.loss, seed=settings.seed))

    def run_pixels(settings, data, folder, log):
        folder.start(settings, log.command, data.source)
        log.begin(settings.title)
        log.end(folder, make_run(PIXELS))

    monkeypatch.setattr("lab.run_folder.environment", dict)
    monkeypatch.setattr(story, "run_loss", run_loss)
    monkeypatch.setattr(story, "run_pixels", run_pixels)
    monkeypatch.setattr(story, "load_dataset", lambda *_: few_digits())
    monkeypatch.setattr(story, "comparison_pictures", lambda results: [])
    # Not after every run: --summarize writes the tables.
    gathered = story.gathered
    monkeypatch.setattr(
        story, "gathered", lambda path, *of: nullcontext(Results(path, of[0], [], {})) if of else gathered(path)
    )
    tables = Log.tables
    monkeypatch.setattr(Log, "tables", lambda log, results, captions: results.rows and tables(log, results, captions))


@pytest.fixture
def whole(tmp_path):
    """The folder of a run with a file of every kind that is read, or may be."""
    folder = RunFolder(write_run(tmp_path / "whole"))
    lines = [",".join(CURVES.values()), *[",".join(["0.5"] * len(CURVES))] * 2]
    (folder.path / "history.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    save_arrays(folder.path / "training.npz", {"epochs": np.arange(3), "map": np.zeros((3, 5, 2))})
    replace_events(folder.path, [(0, content) for content in texts({"result": "fine"})])
    (folder.path / "projector_config.pbtxt").write_text("embeddings {\n}\n", encoding="utf-8")
    arrays = io.BytesIO()
    np.savez(arrays, made_with=json.dumps({"settings": {}}), epochs=1, seconds=2.0)
    (folder.path / BACKUP).write_bytes(hashlib.sha256(arrays.getvalue()).digest() + arrays.getvalue())
    return folder.path


def write_runs(path, whole, seeds):
    """Writes a run of each loss and seed, copies of one but for what says so; returns their folders."""
    config, metrics = (read_json(whole / name) for name in ("config.json", "metrics.json"))
    folders = []
    for loss in LOSSES:
        for seed in range(seeds):
            folder = path / loss / f"seed-{seed}"
            folder.mkdir(parents=True)
            for file in whole.iterdir():
                if file.suffix != ".json":
                    os.link(file, folder / file.name)
            own = {"loss": loss, "seed": seed}
            save_json(folder / "config.json", config | {"settings": config["settings"] | own})
            save_json(folder / "metrics.json", metrics | own)
            folders.append(folder)
    write_run(path, PIXELS)
    return folders


def damage(file, rng):
    """Mutates a file in its place."""
    content = mutated(file.read_bytes(), file.suffix, rng)
    file.unlink()  # Another one may be linked to it.
    file.write_bytes(content)


def says_it_is_whole(file):
    """Whether a JSON file can be read and nothing says that it is damaged."""
    return bool(read_json(file)) and DIGEST_NAME not in json.loads(file.read_bytes())


def memory():
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@short_and_long(99, 7000)
@pytest.mark.usefixtures("quick_parts")
def test_damaged_runs_are_compared_without_and_done_again(tmp_path, whole, rng, count):
    seeds, runs, before = min(7, math.ceil(count / len(LOSSES))), tmp_path / "runs", 0
    while count > 0:
        folders = write_runs(runs / "digits", whole, seeds)
        for name in ("results.csv", "SUMMARY.md"):
            (runs / "digits" / name).write_bytes(b"loss,seed\nsoftmax,0\n")
            damage(runs / "digits" / name, rng)
        for folder in rng.sample(folders, min(count, len(folders))):
            damage(rng.choice(sorted(folder.iterdir())), rng)
            count -= 1
        assert story.main(["--summarize", "--runs", str(runs)]) == 0
        for folder in folders:
            if says_it_is_whole(folder / "config.json"):
                shutil.rmtree(folder)  # It may be of other settings, or of another version: neither is replaced.
        assert story.main([*TRAINED, "--seeds", str(seeds), "--runs", str(runs)]) == 0
        assert {run.path for row in gather(runs / "digits").losses for run in row.found} == {*folders}
        shutil.rmtree(runs)
        before = before or memory()
    assert memory() - before < MOST_MEMORY


@pytest.fixture
def data_sets(tmp_path, monkeypatch):
    """Dict from what `--dataset` takes to the folder of its files; one of them is in the cache of Keras."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    digits = few_digits()
    parts = {"train": digits.train[:40], "test": digits.test[:20]}
    parts = {part: (split.images, split.labels) for part, split in parts.items()}
    names = tuple("0123456789")
    write_folder(tmp_path / "folder", parts, names)
    (tmp_path / "arrays").mkdir()
    write_npz(tmp_path / "arrays" / "arrays.npz", parts)
    table = write_table(tmp_path / "table", parts, names)
    write_idx(tmp_path / "idx", parts)
    contents = [idx.format_idx(array.squeeze()) for part in parts.values() for array in part]
    idx.cache_folder("mnist").mkdir(parents=True)
    for name, content in zip(idx.FILES, contents, strict=True):
        (idx.cache_folder("mnist") / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setitem(idx.SHA256, "mnist", tuple(hashlib.sha256(content).hexdigest() for content in contents))
    monkeypatch.setattr(idx, "keras_arrays", lambda name: tuple(map(idx.parse_idx, contents)))
    monkeypatch.setattr(
        "lab.sources.SOURCES", SOURCES | {"mnist": dataclasses.replace(SOURCES["mnist"], validation=20)}
    )
    return {
        str(tmp_path / "folder"): tmp_path / "folder",
        str(tmp_path / "arrays" / "arrays.npz"): tmp_path / "arrays",
        str(table): table.parent,
        str(tmp_path / "idx"): tmp_path / "idx",
        "mnist": idx.cache_folder("mnist"),
    }


@short_and_long(100, 3000)
def test_damaged_data_sets_are_read_again_or_refused(tmp_path, data_sets, rng, count, monkeypatch):
    read = []
    monkeypatch.setattr(story, "run_study", lambda options, data, log: read.append(data))

    def status(dataset):
        return story.main(["--dataset", dataset, "--losses", "softmax", "--runs", str(tmp_path / "runs")])

    assert [status(dataset) for dataset in data_sets] == [0] * len(data_sets)
    whole, before = dict(zip(data_sets, read, strict=True)), memory()
    kept = tmp_path / "keras" / "datasets" / "own-images"
    entries = {*kept.iterdir()}
    for _ in range(count):
        dataset = rng.choice(list(data_sets))
        cached = dataset == "mnist" or (rng.random() < 0.5 and dataset.endswith(("folder", ".csv")))
        place = kept if cached and dataset != "mnist" else data_sets[dataset]
        file = rng.choice(sorted(path for path in place.rglob("*") if path.is_file() and path.suffix != ".damaged"))
        content = file.read_bytes()
        damage(file, rng)
        damaged, is_unsure = file.read_bytes(), file.suffix == ".json" and says_it_is_whole(file)
        read.clear()
        assert status(dataset) in ((0,) if cached else (0, 2))
        if cached and not is_unsure:
            assert same_images(read[0], whole[dataset])
        if file.read_bytes() == damaged:  # Else it was made anew.
            file.write_bytes(content)
        for entry in {*kept.iterdir()} - entries:  # Of what was damaged.
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    assert memory() - before < MOST_MEMORY


def same_images(one, other):
    return one.content == other.content and np.array_equal(one.train.images[:], other.train.images[:])


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("small_network", "few_points", "undrawn")
def test_thirty_damaged_runs_are_trained_again_to_the_same_scores(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(story, "load_dataset", lambda *_: few_digits())
    losses, small = ("softmax", "center", "triplet"), ("--epochs", "1", "--embedding-dim", "2")
    command = ["--dataset", "digits", *small, "--seeds", "2", "--no-tensorboard", "--runs", str(tmp_path), "--losses"]

    def scores():
        assert story.main([*command, *losses]) == 0
        return {path: run.scores for row in gather(tmp_path / "digits").losses for path, run in row.found.items()}

    before = scores()
    assert len(before) == 6
    for _ in range(5):
        for folder in before:
            file = folder.path / rng.choice(["config.json", "metrics.json", "embeddings.npz"])
            file.write_bytes(mutated(file.read_bytes(), "", rng))
        assert scores() == before
