"""A results folder as an earlier version wrote it is read, skipped, compared and drawn."""

import csv
import json

import numpy as np
import pytest
from support.older_results import CENTER_METRICS, PIXELS_METRICS, TRIPLET_METRICS, write_older_results

from lab.maps import Selection
from lab.report import write_tables
from lab.results import gather
from lab.run_folder import RunFolder
from lab.settings import PIXELS, Settings
from visualize import CAPTIONS, comparison_pictures

CENTER = Settings("digits", "center", seed=0, epochs=15, precision="mixed_bfloat16")
TRIPLET = Settings(
    "digits", "triplet", 0, 2, overrides={"triplet_weight": 1e38}, precision="mixed_bfloat16", tsne_iterations=300
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "digits"
    write_older_results(path)
    return path


@pytest.mark.parametrize("settings", [CENTER, TRIPLET, CENTER.of_pixels()], ids=lambda settings: settings.loss)
def test_its_runs_are_done_with_the_same_settings(folder, settings):
    run = RunFolder(folder / settings.folder)
    assert run.settings() == settings
    assert run.is_done(settings, overwrite=False) is True


@pytest.mark.parametrize(
    ("settings", "metrics"),
    [(CENTER, CENTER_METRICS), (TRIPLET, TRIPLET_METRICS), (CENTER.of_pixels(), PIXELS_METRICS)],
    ids=["center", "triplet", "raw_pixels"],
)
def test_its_runs_are_read_with_all_that_their_files_say(folder, settings, metrics):
    run = RunFolder(folder / settings.folder).load()
    assert run.settings == settings
    assert json.loads(json.dumps(run.to_metrics())) == json.loads(metrics)


def test_its_raw_pixels_still_say_what_every_run_shows(folder):
    selection = Selection.of_arrays(RunFolder(folder / PIXELS).load().arrays)
    assert selection.indices.keys() == selection.layouts.keys() == selection.references.keys() == {"test", "train"}
    np.testing.assert_array_equal(selection.queries, np.arange(10))


def test_its_runs_are_compared_drawn_and_written_to_tables(folder):
    results = gather(folder, CENTER)
    assert [row.name for row in results.rows] == [PIXELS, "center"]
    different = "epochs 2 instead of 15, tsne-iterations 300 instead of 1000"
    assert results.left_out == {f"other settings: {different}": [folder / "triplet" / "seed-0"]}
    pictures = comparison_pictures(results)
    assert {picture.file for picture in pictures} == CAPTIONS.keys() - {"comparison_features.png"}
    write_tables(results, CAPTIONS)
    with open(folder / "results.csv", newline="", encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert (line["loss"], line["seed"], line["map_at_r"]) == ("center", "0", "0.9668838522395923")
    assert "| center | 0 | 99.00 | 99.25 |" in (folder / "SUMMARY.md").read_text(encoding="utf-8")
