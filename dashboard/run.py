"""What TensorBoard shows of a finished run, beside its scalars by epoch."""

import json

from scores import JUDGED, SCORES

from .events import picture, replace_events, scalars, texts
from .pairs import pair_curve
from .sessions import session


def write_run(folder, metrics, step=0, pictures=(), arrays=None):
    """Writes the events of a run that ended: scores, pictures, the result as text, its line in the table of runs.

    The projector's files must be there already: see `write_projector`.

    Args:
        folder: `RunFolder`.
        metrics: What its `metrics.json` is about to say.
        step: Epoch that the scores belong to, from 0.
        pictures: List of a tag, a step and a PNG.
        arrays: What its `embeddings.npz` says; None for a run that failed.
    """
    scores = metrics.get("test", {})
    summaries = [(0, content) for content in session(folder, metrics)]
    summaries += [(step, content) for content in scalars({f"test/{name}": value for name, value in scores.items()})]
    judged = {f"judged/{name}": scores.get(score) for name, score in JUDGED[metrics["protocol"]].items()}
    summaries += [(step, content) for content in scalars(judged)]
    summaries += [(step, content) for content in texts({"result": result_text(folder, metrics)})]
    if arrays:
        summaries.append((step, pair_curve("same_class_or_not", arrays["same_pairs"], arrays["different_pairs"])))
    summaries += [(shown, picture(tag, png)) for tag, shown, png in pictures]
    replace_events(folder.path, summaries)


def result_text(folder, metrics):
    """The result of a run as Markdown: every score, the command, the settings and the versions it was made with."""
    config = json.loads((folder.path / "config.json").read_text())
    if metrics["status"] == "failed":
        result = f"**Failed**: {metrics['failure']}"
    else:
        scores = SCORES[metrics["protocol"]]
        lines = [
            f"| {score.header} | {score.text(metrics['test'][name])} |"
            for name, score in scores.items()
            if metrics["test"][name] is not None
        ]
        result = "\n".join(["| score | test images |", "| --- | --- |", *lines])
    details = json.dumps({name: config[name] for name in config if name != "command"}, indent=2)
    return f"{result}\n\n`{config['command']}`\n\n```\n{details}\n```"
