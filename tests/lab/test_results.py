"""Comparing run folders: which runs, which is best, what is left out and why, and what is more than chance."""

import dataclasses
import shutil

import pytest
from support.runs import make_run, write_run

from evaluation.significance import interval
from lab.claims import Claim
from lab.errors import InputError
from lab.files import read_json, save_json
from lab.protocols import PROTOCOLS
from lab.report import summary
from lab.results import AT_WORK, DAMAGED, Results, Row, gather, gather_all
from lab.run_folder import RunFolder
from lab.settings import PIXELS
from lab.terminal import Terminal

SETTINGS = make_run().settings
OPEN = {"protocol": "open", "split": 0}
NO_SCORES = dict.fromkeys(PROTOCOLS["closed"].scores)


def row(loss, **scores):
    """A `Row` whose scores are given as lists over seeds."""
    found = {}
    for seed, values in enumerate(zip(*scores.values(), strict=True)):
        run = make_run(loss, NO_SCORES | dict(zip(scores, values, strict=True)), seed=seed)
        found[RunFolder(run.settings.folder)] = run
    return Row(loss, found)


def results(*rows, **changes):
    return Results(None, dataclasses.replace(SETTINGS, **changes), list(rows), {})


@pytest.fixture
def folder(tmp_path):
    write_run(tmp_path, "raw_pixels")
    return tmp_path


def names(found):
    return [row.name for row in found.rows]


def test_the_best_is_the_largest_number_not_the_last_in_the_alphabet():
    found = results(row("softmax", head_accuracy=[1.0, 1.0]), row("center", head_accuracy=[0.9975, 0.9975]))
    assert found.cell(found.rows[0], "head_accuracy") == "100.00 ± 0.00"
    assert found.best("head_accuracy") == {"softmax"}


def test_the_smallest_distance_ratio_is_best_and_equal_means_are_both_best():
    softmax, center = row("softmax", distance_ratio=[0.2, 0.2]), row("center", distance_ratio=[0.1, 0.1])
    assert results(softmax, center).best("distance_ratio") == {"center"}
    both = results(softmax, center, row("triplet", distance_ratio=[0.0, 0.2]))
    assert both.best("distance_ratio") == {"center", "triplet"}


def test_no_loss_is_best_in_what_is_neither_good_nor_bad():
    found = results(row("softmax", norm_mean=[3.0, 3.0]), row("center", norm_mean=[1.0, 1.0]))
    assert found.best("norm_mean") == set()


def test_the_raw_pixels_do_not_compete_and_one_loss_is_not_the_best_of_itself():
    rows = [row("raw_pixels", map_at_r=[0.9]), row("softmax", map_at_r=[0.5, 0.5])]
    assert results(*rows).best("map_at_r") == set()
    assert results(*rows, row("center", map_at_r=[0.4, 0.4])).best("map_at_r") == {"softmax"}


def test_losses_that_all_failed_are_told_of_beside_the_raw_pixels(folder, capsys):
    for loss in ("softmax", "center"):
        write_run(folder, loss, failure="diverged")
    found = gather(folder)
    assert found.best("map_at_r") == set()
    Terminal().results(found)
    printed = capsys.readouterr().out
    assert printed.count("FAILED") == 2
    assert "diverged" in summary(found)


def test_of_one_seed_no_loss_is_the_best():
    assert results(row("softmax", map_at_r=[0.1]), row("center", map_at_r=[0.9])).best("map_at_r") == set()


def test_of_one_split_no_loss_is_the_best_however_many_seeds(tmp_path):
    for loss, score in (("softmax", 0.1), ("center", 0.9)):
        for seed in (0, 1):
            write_run(tmp_path, loss, seed=seed, score=score, **OPEN)
    assert gather(tmp_path).best("unseen_map_at_r") == set()
    for loss, score in (("softmax", 0.1), ("center", 0.9)):
        write_run(tmp_path, loss, score=score, **OPEN | {"split": 1})
    assert gather(tmp_path).best("unseen_map_at_r") == {"center"}


def test_a_cell_shows_the_mean_and_its_95_percent_interval():
    one, several, none = row("softmax", map_at_r=[0.5]), row("center", map_at_r=[0.5, 0.6, 0.7]), row("ring")
    found = results(one, several, none)
    assert found.cell(one, "map_at_r") == "0.5000"
    assert found.cell(several, "map_at_r") == "0.6000 ± 0.2484"  # 4.303 * 0.1 / sqrt(3)
    assert found.cell(none, "map_at_r") == "–"
    assert found.cell(several, "head_accuracy") == "–"


def test_runs_of_other_settings_are_left_out_with_the_difference(folder):
    write_run(folder)
    center = write_run(folder, "center", epochs=3)
    write_run(folder, "triplet", overrides={"margin": 0.1})
    triplet = write_run(folder, "triplet", seed=1)
    found = gather(folder, SETTINGS)
    assert names(found) == ["raw_pixels", "softmax", "triplet (margin=0.1)"]
    assert found.left_out == {
        "other settings: epochs 3 instead of 2": [center],
        "other settings: margin the default 0.2 instead of 0.1": [triplet],
    }


def test_runs_of_another_backend_are_left_out(folder):
    write_run(folder)
    center = write_run(folder, "center", backend="jax")
    assert gather(folder, SETTINGS).left_out == {"other settings: backend jax instead of tensorflow": [center]}


def test_what_differs_is_said_in_the_words_of_the_flags(folder):
    write_run(folder)
    center = write_run(folder, "center", augment=("flip",), both_sides=True, per_class=12)
    told = "other settings: augment flip instead of none, per-class 12 instead of none"
    assert gather(folder, SETTINGS).left_out == {told: [center]}


def test_the_arguments_of_a_loss_that_are_asked_for_decide_not_those_found_first(folder):
    first = write_run(folder, "triplet", overrides={"margin": 0.1})
    write_run(folder, "triplet", seed=1)
    asked = dataclasses.replace(SETTINGS, loss="triplet", seed=1)
    found = gather(folder, asked)
    assert names(found) == ["raw_pixels", "triplet"]
    assert found.left_out == {"other settings: margin 0.1 instead of the default 0.2": [first]}


def test_without_settings_those_of_most_runs_are_taken(folder):
    write_run(folder, epochs=3)
    write_run(folder, "center")
    write_run(folder, "triplet")
    found = gather(folder)
    assert names(found) == ["raw_pixels", "center", "triplet"]
    assert list(found.left_out) == ["other settings: epochs 3 instead of 2"]


def test_a_folder_without_a_run_has_no_rows(tmp_path):
    found = gather(tmp_path)
    assert found.rows == found.losses == []
    assert found.shown() == ("", {})


def change_json(path, change):
    content = read_json(path)
    change(content)
    save_json(path, content)


def test_foreign_unfinished_and_damaged_folders_are_left_out_with_the_reason(folder):
    write_run(folder)
    foreign = folder / "my_notes"
    foreign.mkdir()
    unknown = folder / "center" / "seed-0"
    unknown.mkdir(parents=True)
    old = write_run(folder, "ring")
    save_json(old / "config.json", {"settings": {"loss": "ring", "seed": 0}})
    unfinished = write_run(folder, "triplet")
    (unfinished / "metrics.json").unlink()
    damaged = write_run(folder, "cosface")
    (damaged / "embeddings.npz").write_bytes(b"half a file")
    half_written = write_run(folder, "arcface")
    (half_written / "metrics.json").write_text('{"test": 3', encoding="utf-8")
    swept = write_run(folder, "ring", seed=1)
    change_json(swept / "config.json", lambda config: config["settings"].update(sweep="ring_weight"))
    incomplete = write_run(folder, "a_softmax")
    change_json(incomplete / "metrics.json", lambda metrics: metrics["test"].pop("map_at_r"))
    found = gather(folder, SETTINGS)
    assert names(found) == ["raw_pixels", "softmax"]
    assert found.left_out["no loss has that name"] == [foreign]
    assert set(found.left_out["no config.json of a run of this version"]) == {unknown, old, swept}
    assert set(found.left_out["unfinished, or damaged since"]) == {unfinished, damaged, half_written, incomplete}


def test_seeds_are_in_the_order_of_numbers(folder):
    for seed in (10, 2, 0):
        write_run(folder, seed=seed)
    assert [run.settings.seed for run in gather(folder, SETTINGS).rows[1].runs] == [0, 2, 10]


def test_a_failed_run_is_counted_and_shown(folder):
    write_run(folder)
    failed = write_run(folder, seed=1, failure="diverged: the loss is nan in epoch 1")
    found = gather(folder, SETTINGS)
    softmax = found.rows[1]
    assert softmax.failed.keys() == {RunFolder(failed)}
    assert [run.settings.seed for run in softmax.runs] == [0]
    assert [run.failure for run in softmax.failed.values()] == ["diverged: the loss is nan in epoch 1"]
    assert softmax.failures == "seed 1"
    assert softmax.scores("map_at_r") == {0: {0: 0.5}}
    assert found.most_units == 1


def test_a_lost_baseline_is_no_row(tmp_path):
    write_run(tmp_path)
    assert names(gather(tmp_path)) == ["softmax"]


@pytest.mark.parametrize(("file", "content"), [("config.json", '{"settings": {}}'), ("metrics.json", "{}")])
def test_a_damaged_baseline_is_left_out_and_said(folder, file, content):
    write_run(folder)
    baseline = folder / "raw_pixels"
    (baseline / file).write_text(content, encoding="utf-8")
    found = gather(folder)
    assert names(found) == ["softmax"]
    assert found.left_out == {"unfinished, or damaged since": [baseline]}


def test_seeds_of_a_split_are_averaged_and_splits_are_paired(tmp_path):
    for split in (0, 1, 2):
        write_run(tmp_path, "raw_pixels", protocol="open", split=split, score=0.1)
        for seed in (0, 1):
            write_run(tmp_path, protocol="open", split=split, seed=seed, score=0.2 * split + 0.1 * seed)
    rows = gather(tmp_path).rows
    assert rows[0].interval("open_auroc").mean == pytest.approx(0.1)
    assert [*rows[1].scores("open_auroc")] == [0, 1, 2]
    assert rows[1].scores("open_auroc")[2] == pytest.approx({0: 0.4, 1: 0.5})
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


def test_the_more_losses_are_compared_the_wider_are_their_intervals_but_a_mean_keeps_its_own():
    softmax, center = row("softmax", map_at_r=[0.1, 0.5, 0.9]), row("center", map_at_r=[0.2, 0.61, 1.0])
    few, many = results(softmax, center), results(softmax, center, row("ring", map_at_r=[0.5, 0.4, 0.9]))
    half_width = few.against_softmax("map_at_r")["center"].difference.half_width
    # t of two degrees of freedom: 4.303 for 95 %, 6.205 for 97.5 %.
    wider = many.against_softmax("map_at_r")["center"].difference.half_width
    assert wider == pytest.approx(half_width * 6.205 / 4.303, rel=1e-3)
    assert few.cell(center, "map_at_r") == many.cell(center, "map_at_r")


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
    settings = {"dataset": "digits", "split": None, "quick": True}
    save_json(folder / "raw_pixels" / "config.json", {"settings": settings})
    found = gather(folder, SETTINGS)
    assert names(found) == ["softmax"]
    assert found.left_out == {"other settings: quick on instead of off": [folder / "raw_pixels"]}


def test_trials_of_tuning_are_no_runs(tmp_path):
    write_run(tmp_path, "center", name="trial-0")
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
    assert list(found.left_out) == ["other settings: sweep alpha instead of none"]


def test_a_row_is_named_by_its_loss_with_its_changes_and_the_raw_pixels_are_no_loss(folder):
    write_run(folder, "center", overrides={"center_rate": 0.1})
    found = gather(folder)
    assert [(row.key, row.name, row.is_baseline) for row in found.rows] == [
        (PIXELS, PIXELS, True),
        ("center", "center (center_rate=0.1)", False),
    ]
    assert found.losses == found.rows[1:]


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "digits"),
        ({"quick": True}, "QUICK · digits"),
        (OPEN, "digits, classes unseen"),
        (
            {"loss": "center", "overrides": {"center_rate": 0.1}, "sweep": "center_rate"},
            "digits, sweep of center.center_rate",
        ),
    ],
)
def test_the_title_says_what_is_compared(changes, title):
    assert results(**changes).title == title


def test_one_run_of_each_loss_is_shown_of_the_seed_that_most_have(folder):
    for loss, seed in (("softmax", 0), ("softmax", 1), ("center", 1), ("triplet", 2)):
        write_run(folder, loss, seed=seed)
    which, shown = gather(folder).shown()
    assert which == " (seed 1)"
    assert list(shown) == ["raw pixels", "softmax", "center", "triplet (seed 2)"]
    assert [run.settings.seed for run in shown.values()] == [None, 1, 1, 2]


def test_one_run_of_each_loss_is_shown_of_the_split_that_most_have_without_what_failed_on_it(tmp_path):
    for loss in (PIXELS, "softmax", "center", "triplet"):
        for split in (0, 1):
            failure = "diverged" if (loss, split) == ("center", 0) else None
            write_run(tmp_path, loss, failure=failure, protocol="open", split=split)
    write_run(tmp_path, "ring", failure="diverged", protocol="open", split=1)
    which, shown = gather(tmp_path).shown()
    assert which == " (split 1)"
    assert list(shown) == ["raw pixels", "softmax", "center", "triplet"]
    assert {run.settings.split for run in shown.values()} == {1}


def test_of_one_seed_nothing_is_said(folder):
    write_run(folder)
    assert gather(folder).shown()[0] == ""


def test_where_every_loss_failed_the_raw_pixels_are_shown_alone(folder):
    write_run(folder, failure="diverged")
    which, shown = gather(folder).shown()
    assert (which, list(shown)) == ("", ["raw pixels"])


def test_all_data_sets_of_a_folder_are_found_in_the_order_of_their_names(tmp_path):
    write_run(tmp_path / "mnist", dataset="mnist")
    write_run(tmp_path / "digits")
    write_run(tmp_path / "digits-open", **OPEN)
    write_run(tmp_path / "digits-tuning", "center", name="trial-0")
    write_run(tmp_path / ".old")
    found = gather_all(tmp_path)
    assert [(each.path.name, names(each)) for each in found] == [
        ("digits", ["softmax"]),
        ("digits-open", ["softmax"]),
        ("digits-tuning", []),
        ("mnist", ["softmax"]),
    ]


def test_half_deleted_runs_are_no_runs(tmp_path):
    path = write_run(tmp_path / "digits")
    shutil.copytree(path, path.with_name(".old-1-seed-0"))
    (found,) = gather_all(tmp_path)
    assert len(found.rows[0].runs) == 1
    assert found.left_out == {}


def test_a_folder_without_a_finished_run_is_bad_input_that_says_what_was_left_out(tmp_path):
    unfinished = write_run(tmp_path / "digits")
    (unfinished / "metrics.json").unlink()
    with pytest.raises(InputError) as refusal:
        gather_all(tmp_path)
    assert str(refusal.value).splitlines() == [
        f"--summarize: no finished run of this version in {tmp_path}. Train one first, or give --runs",
        f"Left out, unfinished, or damaged since: {unfinished}",
    ]
    write_run(tmp_path / "digits", PIXELS)  # It lies as deep as a run in the folder of one data set.
    with pytest.raises(InputError, match="Train one first, or give --runs\nLeft out"):
        gather_all(tmp_path)
    with pytest.raises(InputError, match=f"no finished run .* one data set's: give --runs {tmp_path}$"):
        gather_all(tmp_path / "digits")


def test_a_run_that_another_command_is_at_is_not_called_damaged(tmp_path):
    new, path = Claim(tmp_path / "digits" / "center" / "seed-0"), write_run(tmp_path / "digits")
    (path / "metrics.json").unlink()
    new.file.parent.mkdir(parents=True)
    baseline = write_run(tmp_path / "digits", "raw_pixels")
    write_run(tmp_path / "digits", "triplet")
    (baseline / "metrics.json").unlink()
    claims = [new, Claim(path), Claim(baseline)]
    for claim in claims:
        assert claim.take()
    assert gather(path.parents[1]).left_out == {AT_WORK: [new.file.parent, path, baseline]}
    for claim in claims:
        claim.release()
    left_out = gather(path.parents[1]).left_out
    assert left_out.pop(DAMAGED) == [path, baseline]
    assert list(left_out.values()) == [[new.file.parent]]
