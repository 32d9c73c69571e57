"""The tables and sentences of a data set, and that they follow the run folders."""

import csv
import json

import pytest
from matplotlib.figure import Figure
from run_folders import SETTINGS, write_run

from comparison import gather
from scores import HEADLINES, SCORES
from summary import PICTURES, draw, summary, write_tables


@pytest.fixture
def folder(tmp_path):
    write_run(tmp_path, "raw_pixels")
    return tmp_path


def table(folder):
    with open(folder / "results.csv") as file:
        return list(csv.DictReader(file))


def test_results_have_a_line_for_every_run(folder):
    write_run(folder, score=0.25)
    write_run(folder, "center", status="failed")
    write_run(folder, "triplet", seed=1)
    write_tables(gather(folder, SETTINGS))
    lines = table(folder)
    assert [(line["loss"], line["seed"], line["status"]) for line in lines] == [
        ("softmax", "0", "finished"),
        ("center", "0", "failed"),
        ("triplet", "1", "finished"),
    ]
    assert {lines[0][name] for name in SCORES["closed"]} == {"0.25"}
    assert {lines[1][name] for name in SCORES["closed"]} == {""}


def test_results_of_runs_that_are_gone_do_not_stay(folder):
    write_run(folder)
    path = write_run(folder, "center")
    write_tables(gather(folder, SETTINGS))
    (path / "metrics.json").unlink()
    write_tables(gather(folder, SETTINGS))
    assert [line["loss"] for line in table(folder)] == ["softmax"]
    assert "| center |" not in (folder / "SUMMARY.md").read_text()


@pytest.mark.parametrize("protocol", SCORES)
def test_a_summary_has_every_score_of_its_protocol_once(tmp_path, protocol):
    split = 0 if protocol == "open" else None
    for loss in ("raw_pixels", "softmax", "center"):
        write_run(tmp_path, loss, protocol=protocol, split=split)
    write_run(tmp_path, "ring", status="failed", protocol=protocol, split=split)
    text = summary(gather(tmp_path))
    before_comparison = text.split("## Against softmax")[0]
    for score in SCORES[protocol].values():
        assert before_comparison.count(f"| {score.header} |") == 1
    assert "none (failed: " in text


def test_a_summary_says_what_was_left_out_and_why(folder):
    write_run(folder)
    write_run(folder, "center", epochs=3)
    assert "Left out, other settings: epochs 3 instead of 2: center/seed-0." in summary(gather(folder, SETTINGS))


def test_quick_results_are_stamped(tmp_path):
    write_run(tmp_path, quick=True)
    assert "QUICK run: a first look, not a result." in summary(gather(tmp_path))


def test_with_one_seed_nothing_is_told_from_chance(folder):
    write_run(folder)
    write_run(folder, "center", score=0.9)
    assert "Nothing can be told from chance" in summary(gather(folder, SETTINGS))


def test_a_loss_earns_a_sentence_of_what_is_more_than_chance_and_what_is_not(folder):
    for seed, noise in enumerate((0.0, 0.02, 0.01)):
        write_run(folder, seed=seed, score=0.4)
        write_run(folder, "center", seed=seed, score=0.6 + noise)
        write_run(folder, "triplet", seed=seed, score=0.39 + noise)
    write_run(folder, "triplet", seed=3, status="failed")
    text = summary(gather(folder, SETTINGS))
    better = "head (+21.00 points), nearest mean (+21.00 points), MAP@R (+0.2100), TAR at FAR 1e-3 (+21.00 points)"
    assert f"- **center**: better than softmax in {better}; worse than softmax in intra/inter (+0.210).\n" in text
    alike = ", ".join(SCORES["closed"][name].title for name in HEADLINES["closed"])
    assert f"- **triplet**: not distinguishable from softmax in {alike}. 1 of 4 runs failed.\n" in text
    assert "| **+0.2100 ± 0.0248** |" in text
    assert "| +0.0000 ± 0.0248 |" in text


def test_a_score_that_no_loss_has_is_no_column_of_the_picture(folder):
    for seed in (0, 1):
        path = write_run(folder, "triplet_only", seed=seed)
        metrics = json.loads((path / "metrics.json").read_text())
        metrics["test"]["head_accuracy"] = None
        (path / "metrics.json").write_text(json.dumps(metrics))
    draw(gather(folder, SETTINGS))
    assert (folder / "comparison_scores.png").stat().st_size > 0


def test_open_pictures_show_one_split_and_leave_out_what_failed_on_it(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "summary.roc_figure", lambda title, curves: drawn.update(title=title, curves=curves) or Figure()
    )
    for loss in ("raw_pixels", "softmax", "center", "triplet"):
        for split in (0, 1):
            status = "failed" if (loss, split) == ("center", 0) else "finished"
            write_run(tmp_path, loss, status=status, protocol="open", split=split, score=0.5 + split / 10)
    draw(gather(tmp_path))
    assert "(split 1)" in drawn["title"]
    assert [curve["name"] for curve in drawn["curves"]] == ["raw pixels", "softmax", "center", "triplet"]
    assert {curve["eer"] for curve in drawn["curves"]} == {0.6}


def test_nothing_is_drawn_of_nothing(tmp_path):
    write_run(tmp_path, status="failed")
    draw(gather(tmp_path))
    assert list(tmp_path.glob("*.png")) == []


def test_a_summary_links_the_pictures_that_there_are(folder):
    write_run(folder)
    assert ".png" not in summary(gather(folder, SETTINGS))
    draw(gather(folder, SETTINGS))
    assert summary(gather(folder, SETTINGS)).count(".png") == len(PICTURES)


def test_a_loss_that_mostly_failed_is_told(folder):
    for seed in (0, 1, 2):
        for loss, failing in (("softmax", ()), ("center", ()), ("triplet", (1, 2))):
            status = "failed" if seed in failing else "finished"
            write_run(folder, loss, seed=seed, status=status, score=0.4 + seed / 100)
    text = summary(gather(folder, SETTINGS))
    assert "- **triplet**: 2 of 3 runs failed; too few are left to compare.\n" in text


def test_pictures_are_drawn_where_every_loss_failed(folder):
    write_run(folder, status="failed")
    draw(gather(folder, SETTINGS))
    assert (folder / "comparison_tsne.png").stat().st_size > 0


def test_pictures_are_drawn_from_the_run_folders_alone(folder):
    write_run(folder)
    write_run(folder, "center", seed=1)
    write_run(folder, "ring", status="failed")
    draw(gather(folder, SETTINGS))
    assert {path.stem for path in folder.glob("*.png")} == set(PICTURES)
