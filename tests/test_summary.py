"""The tables and sentences of a data set, and that they follow the run folders."""

import csv
import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from run_folders import SETTINGS, write_run

import summary as summary_module
from comparison import gather
from scores import HEADLINES, SCORES
from summary import PICTURES, draw, extremes, summary, write_tables


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


def test_pictures_show_the_seed_that_most_losses_have_and_say_where_it_is_another(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "summary.roc_figure", lambda title, curves: drawn.update(title=title, curves=curves) or Figure()
    )
    write_run(tmp_path, "raw_pixels")
    for loss, seed in (("softmax", 0), ("softmax", 1), ("center", 1), ("triplet", 2)):
        write_run(tmp_path, loss, seed=seed, score=seed / 10)
    draw(gather(tmp_path))
    assert "digits (seed 1): TAR at FAR 1e-3 (%) 10.00 with softmax to 20.00 with triplet (seed 2)" in drawn["title"]
    assert [curve["name"] for curve in drawn["curves"]] == ["raw pixels", "softmax", "center", "triplet (seed 2)"]
    assert [curve["eer"] for curve in drawn["curves"][1:]] == [0.1, 0.1, 0.2]


def test_pictures_of_runs_that_are_gone_do_not_stay(folder):
    write_run(folder)
    (folder / "comparison_features.png").write_bytes(b"of two dimensions")
    draw(gather(folder))
    assert not (folder / "comparison_features.png").exists()
    assert "comparison_features" not in summary(gather(folder))


def test_a_summary_without_softmax_compares_nothing_with_it(tmp_path):
    write_run(tmp_path, "center")
    assert "softmax" not in summary(gather(tmp_path))


def test_without_tensorboard_what_it_was_told_before_is_taken_away(folder):
    write_run(folder, "center")
    stale = [folder / "events.out.tfevents.1.main", folder / "center" / "events.out.tfevents.2.main"]
    foreign = folder / "center" / "events.out.tfevents.3.host"
    for path in (*stale, foreign):
        path.write_bytes(b"")
    write_tables(gather(folder))
    assert [path.exists() for path in (*stale, foreign)] == [False, False, True]


def test_a_difference_of_nothing_has_no_sign(folder):
    for seed, score in enumerate((0.3, 0.1, 0.2)):
        write_run(folder, seed=seed, score=0.6 - score)
        write_run(folder, "center", seed=seed, score=0.4 - 1e-9)
    assert "| +0.0000 ±" in summary(gather(folder, SETTINGS))


def test_nothing_is_drawn_of_nothing(tmp_path):
    write_run(tmp_path, status="failed")
    draw(gather(tmp_path))
    assert list(tmp_path.glob("*.png")) == []


def test_a_summary_links_the_pictures_that_there_are(folder):
    write_run(folder)
    assert ".png" not in summary(gather(folder, SETTINGS))
    draw(gather(folder, SETTINGS))
    assert (
        summary(gather(folder, SETTINGS)).count(".png") == len(PICTURES) - 1
    )  # The embeddings have more than two dimensions.


def test_a_loss_that_mostly_failed_is_told(folder):
    for seed in (0, 1, 2):
        for loss, failing in (("softmax", ()), ("center", ()), ("triplet", (1, 2))):
            status = "failed" if seed in failing else "finished"
            write_run(folder, loss, seed=seed, status=status, score=0.4 + seed / 100)
    text = summary(gather(folder, SETTINGS))
    for seed in (1, 2):
        assert f"- **triplet**, seed {seed}: diverged: the loss is nan in epoch 1. Known remedies: a lower" in text


def test_pictures_are_drawn_where_every_loss_failed(folder):
    write_run(folder, status="failed")
    draw(gather(folder, SETTINGS))
    assert (folder / "comparison_tsne.png").stat().st_size > 0


def test_pictures_are_drawn_from_the_run_folders_alone(folder):
    write_run(folder)
    write_run(folder, "center", seed=1)
    write_run(folder, "ring", status="failed")
    draw(gather(folder, SETTINGS))
    assert {path.stem for path in folder.glob("*.png")} == PICTURES.keys() - {"comparison_features"}


def test_two_dimensional_embeddings_are_drawn_themselves(tmp_path):
    write_run(tmp_path, "raw_pixels", embedding_dim=2)
    path = write_run(tmp_path, embedding_dim=2)
    arrays = dict(np.load(path / "embeddings.npz"))
    arrays |= {"test_embeddings": np.ones((10, 2)), "test_labels": np.arange(10)}
    np.savez(path / "embeddings.npz", **arrays)
    write_run(tmp_path, "ring", status="failed", embedding_dim=2)
    draw(gather(tmp_path))
    assert {path.stem for path in tmp_path.glob("*.png")} == PICTURES.keys()


def test_two_dimensional_embeddings_of_the_open_protocol_are_those_of_known_classes(tmp_path):
    path = write_run(tmp_path, protocol="open", split=0, embedding_dim=2)
    arrays = dict(np.load(path / "embeddings.npz")) | {"class_means": np.eye(6), "directions": np.ones((6, 1, 2))}
    np.savez(
        path / "embeddings.npz", **arrays | {"test_embeddings": np.ones((12, 2)), "test_labels": np.arange(12) % 6}
    )
    draw(gather(tmp_path))
    assert (tmp_path / "comparison_features.png").exists()


def test_where_all_of_two_dimensions_failed_the_raw_pixels_are_drawn_alone(tmp_path):
    write_run(tmp_path, "raw_pixels", embedding_dim=2)
    write_run(tmp_path, "ring", status="failed", embedding_dim=2)
    draw(gather(tmp_path))
    assert not (tmp_path / "comparison_features.png").exists()
    assert (tmp_path / "comparison_tsne.png").exists()


@pytest.mark.parametrize(
    ("values", "better", "expected"),
    [
        ({"a": 1, "b": 3, "c": 2}, 1, "1 with a to 3 with b"),
        ({"a": 1, "b": 3, "c": 2}, -1, "3 with b to 1 with a"),
        ({"a": 1}, 1, "1 with a"),
        ({"a": 2, "b": 2}, 1, "2 with every loss"),
        ({}, 1, "of raw pixels alone"),
    ],
)
def test_titles_say_the_worst_and_the_best(values, better, expected):
    assert extremes(values, str, better) == expected


def test_titles_of_the_pictures_state_their_finding(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(summary_module, "png", lambda figure: titles.append(figure.get_suptitle()) or b"")
    write_run(tmp_path, "raw_pixels", score=0.1)
    for seed in range(3):
        write_run(tmp_path, "softmax", seed=seed, score=0.5 + seed / 100)
        write_run(tmp_path, "center", seed=seed, score=0.7 + seed / 90)
    draw(gather(tmp_path))
    text = " ".join("".join(titles).split())
    assert "digits (seed 0): MAP@R 0.5000 with softmax to 0.7000 with center" in text
    assert "digits (seed 0): EER (%) 70.00 with center to 50.00 with softmax" in text
    assert "losses that differ from softmax: head 1 of 1, nearest mean 1 of 1, MAP@R 1 of 1" in text
