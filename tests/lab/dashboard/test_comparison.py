"""What TensorBoard shows of a data set: means over runs with intervals, the summary, and nothing twice."""

import csv
import shutil

import pytest
import tensorflow as tf
from support.runs import write_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2, metadata

from evaluation.significance import interval
from lab.dashboard.comparison import CURVES, write_comparison
from lab.dashboard.events import replace_events, scalars
from lab.results import gather


def write_history(path, *values):
    with open(path / "history.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["epoch", *CURVES.values()])
        writer.writeheader()
        writer.writerows({"epoch": i} | dict.fromkeys(CURVES.values(), value) for i, value in enumerate(values))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "digits"
    for seed, values in enumerate(([1, 4], [2, 8], [3, 6])):
        write_history(write_run(path, "center", seed=seed), *values)
    write_history(write_run(path, "softmax"), 5, 7)
    return path


def read(path):
    """Dict from a tag to its steps and values."""
    accumulator = EventAccumulator(str(path), {"tensors": 0}).Reload()
    return {
        tag: [(event.step, tf.make_ndarray(event.tensor_proto).item()) for event in accumulator.Tensors(tag)]
        for tag in accumulator.Tags()["tensors"]
        if not tag.startswith("_hparams_")
    }


def test_curves_are_the_mean_over_seeds_with_its_interval(folder):
    write_comparison(gather(folder), "# All")
    found = read(folder / "center")
    first = interval([1, 2, 3])
    assert found["mean/map_at_r"] == [(1, 2.0), (2, 6.0)]
    assert found["mean/map_at_r_lower"][0][1] == pytest.approx(2 - first.half_width)
    assert found["mean/map_at_r_upper"][0][1] == pytest.approx(2 + first.half_width)


def test_a_single_run_has_no_mean(folder):
    write_comparison(gather(folder), "# All")
    assert not list((folder / "softmax").glob("events*"))
    assert metadata.CONFIG_SUMMARY_TAG in read(folder)


def test_without_two_seeds_of_a_loss_there_are_no_charts_of_means(tmp_path):
    for loss in ("softmax", "center"):
        write_history(write_run(tmp_path, loss), 1, 2)
    write_history(write_run(tmp_path, "center", seed=1, failure="collapsed"), 3)
    write_comparison(gather(tmp_path), "# All")
    assert read(tmp_path).keys() == {"comparison"}
    assert not list(tmp_path.glob("*/events*"))


def test_the_charts_ask_for_tags_that_are_there(folder):
    write_comparison(gather(folder), "# All")
    tags = read(folder / "center").keys()
    ((_, content),) = read(folder)[metadata.CONFIG_SUMMARY_TAG]
    layout = layout_pb2.Layout.FromString(content)
    charts = [chart for category in layout.category for chart in category.chart]
    assert [chart.title for chart in charts] == list(CURVES)[::-1]
    for chart in charts:
        (series,) = chart.margin.series
        assert {series.value, series.lower, series.upper} <= tags


def test_the_summary_is_shown_as_text(folder):
    write_comparison(gather(folder), "# All of *it*")
    assert read(folder)["comparison"] == [(0, b"# All of *it*")]


def test_the_same_again_adds_nothing_twice(folder):
    for _ in range(3):
        write_comparison(gather(folder), "# All")
    assert len(list(folder.glob("events*"))) == 1
    assert read(folder / "center")["mean/map_at_r"] == [(1, 2.0), (2, 6.0)]


def test_a_run_that_failed_has_no_part_in_the_curves(folder):
    write_history(write_run(folder, "arcface", failure="diverged: the loss is nan in epoch 1"), 9)
    write_comparison(gather(folder), "# All")
    assert not list((folder / "arcface").glob("events*"))


@pytest.mark.parametrize("content", [None, "epoch,accuracy\n0,1\n1,1\n", "epoch,val_map_at_r\n0,\n1,\n"])
def test_a_lost_or_foreign_history_leaves_the_others(folder, content):
    path = folder / "center" / "seed-0" / "history.csv"
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    write_comparison(gather(folder), "# All")
    assert read(folder / "center")["mean/loss"] == [(1, 2.5), (2, 7.0)]


def test_curves_of_runs_that_are_gone_do_not_stay(folder):
    write_history(write_run(folder, "softmax", seed=1), 5, 7)
    write_comparison(gather(folder), "# All")
    assert list((folder / "center").glob("events*"))
    for seed in (0, 1, 2):
        shutil.rmtree(folder / "center" / f"seed-{seed}")
    write_comparison(gather(folder), "# All")
    assert not list((folder / "center").glob("events*"))
    assert list((folder / "softmax").glob("events*"))


def test_what_an_older_version_left_beside_the_runs_stays_and_does_no_harm(folder):
    old = folder / "center" / "seed-0"
    writers = {
        old: {"test/eer": 0.5, "same_class_or_not": 1.0},
        old / "validation": {"epoch_map_at_r": 0.25},
        folder / "trunk": {"epoch_loss": 1.0},
    }
    for path, values in writers.items():
        with tf.summary.create_file_writer(str(path)).as_default(0):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)
    replace_events(folder / "center", [(0, content) for content in scalars({"val_map_at_r/mean": 1.0})])
    write_comparison(gather(folder), "# All")
    for path, values in writers.items():
        assert read(path) == {tag: [(0, value)] for tag, value in values.items()}
    assert {tag.partition("/")[0] for tag in read(folder / "center")} == {"mean"}


def test_the_seeds_of_a_split_count_as_one(tmp_path):
    for split, seed, value in ((0, 0, 1), (0, 1, 3), (1, 0, 4)):
        write_history(write_run(tmp_path, "center", protocol="open", split=split, seed=seed), value, value)
    write_comparison(gather(tmp_path), "# All")
    found = read(tmp_path / "center")
    assert found["mean/loss"] == [(1, 3.0), (2, 3.0)]
    assert found["mean/loss_upper"][0][1] == pytest.approx(3 + interval([2, 4]).half_width)
