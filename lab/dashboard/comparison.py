"""What TensorBoard shows of all runs of a data set: means over seeds with their intervals, a line a loss."""

import collections
import csv

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2, metadata
from tensorboard.util.tensor_util import make_tensor_proto

from evaluation.significance import interval
from lab.damage import LARGEST, LONGEST_HISTORY
from lab.reading import read_bytes

from .events import replace_events, scalars, texts
from .sessions import table

# Columns of `history.csv` by the title of their chart.
CURVES = {
    "validation MAP@R": "val_map_at_r",
    "validation accuracy of the nearest class mean": "val_center_accuracy",
    "training loss": "loss",
    "mean length of an embedding": "val_embedding_norm",
    "spread of the embeddings": "val_spread",
}


def write_comparison(results, summary):
    """Writes the events of `Results`: the columns of the table of runs, the charts, and their summary, Markdown."""
    means = {row.key: found for row in results.losses if (found := _means(row))}
    once = [table(results), *texts({"comparison": summary})]
    if means:
        once.append(_layout())
    replace_events(results.path, [(0, content) for content in once])
    for folder in results.path.iterdir():
        if folder.is_dir():
            replace_events(folder, means.get(folder.name, []))


def _tags(column):
    """Tags of the mean of a column, and of the ends of its interval."""
    mean = f"mean/{column.removeprefix('val_')}"
    return {"value": mean, "lower": f"{mean}_lower", "upper": f"{mean}_upper"}


def _layout():
    """Summary of the charts."""
    charts = [
        layout_pb2.Chart(
            title=title,
            margin=layout_pb2.MarginChartContent(series=[layout_pb2.MarginChartContent.Series(**_tags(column))]),
        )
        for title, column in reversed(CURVES.items())  # TensorBoard shows the last one first.
    ]
    category = layout_pb2.Category(title="Mean over the runs of a loss, with its 95 % interval", chart=charts)
    layout = layout_pb2.Layout(category=[category])
    summary = Summary()  # TensorBoard's own function for it imports TensorFlow.
    summary.value.add(
        tag=metadata.CONFIG_SUMMARY_TAG,
        metadata=metadata.create_summary_metadata(),
        tensor=make_tensor_proto(layout.SerializeToString()),
    )
    return summary


def _means(row):
    """Steps and summaries of the mean and interval over the seeds, or splits, for the epochs that all runs have.

    Empty with less than two of them, which have no interval.
    """
    curves = collections.defaultdict(list)
    for folder, run in row.found.items():
        if not run.failure and (curve := _history(folder.path)):
            curves[run.unit].append(curve)
    if len(curves) < 2:
        return []
    # The seeds of a split count as one, by their mean.
    epochs = min(len(curve) for found in curves.values() for curve in found)
    means = [np.mean([curve[:epochs] for curve in found], axis=0) for found in curves.values()]
    summaries = []
    for epoch in range(epochs):
        for number, column in enumerate(CURVES.values()):
            found = interval([curve[epoch, number] for curve in means])
            ends = (found.mean, found.mean - found.half_width, found.mean + found.half_width)
            values = dict(zip(_tags(column).values(), ends, strict=True))
            summaries += [(epoch + 1, content) for content in scalars(values)]
    return summaries


def _history(path):
    """The curves of a run, a list of numbers an epoch; empty if its `history.csv` is lost or another one."""
    try:
        lines = read_bytes(path / "history.csv", LONGEST_HISTORY).decode().splitlines()
        curves = [[float(row[name]) for name in CURVES.values()] for row in csv.DictReader(lines)]
        return [] if any(abs(number) > LARGEST for epoch in curves for number in epoch) else curves
    except (OSError, KeyError, ValueError, TypeError, csv.Error):
        return []
