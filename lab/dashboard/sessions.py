"""Runs as lines of TensorBoard's HParams table: what they were given, and what came out."""

from tensorboard.plugins.hparams import api as hp
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.plugins.hparams.summary import session_end_pb
from tensorboard.plugins.hparams.summary_v2 import hparams_config_pb, hparams_pb

from lab.protocols import PROTOCOLS
from lab.protocols.open import SPLITS
from losses import LOSSES

# TensorBoard shows the first five at once, and filters by those whose values it knows.
COLUMNS = {
    "loss": hp.Discrete(list(LOSSES)),
    "changes": None,
    "seed": hp.IntInterval(0, 1000),
    "split": hp.Discrete(["none", *map(str, range(SPLITS))]),
    "results": None,
}


def session(folder, run):
    """Summaries of one `Run`, in its `RunFolder`: its line of the table."""
    settings = run.settings
    cells = {
        "loss": settings.loss,
        "changes": settings.changes or "none",
        "seed": settings.seed,
        "split": "none" if settings.split is None else str(settings.split),
        "results": folder.path.parents[1].name,
    }
    # Without a name, runs that differ in nothing shown would share a line.
    name = "/".join(map(str, cells.values()))
    end = STATUS_FAILURE if run.failure else STATUS_SUCCESS
    started = (folder.path / "config.json").stat().st_mtime
    return [hparams_pb(cells, trial_id=name, start_time_secs=started), session_end_pb(end)]


def table():
    """Summary with the columns of the table, the same for every protocol: TensorBoard shows one table of all runs."""
    closed = PROTOCOLS["closed"]
    titles = {role: closed.role(role).title for role in closed.roles}
    metrics = [hp.Metric(f"judged/{name}", display_name=title) for name, title in titles.items()]
    return hparams_config_pb([hp.HParam(name, domain) for name, domain in COLUMNS.items()], metrics)
