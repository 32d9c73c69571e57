"""What TensorBoard shows of a run: a line of the table of runs with no empty cell, its scores, its result as text."""

import numpy as np
import pytest
from run_folders import write_run as write_folder
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS

from dashboard import write_run
from dashboard.sessions import COLUMNS, table
from run_folder import RunFolder
from scores import JUDGED, SCORES


@pytest.fixture(params=["closed", "open"])
def folder(request, tmp_path):
    split = {"closed": None, "open": 2}[request.param]
    return RunFolder(write_folder(tmp_path, "center", protocol=request.param, split=split, overrides={"alpha": 0.5}))


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
    write_run(folder, folder.metrics, arrays=folder.arrays())
    accumulator, tags = read(folder)
    name, cells, status = session(accumulator)
    assert sorted(cells) == sorted(COLUMNS)
    assert cells["loss"] == "center"
    assert cells["changes"] == "alpha=0.5"
    assert cells["split"] == ("none" if folder.settings["split"] is None else "2")
    assert name.startswith("center/alpha=0.5/0/")
    assert status == STATUS_SUCCESS
    assert {f"judged/{score}" for score in JUDGED["closed"]} <= tags


def test_the_columns_of_the_table_are_what_every_run_has():
    content = table().value[0].metadata.plugin_data.content
    experiment = metadata.parse_experiment_plugin_data(content)
    assert [column.name for column in experiment.hparam_infos] == list(COLUMNS)
    assert [metric.name.tag for metric in experiment.metric_infos] == [f"judged/{name}" for name in JUDGED["closed"]]
    assert JUDGED["closed"].keys() == JUDGED["open"].keys()
    for protocol, names in JUDGED.items():
        assert set(names.values()) <= SCORES[protocol].keys()


def test_scores_and_the_result_as_text_are_there(folder):
    write_run(folder, folder.metrics, 1, arrays=folder.arrays())
    accumulator, tags = read(folder)
    assert {f"test/{name}" for name in SCORES[folder.settings["protocol"]]} <= tags
    assert accumulator.Tensors("test/" + next(iter(SCORES[folder.settings["protocol"]])))[0].step == 1
    text = accumulator.Tensors("result")[0].tensor_proto.string_val[0].decode()
    assert "python main.py" in text
    assert "| score | test images |" in text


def test_the_pairs_are_a_precision_and_recall_curve(folder):
    arrays = folder.arrays() | {"same_pairs": np.array([6, 2, 2]), "different_pairs": np.array([0, 2, 8])}
    write_run(folder, folder.metrics, arrays=arrays)
    accumulator, _ = read(folder)
    proto = accumulator.Tensors("same_class_or_not/pr_curves")[0].tensor_proto
    rows = np.frombuffer(proto.tensor_content, np.float32).reshape(6, -1)
    true_positives, false_positives, true_negatives, false_negatives, precision, recall = rows
    # Thresholds ascend: all pairs accepted, those of the first two bins, those of the first, none.
    np.testing.assert_array_equal(true_positives, [10, 8, 6, 0])
    np.testing.assert_array_equal(false_positives, [10, 2, 0, 0])
    np.testing.assert_array_equal(true_negatives, [0, 8, 10, 10])
    np.testing.assert_array_equal(false_negatives, [0, 2, 4, 10])
    np.testing.assert_allclose(precision, [0.5, 0.8, 1, 1])
    np.testing.assert_allclose(recall, [1, 0.8, 0.6, 0])


def test_a_failed_run_is_a_line_that_failed(tmp_path):
    folder = RunFolder(write_folder(tmp_path, "center", status="failed"))
    metrics = folder.metrics | {"failure": "collapsed: all the same"}
    write_run(folder, metrics)
    accumulator, tags = read(folder)
    assert session(accumulator)[2] == STATUS_FAILURE
    assert "test/map_at_r" not in tags
    assert "collapsed: all the same" in accumulator.Tensors("result")[0].tensor_proto.string_val[0].decode()
