"""What TensorBoard shows of a run: a line of the table of runs with no empty cell, its scores, its result as text."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from support.runs import make_run
from support.runs import write_run as write_folder
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS

from lab.dashboard.run import write_run
from lab.dashboard.sessions import table
from lab.figures.style import as_png
from lab.protocols import PROTOCOLS
from lab.results import gather
from lab.run_folder import RunFolder
from visualize import Picture

ROLES = PROTOCOLS["closed"].roles
COLLAPSED = "collapsed: all the same"
PNG = as_png(Figure((1, 1)))


@pytest.fixture(params=["closed", "open"])
def folder(request, tmp_path):
    split = {"closed": None, "open": 2}[request.param]
    return RunFolder(write_folder(tmp_path, "center", protocol=request.param, split=split, overrides={"alpha": 0.5}))


@pytest.fixture
def failed(tmp_path):
    return RunFolder(write_folder(tmp_path, "center", failure=COLLAPSED))


def read(folder):
    accumulator = EventAccumulator(str(folder.path), {"tensors": 0}).Reload()
    return accumulator, set(accumulator.Tags()["tensors"])


def session(accumulator):
    """The cells of the run's line, and how it ended."""
    content = {
        tag: accumulator.SummaryMetadata(tag).plugin_data.content
        for tag in (metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG)
    }
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    end = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
    cells = {name: value.string_value or value.number_value for name, value in start.hparams.items()}
    return start.group_name, cells, end.status


def test_a_run_is_a_line_of_the_table_with_no_empty_cell(folder):
    run = folder.load()
    write_run(folder, run)
    accumulator, tags = read(folder)
    name, cells, status = session(accumulator)
    split = "none" if run.settings.split is None else "2"
    assert cells == {"loss": "center", "changes": "alpha=0.5", "seed": "0", "split": split}
    assert name == f"center/{folder.path.name} in {folder.path.parents[1]}"
    assert status == STATUS_SUCCESS
    assert {tag for tag in tags if tag.startswith("test/")} == {f"test/{role}" for role in ROLES}


def columns(path):
    """Dict from a column of the table of runs to the values to filter by, and the tags of the scores."""
    content = table(gather(path)).value[0].metadata.plugin_data.content
    experiment = metadata.parse_experiment_plugin_data(content)
    shown = {column.name: [v.string_value for v in column.domain_discrete.values] for column in experiment.hparam_infos}
    return shown, [metric.name.tag for metric in experiment.metric_infos]


@pytest.mark.parametrize(
    ("runs", "shown"),
    [
        ([{"loss": "center"}], {"loss": ["center"]}),
        ([{"loss": "softmax"}, {"loss": "center"}], {"loss": ["center", "softmax"]}),
        ([{"loss": "softmax"}, {"loss": "softmax", "seed": 12}], {"loss": ["softmax"], "seed": ["0", "12"]}),
        (
            [{"loss": "center", "overrides": {"alpha": 0.5}}, {"loss": "softmax", "failure": COLLAPSED}],
            {"loss": ["center", "softmax"], "changes": ["alpha=0.5", "none"]},
        ),
        (
            [{"loss": "center", "protocol": "open", "split": split} for split in (0, 3)],
            {"loss": ["center"], "split": ["0", "3"]},
        ),
    ],
)
def test_the_table_has_the_loss_and_the_columns_in_which_runs_differ(tmp_path, runs, shown):
    for run in [
        *runs,
        {"loss": "raw_pixels"} | {name: runs[0][name] for name in runs[0].keys() & {"protocol", "split"}},
    ]:
        write_folder(tmp_path, **run)
    assert columns(tmp_path) == (shown, [f"test/{role}" for role in ROLES])


def test_every_protocol_has_the_scores_of_the_table():
    for protocol in PROTOCOLS.values():
        assert protocol.roles.keys() == ROLES.keys()
        assert set(protocol.roles.values()) <= protocol.scores.keys()


def test_scores_and_the_result_as_text_are_there_at_the_best_epoch(folder):
    run = folder.load()
    assert run.training.best_epoch == 2
    write_run(folder, run)
    accumulator, _ = read(folder)
    for tag in ("test/nearest_mean", "test/eer", "result", "pair/same_class_or_not/pr_curves"):
        assert [event.step for event in accumulator.Tensors(tag)] == [2], tag
    text = accumulator.Tensors("result")[0].tensor_proto.string_val[0].decode()
    assert "python main.py" in text
    assert "| score | test images |" in text
    for score in run.protocol.scores.values():
        assert f"| {score.header} | {score.text(0.5)} |\n" in text
    details = json.loads(text.split("```")[1])
    assert details["settings"] == run.settings.to_dict()
    assert details.keys() == {"settings", "source", "versions", "git_commit", "machine"}


def test_test_scores_are_those_of_the_classes_that_the_protocol_judges(tmp_path):
    scores = {name: n / 32 for n, name in enumerate(PROTOCOLS["open"].scores)}
    folder = RunFolder(write_folder(tmp_path, score=scores, protocol="open", split=0))
    write_run(folder, folder.load())
    accumulator, _ = read(folder)
    for role, name in (("map_at_r", "unseen_map_at_r"), ("nearest_mean", "known_center_accuracy")):
        (event,) = accumulator.Tensors(f"test/{role}")
        assert event.tensor_proto.float_val[0] == scores[name]


def test_where_no_class_is_known_nothing_is_called_the_nearest_mean(tmp_path):
    folder = RunFolder(write_folder(tmp_path, protocol="unseen"))
    write_run(folder, folder.load())
    found = {tag for tag in read(folder)[0].Tags()["tensors"] if tag.startswith("test/")}
    assert found == {f"test/{role}" for role in ROLES if role != "nearest_mean"}
    assert columns(tmp_path)[1] == [f"test/{role}" for role in ROLES if role != "nearest_mean"]


def test_what_a_loss_does_not_have_is_no_line_of_the_result(tmp_path):
    scores = dict.fromkeys(PROTOCOLS["closed"].scores, 0.5) | {"head_accuracy": None}
    folder = RunFolder(write_folder(tmp_path, "triplet_only", score=scores))
    write_run(folder, folder.load())
    accumulator, _ = read(folder)
    assert "| head (%) |" not in accumulator.Tensors("result")[0].tensor_proto.string_val[0].decode()


def test_the_pairs_are_a_precision_and_recall_curve(folder):
    arrays = {"same_pairs": np.array([6, 2, 2]), "different_pairs": np.array([0, 2, 8])}
    write_run(folder, make_run("center", arrays=arrays))
    accumulator, _ = read(folder)
    proto = accumulator.Tensors("pair/same_class_or_not/pr_curves")[0].tensor_proto
    rows = np.frombuffer(proto.tensor_content, np.float32).reshape(6, -1)
    true_positives, false_positives, true_negatives, false_negatives, precision, recall = rows
    # Thresholds ascend: all pairs accepted, those of the first two bins, those of the first, none.
    np.testing.assert_array_equal(true_positives, [10, 8, 6, 0])
    np.testing.assert_array_equal(false_positives, [10, 2, 0, 0])
    np.testing.assert_array_equal(true_negatives, [0, 8, 10, 10])
    np.testing.assert_array_equal(false_negatives, [0, 2, 4, 10])
    np.testing.assert_allclose(precision, [0.5, 0.8, 1, 1])
    np.testing.assert_allclose(recall, [1, 0.8, 0.6, 0])


def steps(folder, pictures, run):
    """Dict from the tag of each picture shown to its steps."""
    write_run(folder, run, pictures)
    accumulator, _ = read(folder)
    return {
        tag: [event.step for event in accumulator.Tensors(tag)]
        for tag in accumulator.Tags()["tensors"]
        if tag.startswith(("map", "picture"))
    }


FILM = [Picture("tsne_over_training.png", PNG, epoch) for epoch in (1, 2, 4)]
PICTURES = [Picture("roc.png", PNG), Picture("training.gif", b"GIF"), *FILM]


def test_pictures_of_the_result_are_at_the_best_epoch_and_those_of_the_film_at_theirs(folder):
    shown = steps(folder, PICTURES, folder.load())
    assert shown == {"picture/roc": [2], "maps_over_training/tsne": [1, 2, 4]}


def test_maps_come_before_all_other_pictures_and_those_of_the_result_first(folder):
    names = ("confusion", "features", "features_over_training", "tsne_over_training", "tsne_test", "tsne_train")
    shown = steps(folder, [Picture(f"{name}.png", PNG) for name in names], folder.load())
    maps = ["map/features", "map/tsne_test", "map/tsne_train", "maps_over_training/features", "maps_over_training/tsne"]
    assert sorted(shown) == [*maps, "picture/confusion"]


def test_of_a_failed_run_the_film_alone_is_shown(failed):
    assert steps(failed, PICTURES, failed.load()) == {"maps_over_training/tsne": [1, 2, 4]}


def test_a_failed_run_is_a_line_that_failed(failed):
    write_run(failed, failed.load())
    accumulator, tags = read(failed)
    assert session(accumulator)[2] == STATUS_FAILURE
    assert not [tag for tag in tags if tag.startswith(("test/", "pair/"))]
    assert COLLAPSED in accumulator.Tensors("result")[0].tensor_proto.string_val[0].decode()
