"""What TensorBoard shows of a finished run, beside its curves."""

import json

from lab.files import read_json

from .events import picture, replace_events, scalars, texts
from .pairs import pair_curve
from .sessions import scored, session

MAPS = ("tsne", "features")  # How the names of the pictures begin that are looked for first.


def write_run(folder, run, pictures=()):
    """Writes the events of a `Run` that ended: its scores, `Picture`s, result as text, line in the table of runs."""
    step = run.training.best_epoch if run.training else 0
    scores = {tag: run.scores.get(name) for tag, name in scored(run.protocol).items()}
    summaries = [(0, content) for content in session(folder, run)]
    summaries += [(step, content) for content in (*scalars(scores), *texts({"result": result_text(folder, run)}))]
    if not run.failure:
        curve = pair_curve("pair/same_class_or_not", run.arrays["same_pairs"], run.arrays["different_pairs"])
        summaries.append((step, curve))
    for shown in pictures:
        name, _, kind = shown.file.partition(".")
        if kind == "png" and not (run.failure and shown.epoch is None):  # Of a failed run, the film shows the end.
            summaries.append((step if shown.epoch is None else shown.epoch, picture(_tag(name), shown.content)))
    replace_events(folder.path, summaries)


def _tag(name):
    """Tag of a picture. TensorBoard sorts them: maps come first, those of the result before those of the training."""
    moment = name.removesuffix("_over_training")
    if moment != name:
        return f"maps_over_training/{moment}"
    return f"{'map' if name.startswith(MAPS) else 'picture'}/{name}"


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
