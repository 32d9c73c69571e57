"""The tables and sentences of a data set, and that they follow the run folders."""

import csv

import pytest
from support.runs import make_run, write_run

from lab.log import Log
from lab.protocols import PROTOCOLS
from lab.report import summary, write_tables
from lab.results import gather
from lab.settings import PIXELS
from visualize import Picture

SETTINGS = make_run().settings
CLOSED = PROTOCOLS["closed"]
DIVERGED = "diverged: the loss is nan in epoch 1. Known remedies: a lower --learning-rate."
CAPTIONS = {
    "comparison_tsne.png": "Maps",
    "comparison_features.png": "In two dimensions",
    "comparison_roc.png": "Pairs",
}


@pytest.fixture
def folder(tmp_path):
    write_run(tmp_path, PIXELS)
    return tmp_path


def table(folder):
    with open(folder / "results.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_results_have_a_line_for_every_run(folder):
    write_run(folder, score=0.25)
    write_run(folder, "center", failure=DIVERGED)
    write_run(folder, "triplet", seed=1, overrides={"margin": 0.1})
    write_tables(gather(folder, SETTINGS), {})
    lines = table(folder)
    assert [tuple(line.values())[:5] for line in lines] == [
        ("softmax", "", "", "0", "finished"),
        ("center", "", "", "0", "failed"),
        ("triplet", "margin=0.1", "", "1", "finished"),
    ]
    assert list(lines[0]) == ["loss", "changes", "split", "seed", "status", *CLOSED.scores]
    assert {lines[0][name] for name in CLOSED.scores} == {"0.25"}
    assert {lines[1][name] for name in CLOSED.scores} == {""}


def test_the_summary_says_how_the_network_was_trained(folder):
    trained = {"epochs": 3, "optimizer": "muon", "learning_rate": 0.02, "augment": ("shift", "flip")}
    write_run(folder, **trained, label_smoothing=0.1, precision="bfloat16")
    results = gather(folder)
    told = "cnn, 64-dimensional embedding; 3 epochs, muon at a rate of 0.02; of each image, at random: shift, flip"
    told += "; labels of softmax and l2_softmax terms smoothed by 0.1 unless --set otherwise"
    assert f"Trained: {told}; bfloat16 on tensorflow.\n" in summary(results)


def test_the_summary_says_from_which_weights_a_backbone_began_and_whether_it_stayed_so(folder):
    write_run(folder, model="ResNet50", weights="weights/birds.h5", freeze=True, sampler="shuffle")
    told = "from the weights birds.h5, which stay as they are; batches drawn by plain shuffling"
    assert f"; {told}; float32 on" in summary(gather(folder))


def test_of_raw_pixels_alone_the_summary_says_nothing_of_training(folder):
    assert "Trained" not in summary(gather(folder, SETTINGS))


def test_a_gallery_is_spoken_of_where_five_neighbours_vote(tmp_path):
    for protocol, split, is_told in (("closed", None, True), ("open", 0, False), ("unseen", None, False)):
        folder = tmp_path / protocol
        write_run(folder, protocol=protocol, split=split)
        assert ("5-NN gallery" in summary(gather(folder))) is is_told


def test_results_of_the_open_protocol_name_the_split_and_leave_empty_what_a_loss_does_not_have(tmp_path):
    scores = dict.fromkeys(PROTOCOLS["open"].scores, 0.5) | {"known_head_accuracy": None}
    write_run(tmp_path, "triplet_only", score=scores, protocol="open", split=2)
    write_tables(gather(tmp_path), {})
    (line,) = table(tmp_path)
    assert (line["split"], line["seed"], line["known_head_accuracy"], line["unseen_eer"]) == ("2", "0", "", "0.5")


def test_results_of_runs_that_are_gone_do_not_stay(folder):
    write_run(folder)
    path = write_run(folder, "center")
    write_tables(gather(folder, SETTINGS), {})
    assert "| center |" in (folder / "SUMMARY.md").read_text(encoding="utf-8")
    (path / "metrics.json").unlink()
    write_tables(gather(folder, SETTINGS), {})
    assert [line["loss"] for line in table(folder)] == ["softmax"]
    assert "| center |" not in (folder / "SUMMARY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_summary_has_every_score_of_its_protocol_once(tmp_path, protocol):
    split = 0 if protocol == "open" else None
    for loss in (PIXELS, "softmax", "center"):
        write_run(tmp_path, loss, protocol=protocol, split=split)
    write_run(tmp_path, "ring", failure=DIVERGED, protocol=protocol, split=split)
    text = summary(gather(tmp_path))
    before_comparison = text.split("## Against softmax")[0]
    for score in PROTOCOLS[protocol].scores.values():
        assert before_comparison.count(f"| {score.header} |") == 1
    for title in PROTOCOLS[protocol].tables:
        assert text.count(f"## {title}\n") == 1
    assert "none (failed: " in text


def test_a_summary_says_what_was_left_out_and_why(folder):
    write_run(folder)
    write_run(folder, "center", epochs=3)
    assert "Left out, other settings: epochs 3 instead of 2: center/seed-0." in summary(gather(folder, SETTINGS))


def test_quick_results_are_stamped(tmp_path):
    write_run(tmp_path, quick=True)
    assert "QUICK run: a first look, not a result." in summary(gather(tmp_path))


def test_with_one_seed_nothing_is_told_from_chance_and_no_loss_is_the_best(folder):
    write_run(folder)
    write_run(folder, "center", score=0.9)
    text = summary(gather(folder, SETTINGS))
    assert "Nothing can be told from chance" in text
    assert "of one seed: no loss is marked as the best, as one seed tells nothing from chance." in text
    assert "**" not in text
    assert "±" not in text


def test_with_several_splits_the_best_mean_of_each_column_is_bold_and_said_to_be(tmp_path):
    for split in (0, 1):
        for loss, score in (("softmax", 0.25), ("center", 0.75)):
            write_run(tmp_path, loss, score=score, protocol="open", split=split)
    text = summary(gather(tmp_path))
    assert "in bold the best mean of each column" in text
    assert "confidence interval of the mean over splits, of each loss on its own: it describes a loss" in text
    assert "| center | 0, 1 | **75.00 ± 0.00** |" in text


def test_a_loss_earns_a_sentence_of_what_is_more_than_chance_and_what_is_not(folder):
    for seed, noise in enumerate((0.0, 0.02, 0.01)):
        write_run(folder, seed=seed, score=0.4)
        write_run(folder, "center", seed=seed, score=0.6 + noise)
        write_run(folder, "triplet", seed=seed, score=0.39 + noise)
    write_run(folder, "triplet", seed=3, failure=DIVERGED)
    text = summary(gather(folder, SETTINGS))
    better = "head (+21.00 points), nearest mean (+21.00 points), MAP@R (+0.2100), TAR at FAR 1e-3 (+21.00 points)"
    assert f"- **center**: better than softmax in {better}; worse than softmax in intra/inter (+0.210).\n" in text
    alike = ", ".join(CLOSED.scores[name].title for name in CLOSED.headlines)
    assert f"- **triplet**: not distinguishable from softmax in {alike}. 1 of 4 runs failed.\n" in text
    # Of two losses: t = 6.205 with two degrees of freedom, times a deviation of 0.01, over the root of 3.
    assert "| **+0.2100 ± 0.0358** |" in text
    assert "| +0.0000 ± 0.0358 |" in text
    assert "corrected for the losses of the column (Bonferroni): the intervals of a column hold together" in text


def test_bold_is_what_does_not_cross_zero_and_nothing_else(folder):
    for seed, noise in enumerate((-0.1, 0.0, 0.1)):
        write_run(folder, seed=seed, score=0.4)
        write_run(folder, "center", seed=seed, score=0.4 + 0.36 + noise)  # The half-width is 0.358.
        write_run(folder, "triplet", seed=seed, score=0.4 + 0.35 + noise)
    text = summary(gather(folder, SETTINGS))
    assert "| center | 3 | **+36.00 ± 35.83** | **+36.00 ± 35.83** | **+0.3600 ± 0.3583** |" in text
    assert "| triplet | 3 | +35.00 ± 35.83 | +35.00 ± 35.83 | +0.3500 ± 0.3583 |" in text


def test_a_difference_that_was_the_same_for_every_seed_has_no_interval(folder):
    for seed in range(3):
        write_run(folder, seed=seed, score=0.25 + seed / 64)
        write_run(folder, "center", seed=seed, score=0.5 + seed / 64)
    text = summary(gather(folder, SETTINGS))
    assert "| center | 3 | +25.00 for every seed | +25.00 for every seed | +0.2500 for every seed |" in text
    assert "- **center**: not distinguishable from softmax in head, " in text


def test_a_summary_without_softmax_compares_nothing_with_it(tmp_path):
    write_run(tmp_path, "center")
    assert "softmax" not in summary(gather(tmp_path))


def test_a_difference_of_nothing_has_no_sign(folder):
    for seed, score in enumerate((0.3, 0.1, 0.2)):
        write_run(folder, seed=seed, score=0.6 - score)
        write_run(folder, "center", seed=seed, score=0.4 - 1e-9)
    assert "| +0.0000 ±" in summary(gather(folder, SETTINGS))


def test_a_loss_that_mostly_failed_is_told(folder):
    for seed in (0, 1, 2):
        for loss, failing in (("softmax", ()), ("center", ()), ("triplet", (1, 2))):
            failure = DIVERGED if seed in failing else None
            write_run(folder, loss, seed=seed, failure=failure, score=0.4 + seed / 100)
    text = summary(gather(folder, SETTINGS))
    assert "| triplet | 0 (failed: seed 1, seed 2) |" in text
    for seed in (1, 2):
        assert f"- **triplet**, seed {seed}: {DIVERGED}\n" in text


def test_a_summary_links_the_pictures_that_there_are_in_the_order_of_their_captions(folder):
    write_run(folder)
    results = gather(folder)
    for name in ("comparison_roc.png", "comparison_tsne.png", "of_someone_else.png"):
        (folder / name).write_bytes(b"")
    links = [line for line in summary(results, CAPTIONS).splitlines() if ".png" in line]
    assert links == ["![Maps](comparison_tsne.png)", "![Pairs](comparison_roc.png)"]
    assert ".png" not in summary(results)


def test_pictures_of_runs_that_are_gone_do_not_stay(folder):
    write_run(folder)
    for name in ("comparison_features.png", "comparison_roc.png", "of_someone_else.png"):
        (folder / name).write_bytes(b"old")
    with Log("python main.py", tensorboard=False) as log:
        log.results(gather(folder), [Picture("comparison_roc.png", b"new")], CAPTIONS)
    assert {path.name: path.read_bytes() for path in folder.glob("*.png")} == {
        "comparison_roc.png": b"new",
        "of_someone_else.png": b"old",
    }
    links = [line for line in (folder / "SUMMARY.md").read_text(encoding="utf-8").splitlines() if ".png" in line]
    assert links == ["![Pairs](comparison_roc.png)"]


def test_a_picture_in_parts_is_shown_in_their_order_and_takes_the_place_of_other_parts(folder):
    write_run(folder)
    for name in ("comparison_roc.png", "comparison_tsne_1.png", "comparison_roc_13.png", "comparison_roc_mine.png"):
        (folder / name).write_bytes(b"old")
    parts = [f"comparison_roc_{number}.png" for number in range(1, 12)]
    with Log("python main.py", tensorboard=False) as log:
        log.results(gather(folder), [Picture(name, b"new") for name in parts], CAPTIONS)
    assert {path.name for path in folder.glob("*.png") if path.read_bytes() == b"new"} == set(parts)
    assert [path.name for path in folder.glob("*.png") if path.read_bytes() == b"old"] == ["comparison_roc_mine.png"]
    links = [line for line in (folder / "SUMMARY.md").read_text(encoding="utf-8").splitlines() if ".png" in line]
    assert links == [f"![Pairs]({name})" for name in parts]


def test_nothing_is_written_of_nothing(tmp_path):
    with Log("python main.py", tensorboard=False) as log:
        log.results(gather(tmp_path), [], CAPTIONS)
    assert list(tmp_path.iterdir()) == []
