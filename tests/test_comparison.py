"""Comparing run folders: which runs, which is best, and what is left when something is missing."""

import csv
import json

import numpy as np
import pytest

from comparison import SCORES, Row, best_rows, cell, compare, ended_runs
from experiment import DISTANCE_BINS, INDICES

SETTINGS = {"dataset": "digits", "epochs": 2, "quick": False, "loss": "softmax", "seed": 0, "overrides": {}}
FACTS = {"n": 20, "perplexity": 5, "iterations": 300, "seed": 0, "kl_divergence": 1.0, "neighbor_preservation": 0.5}


def row(loss, **scores):
    return Row(loss, {}, (0,), (), {name: scores.get(name, []) for name in SCORES}, ())


@pytest.fixture
def folder(tmp_path):
    write_run(tmp_path / "raw_pixels", loss="raw_pixels")
    return tmp_path


def write_run(path, status="finished", score=0.5, **settings):
    path.mkdir(parents=True)
    settings = SETTINGS | settings
    metrics = {"status": status, "seed": settings["seed"], "timing": {}, "tsne": FACTS}
    if status == "finished":
        metrics |= {"test": dict.fromkeys(SCORES, score), "timing": {"train_seconds": 1.0}}
    (path / "config.json").write_text(json.dumps({"settings": settings}))
    (path / "metrics.json").write_text(json.dumps(metrics))
    points = np.random.default_rng(0).normal(size=(20, 2))
    counts = np.ones(len(DISTANCE_BINS) - 1)
    arrays = {"tsne_test": points, INDICES["test"]: np.arange(20), "test_labels": np.arange(20) % 10}
    np.savez(path / "embeddings.npz", same_pairs=counts, different_pairs=counts, **arrays)


def results(folder):
    with open(folder / "results.csv") as file:
        return [(line["loss"], line["seed"], line["status"]) for line in csv.DictReader(file)]


def test_the_best_is_the_largest_number_not_the_last_in_the_alphabet():
    rows = [row("softmax", head_accuracy=[1.0]), row("center", head_accuracy=[0.9975])]
    assert cell(rows[0], "head_accuracy") == "100.00"
    assert best_rows(rows, "head_accuracy") == {"softmax"}


def test_the_smallest_distance_ratio_is_best_and_equal_means_are_both_best():
    rows = [row("softmax", distance_ratio=[0.2]), row("center", distance_ratio=[0.1, 0.1])]
    assert best_rows(rows, "distance_ratio") == {"center"}
    rows.append(row("triplet", distance_ratio=[0.0, 0.2]))
    assert best_rows(rows, "distance_ratio") == {"center", "triplet"}


def test_the_raw_pixels_do_not_compete_and_one_loss_is_not_the_best_of_itself():
    rows = [row("raw_pixels", map_at_r=[0.9]), row("softmax", map_at_r=[0.5])]
    assert best_rows(rows, "map_at_r") == set()
    assert best_rows([*rows, row("center", map_at_r=[0.4])], "map_at_r") == {"softmax"}


def test_runs_of_other_settings_are_left_out_and_counted(folder):
    write_run(folder / "softmax" / "seed-0")
    write_run(folder / "center" / "seed-0", loss="center", epochs=3)
    write_run(folder / "triplet" / "seed-0", loss="triplet", overrides={"margin": 0.1})
    write_run(folder / "triplet" / "seed-1", loss="triplet", seed=1)
    rows, others = compare(folder, SETTINGS)
    assert [row.name for row in rows] == ["raw_pixels", "softmax", "triplet (margin=0.1)"]
    assert others == 2
    assert results(folder) == [("softmax", "0", "finished"), ("triplet", "0", "finished")]
    assert "2 runs with other settings" in (folder / "SUMMARY.md").read_text()


def test_seeds_are_in_the_order_of_numbers(folder):
    for seed in (10, 2, 0):
        write_run(folder / "softmax" / f"seed-{seed}", seed=seed)
    rows, _ = compare(folder, SETTINGS)
    assert rows[1].seeds == (0, 2, 10)


def test_a_failed_run_is_shown_as_failed(folder):
    write_run(folder / "softmax" / "seed-0", status="failed")
    rows, _ = compare(folder, SETTINGS)
    assert rows[1].failed == (0,)
    assert results(folder) == [("softmax", "0", "failed")]
    assert "failed: 0" in (folder / "SUMMARY.md").read_text()


def test_runs_whose_files_were_damaged_since_do_not_count(folder):
    write_run(folder / "softmax" / "seed-0")
    write_run(folder / "center" / "seed-0", loss="center")
    write_run(folder / "triplet" / "seed-0", loss="triplet")
    (folder / "softmax" / "seed-0" / "embeddings.npz").write_bytes(b"half a file")
    (folder / "center" / "seed-0" / "embeddings.npz").unlink()
    (folder / "triplet" / "seed-0" / "metrics.json").write_text('{"test": 3')
    assert ended_runs(folder, SETTINGS) == ({}, 0)


def test_results_of_runs_that_are_gone_do_not_stay(folder):
    write_run(folder / "softmax" / "seed-0")
    compare(folder, SETTINGS)
    (folder / "softmax" / "seed-0" / "metrics.json").unlink()
    compare(folder, SETTINGS)
    assert results(folder) == []
