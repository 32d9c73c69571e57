"""What TensorBoard shows of a finished run, beside its scalars by epoch."""

import json

from lab.files import read_json

from .events import picture, replace_events, scalars, texts
from .pairs import pair_curve
from .sessions import session


def write_run(folder, run, pictures=()):
    """Writes the events of a `Run` that ended: scores, `Picture`s, the result as text, its line in the table of runs.

    The projector's files must be there already: see `write_projector`.
    """
    scores, training = run.scores, run.training
    step = training.best_epoch - 1 if training else 0  # TensorBoard's scalars count epochs from 0.
    judged = {f"judged/{name}": scores.get(score) for name, score in run.protocol.roles.items()}
    tested = {f"test/{name}": value for name, value in scores.items()}
    summaries = [(0, content) for content in session(folder, run)]
    summaries += [(step, content) for content in scalars(tested | judged)]
    summaries += [(step, content) for content in texts({"result": result_text(folder, run)})]
    if not run.failure:
        curve = pair_curve("same_class_or_not", run.arrays["same_pairs"], run.arrays["different_pairs"])
        summaries.append((step, curve))
    for shown in pictures:
        tag, _, kind = shown.file.partition(".")
        if kind == "png" and not (run.failure and shown.epoch is None):  # Of a failed run, the film shows the end.
            summaries.append((step if shown.epoch is None else shown.epoch - 1, picture(tag, shown.content)))
    replace_events(folder.path, summaries)


def result_text(folder, run):
    """The result of a run as Markdown: every score, the command, the settings and the versions it was made with."""
    config = read_json(folder.path / "config.json")
    if run.failure:
        result = f"**Failed**: {run.failure}"
    else:
        lines = [
            f"| {score.header} | {score.text(run.scores[name])} |"
            for name, score in run.protocol.scores.items()
            if run.scores[name] is not None
        ]
        result = "\n".join(["| score | test images |", "| --- | --- |", *lines])
    details = json.dumps({name: config[name] for name in config if name != "command"}, indent=2)
    return f"{result}\n\n`{config['command']}`\n\n```\n{details}\n```"
