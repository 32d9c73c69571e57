"""Runs as lines of TensorBoard's HParams table: what they were given, and what came out."""

import time

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import Discrete, HParam, Metric, hparams_config_pb, hparams_pb

from lab.protocols import PROTOCOLS


def given(settings):
    """Dict from a column to what a run was given, as text: TensorBoard filters by numbers with a slider."""
    return {
        "loss": settings.loss,
        "changes": settings.changes or "none",
        "seed": str(settings.seed),
        "split": str(settings.split).lower(),
    }


def tested(role):
    """Tag of the test score that has a role."""
    return f"test/{role}"


def scored(protocol):
    """Dict from the tags of the test scores to their names under a `Protocol`; of two roles of one score the last."""
    roles = {name: role for role, name in protocol.roles.items()}
    return {tested(role): name for name, role in roles.items()}


def session(folder, run):
    """Summaries of one `Run`, in its `RunFolder`: its line of the table."""
    started = (folder.path / "config.json").stat().st_mtime
    # Its own: runs of the same name would share a line. TensorBoard has room for the beginning.
    name = f"{folder.path.parent.name}/{folder.path.name} in {folder.path.parents[1]}"
    return [hparams_pb(given(run.settings), trial_id=name, start_time_secs=started), _end(run)]


def _end(run):
    """Summary of when and how a `Run` ended. TensorBoard's own function for it imports TensorFlow."""
    status = STATUS_FAILURE if run.failure else STATUS_SUCCESS
    content = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=time.time()))
    summary = Summary()
    summary.value.add(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    return summary


def table(results):
    """Summary with the columns of the table: what the runs of `Results` differ in, and scores that all protocols have.

    The scores have the same titles under every protocol: if folders of several are opened at once, TensorBoard takes
    the columns of one.
    """
    cells = [given(run.settings) for row in results.losses for run in row.found.values()]
    columns = {name: {cell[name] for cell in cells} for name in given(results.settings)}
    shown = [
        HParam(name, Discrete(values, dtype=str))
        for name, values in columns.items()
        if name == "loss" or len(values) > 1
    ]
    closed = PROTOCOLS["closed"]
    found = scored(results.protocol)
    metrics = [
        Metric(tested(role), display_name=closed.role(role).title) for role in closed.roles if tested(role) in found
    ]
    return hparams_config_pb(shown, metrics)
