"""Comparing run folders: which runs, which is best, what is left out and why, and what is more than chance."""

import json
import shutil
from types import SimpleNamespace

import pytest
from run_folders import SETTINGS, write_run

from comparison import Results, Row, gather
from evaluation.significance import interval

RUNS = [SimpleNamespace(settings=SETTINGS | {"seed": seed}) for seed in range(9)]


def row(loss, **scores):
    """A `Row` whose scores are given as lists over seeds."""
    by_seed = {name: {seed: {seed: value} for seed, value in enumerate(values)} for name, values in scores.items()}
    return Row(loss, loss, {}, RUNS[: max(map(len, scores.values()), default=0)], (), by_seed, ())


def results(*rows, protocol="closed"):
    return Results(None, SETTINGS | {"protocol": protocol}, list(rows), {})


@pytest.fixture
def folder(tmp_path):
    write_run(tmp_path, "raw_pixels")
    return tmp_path


def names(found):
    return [row.name for row in found.rows]


def test_the_best_is_the_largest_number_not_the_last_in_the_alphabet():
    found = results(row("softmax", head_accuracy=[1.0]), row("center", head_accuracy=[0.9975]))
    assert found.cell(found.rows[0], "head_accuracy") == "100.00"
    assert found.best("head_accuracy") == {"softmax"}


def test_the_smallest_distance_ratio_is_best_and_equal_means_are_both_best():
    softmax, center = row("softmax", distance_ratio=[0.2, 0.2]), row("center", distance_ratio=[0.1, 0.1])
    assert results(softmax, center).best("distance_ratio") == {"center"}
    both = results(softmax, center, row("triplet", distance_ratio=[0.0, 0.2]))
    assert both.best("distance_ratio") == {"center", "triplet"}


def test_no_loss_is_best_in_what_is_neither_good_nor_bad():
    assert results(row("softmax", norm_mean=[3.0]), row("center", norm_mean=[1.0])).best("norm_mean") == set()


def test_the_raw_pixels_do_not_compete_and_one_loss_is_not_the_best_of_itself():
    rows = [row("raw_pixels", map_at_r=[0.9]), row("softmax", map_at_r=[0.5])]
    assert results(*rows).best("map_at_r") == set()
    assert results(*rows, row("center", map_at_r=[0.4])).best("map_at_r") == {"softmax"}


def test_a_cell_shows_the_mean_and_its_95_percent_interval():
    one, several, none = row("a", map_at_r=[0.5]), row("b", map_at_r=[0.5, 0.6, 0.7]), row("c")
    found = results(one, several, none)
    assert found.cell(one, "map_at_r") == "0.5000"
    assert found.cell(several, "map_at_r") == "0.6000 ± 0.2484"  # 4.303 * 0.1 / sqrt(3)
    assert found.cell(none, "map_at_r") == "–"


def test_runs_of_other_settings_are_left_out_with_the_difference(folder):
    write_run(folder)
    center = write_run(folder, "center", epochs=3)
    write_run(folder, "triplet", overrides={"margin": 0.1})
    triplet = write_run(folder, "triplet", seed=1)
    found = gather(folder, SETTINGS)
    assert names(found) == ["raw_pixels", "softmax", "triplet (margin=0.1)"]
    assert found.left_out == {
        "other settings: epochs 3 instead of 2": [center],
        "other settings: overrides {} instead of {'margin': 0.1}": [triplet],
    }


def test_without_settings_those_of_most_runs_are_taken(folder):
    write_run(folder, epochs=3)
    write_run(folder, "center")
    write_run(folder, "triplet")
    found = gather(folder)
    assert names(found) == ["raw_pixels", "center", "triplet"]
    assert list(found.left_out) == ["other settings: epochs 3 instead of 2"]


def test_a_folder_without_a_run_has_no_rows(tmp_path):
    assert gather(tmp_path).rows == []


def test_foreign_unfinished_and_damaged_folders_are_left_out_with_the_reason(folder):
    write_run(folder)
    foreign = folder / "my_notes"
    foreign.mkdir()
    unknown = folder / "center" / "seed-0"
    unknown.mkdir(parents=True)
    old = write_run(folder, "ring")
    (old / "config.json").write_text(json.dumps({"settings": {"loss": "ring", "seed": 0}}))
    unfinished = write_run(folder, "triplet")
    (unfinished / "metrics.json").unlink()
    damaged = write_run(folder, "cosface")
    (damaged / "embeddings.npz").write_bytes(b"half a file")
    half_written = write_run(folder, "arcface")
    (half_written / "metrics.json").write_text('{"test": 3')
    swept = write_run(folder, "ring", seed=1)
    settings = SETTINGS | {"loss": "ring", "seed": 1, "sweep": "ring_weight"}
    (swept / "config.json").write_text(json.dumps({"settings": settings}))
    incomplete = write_run(folder, "a_softmax")
    metrics = json.loads((incomplete / "metrics.json").read_text())
    del metrics["test"]["map_at_r"]
    (incomplete / "metrics.json").write_text(json.dumps(metrics))
    found = gather(folder, SETTINGS)
    assert names(found) == ["raw_pixels", "softmax"]
    assert found.left_out["no loss has that name"] == [foreign]
    assert set(found.left_out["no config.json of a run of this version"]) == {unknown, old, swept}
    assert set(found.left_out["unfinished, or damaged since"]) == {unfinished, damaged, half_written, incomplete}


def test_seeds_are_in_the_order_of_numbers(folder):
    for seed in (10, 2, 0):
        write_run(folder, seed=seed)
    assert [run.settings["seed"] for run in gather(folder, SETTINGS).rows[1].runs] == [0, 2, 10]


def test_a_failed_run_is_counted_and_shown(folder):
    write_run(folder)
    write_run(folder, seed=1, status="failed")
    found = gather(folder, SETTINGS).rows[1]
    assert [run.path.name for run in found.runs] == ["seed-0"]
    assert [run.path.name for run in found.failed] == ["seed-1"]
    assert found.scores["map_at_r"] == {0: {0: 0.5}}


def test_a_lost_baseline_is_no_row(tmp_path):
    write_run(tmp_path)
    assert names(gather(tmp_path)) == ["softmax"]


def test_a_damaged_baseline_is_left_out_and_said(folder):
    write_run(folder)
    baseline = folder / "raw_pixels"
    for file, content in (("config.json", '{"settings": {}}'), ("metrics.json", "{}")):
        whole = (baseline / file).read_text()
        (baseline / file).write_text(content)
        found = gather(folder)
        assert names(found) == ["softmax"]
        assert found.left_out == {"unfinished, or damaged since": [baseline]}
        (baseline / file).write_text(whole)


def test_seeds_of_a_split_are_averaged_and_splits_are_paired(tmp_path):
    for split in (0, 1, 2):
        write_run(tmp_path, "raw_pixels", protocol="open", split=split, score=0.1)
        for seed in (0, 1):
            write_run(tmp_path, protocol="open", split=split, seed=seed, score=0.2 * split + 0.1 * seed)
    rows = gather(tmp_path).rows
    assert rows[0].interval("open_auroc").mean == pytest.approx(0.1)
    assert [*rows[1].scores["open_auroc"]] == [0, 1, 2]
    assert rows[1].scores["open_auroc"][2] == pytest.approx({0: 0.4, 1: 0.5})
    expected = interval([0.05, 0.25, 0.45])
    assert rows[1].interval("open_auroc").mean == pytest.approx(expected.mean)
    assert rows[1].interval("open_auroc").half_width == pytest.approx(expected.half_width)


def test_losses_are_compared_with_softmax_seed_by_seed():
    found = results(
        row("raw_pixels", map_at_r=[0.1]),
        row("softmax", map_at_r=[0.1, 0.5, 0.9]),
        row("center", map_at_r=[0.2, 0.6001, 1.0]),  # 0.1 better on each seed, whatever the seed.
        row("triplet", map_at_r=[0.9, 0.1, 0.5]),
        row("ring", map_at_r=[0.9]),
    ).against_softmax("map_at_r")
    assert found.keys() == {"center", "triplet"}
    assert found["center"].distinguishable
    assert not found["triplet"].distinguishable


def test_one_seed_of_softmax_compares_nothing():
    one = results(row("softmax", map_at_r=[0.5]), row("center", map_at_r=[0.1, 0.2]))
    assert one.against_softmax("map_at_r") == {}
    none = results(row("ring", map_at_r=[0.5, 0.6]), row("center", map_at_r=[0.1, 0.2]))
    assert none.against_softmax("map_at_r") == {}


def test_a_loss_that_lacks_a_seed_is_not_the_best():
    whole, part = row("softmax", map_at_r=[0.5, 0.6]), row("center", map_at_r=[0.9])
    assert results(whole, part, row("ring", map_at_r=[0.4, 0.5])).best("map_at_r") == {"softmax"}


@pytest.mark.parametrize("copied_to", ["center/seed-0-old", "center/backup", "center/seed-1", "ring/seed-0"])
def test_a_folder_that_holds_another_run_than_its_name_says_is_left_out(folder, copied_to):
    shutil.copytree(write_run(folder, "center"), folder / copied_to)
    found = gather(folder, SETTINGS)
    assert names(found) == ["raw_pixels", "center"]
    assert len(found.rows[1].runs) == 1
    assert found.left_out == {"config.json is of another run": [folder / copied_to]}


def test_a_baseline_of_other_settings_is_left_out(folder):
    write_run(folder, epochs=2)
    config = folder / "raw_pixels" / "config.json"
    config.write_text(json.dumps({"settings": {"dataset": "digits", "split": None, "quick": True}}))
    found = gather(folder, SETTINGS)
    assert names(found) == ["softmax"]
    assert found.left_out == {"other settings: quick true instead of false": [folder / "raw_pixels"]}


def test_trials_of_tuning_are_no_runs(tmp_path):
    write_run(tmp_path, "center", status="tuned", name="trial-0")
    found = gather(tmp_path)
    assert (found.rows, found.left_out) == ([], {})


def test_a_sweep_has_a_line_for_each_value_in_the_order_of_the_numbers(tmp_path):
    for value in (0.5, 10.0, 2.0):
        write_run(tmp_path, "center", sweep="alpha", overrides={"alpha": value})
    found = gather(tmp_path)
    assert names(found) == ["center (alpha=0.5)", "center (alpha=2)", "center (alpha=10)"]
    assert found.left_out == {}


def test_a_run_of_a_sweep_is_not_mixed_with_others(tmp_path):
    for seed in range(2):
        write_run(tmp_path, "center", seed=seed)
    write_run(tmp_path, "center", sweep="alpha", overrides={"alpha": 0.5})
    found = gather(tmp_path)
    assert names(found) == ["center"]
    assert list(found.left_out) == ["other settings: sweep alpha instead of None"]
