"""Runs as lines of TensorBoard's HParams table: what they were given, and what came out."""

from tensorboard.plugins.hparams import api as hp
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.plugins.hparams.summary import session_end_pb
from tensorboard.plugins.hparams.summary_v2 import hparams_config_pb, hparams_pb

from held_out import SPLITS
from losses import LOSSES
from options import as_changes
from scores import JUDGED, SCORES

# TensorBoard shows the first five at once, and filters by those whose values it knows.
COLUMNS = {
    "loss": hp.Discrete(list(LOSSES)),
    "changes": None,
    "seed": hp.IntInterval(0, 1000),
    "split": hp.Discrete(["none", *map(str, range(SPLITS))]),
    "results": None,
}


def session(folder, metrics):
    """Summaries of one run: its line of the table.

    Args:
        folder: `RunFolder`.
        metrics: What its `metrics.json` is about to say.
    """
    settings = folder.settings
    cells = {
        "loss": settings["loss"],
        "changes": as_changes(settings["overrides"]) or "none",
        "seed": settings["seed"],
        "split": "none" if settings["split"] is None else str(settings["split"]),
        "results": folder.path.parents[1].name,
    }
    # Without a name, runs that differ in nothing shown would share a line.
    name = "/".join(map(str, cells.values()))
    end = STATUS_SUCCESS if metrics["status"] == "finished" else STATUS_FAILURE
    started = (folder.path / "config.json").stat().st_mtime
    return [hparams_pb(cells, trial_id=name, start_time_secs=started), session_end_pb(end)]


def table():
    """Summary with the columns of the table, the same for every protocol: TensorBoard shows one table of all runs."""
    titles = {name: SCORES["closed"][score].title for name, score in JUDGED["closed"].items()}
    metrics = [hp.Metric(f"judged/{name}", display_name=title) for name, title in titles.items()]
    return hparams_config_pb([hp.HParam(name, domain) for name, domain in COLUMNS.items()], metrics)
