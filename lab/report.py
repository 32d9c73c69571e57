"""The results of a data set as text beside its runs: tables and sentences."""

import collections
import math

from lab.files import parts_of, save_table, save_text
from lab.settings import REFERENCE


def write_tables(results, captions):
    """Writes `results.csv`, a line a run, and `SUMMARY.md`, which shows the pictures of `captions` that are there."""
    names = results.protocol.scores
    table = [
        {
            "loss": run.settings.loss,
            "changes": run.settings.changes,
            "split": run.settings.split,
            "seed": run.settings.seed,
            "status": "failed" if run.failure else "finished",
        }
        | {name: run.scores.get(name) for name in names}
        for row in results.losses
        for run in (*row.runs, *row.failed.values())
    ]
    save_table(results.path / "results.csv", table, ("loss", "changes", "split", "seed", "status", *names))
    save_text(results.path / "SUMMARY.md", summary(results, captions))


def summary(results, captions=None):
    """The results as Markdown, with links to those pictures of `write_tables`' captions that lie beside it."""
    parts = [f"# {results.title}"]
    if results.settings.quick:
        parts.append("QUICK run: a first look, not a result.")
    if results.losses:
        parts.append(_how_trained(results.settings))
    parts.append(_how_measured(results))
    for title, scores in results.protocol.tables.items():
        parts += [f"## {title}", _table(results, scores)]
    if any(row.key == REFERENCE for row in results.losses):
        parts += [f"## Against {REFERENCE}", *_against_softmax(results)]
    if failures := list(_failures(results)):
        parts += ["## Failed", "\n".join(failures)]
    parts += [
        f"Left out, {reason}: {', '.join(str(path.relative_to(results.path)) for path in paths)}."
        for reason, paths in results.left_out.items()
    ]
    for file, caption in (captions or {}).items():
        parts += [f"![{caption}]({part.name})" for part in parts_of(results.path / file)]
    return "\n\n".join(parts) + "\n"


def _how_trained(settings):
    network = f"{settings.model}, {settings.embedding_dim}-dimensional embedding"
    return f"Trained: {network}; {settings.training}; {settings.precision} on {settings.backend}."


def _how_measured(results):
    unit, units = results.protocol.unit, results.protocol.units
    if results.most_units < 2:
        shown = f"of one {unit}: no loss is marked as the best, as one {unit} tells nothing from chance."
    else:
        shown = (
            f"in bold the best mean of each column: raw pixels do not compete, nor does a loss that lacks some of the "
            f"{units}. ± is the half-width of the 95 % confidence interval of the mean over {units}, of each loss on "
            "its own: it describes a loss and compares none."
        )
    taken = "class means and the 5-NN gallery" if "knn_accuracy" in results.protocol.scores else "class means"
    how = (
        f"Scores on test images, {shown} Everything but the head, the lengths and what is told by logits is "
        f"measured on L2-normalised embeddings, with {taken} from training images."
    )
    return results.protocol.method.format(how=how)


def _table(results, scores):
    lines = [["loss", results.protocol.units, *(s.header for s in scores.values())]]
    best = {name: results.best(name) for name in scores}
    for row in results.rows:
        cells = {name: results.cell(row, name) for name in scores}
        marked = [f"**{text}**" if row.key in best[name] else text for name, text in cells.items()]
        lines.append([row.name, units(row), *marked])
    return _markdown(lines)


def _markdown(lines):
    header, *rows = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([header, f"|{' --- |' * len(lines[0])}", *rows])


def units(row):
    """The seeds or splits of a row, with those that failed."""
    if row.is_baseline:
        return "–"
    finished = ", ".join(dict.fromkeys(str(run.unit) for run in row.runs)) or "none"
    return f"{finished} (failed: {row.failures})" if row.failed else finished


def _against_softmax(results):
    """What every loss has earned: differences that are more than chance, and a sentence for each."""
    scores = {name: results.protocol.scores[name] for name in results.protocol.headlines}
    found = {name: results.against_softmax(name) for name in scores}
    losses = [row for row in results.rows if any(row.key in comparisons for comparisons in found.values())]
    unit, units = results.protocol.unit, results.protocol.units
    if not losses:
        return [f"Nothing can be told from chance with fewer than two {units} of {REFERENCE} and of another loss."]
    lines = [["loss", units, *(score.header for score in scores.values())]]
    for row in losses:
        compared = {name: comparisons.get(row.key) for name, comparisons in found.items()}
        pairs = max(c.pairs for c in compared.values() if c)
        lines.append([row.name, str(pairs), *(_difference(scores[name], c, unit) for name, c in compared.items())])
    sentences = "\n".join(
        f"- {sentence(row, {name: comparisons.get(row.key) for name, comparisons in found.items()}, scores)}"
        for row in losses
    )
    return [
        "Mean difference, run by run: both started from the same weights and saw the same batches. ± is the half-width "
        f"of its confidence interval over {units}, corrected for the losses of the column (Bonferroni): the intervals "
        "of a column hold together with 95 %. In bold what does not cross zero: it is more than chance explains. It "
        f"speaks of other {units}, not of other test images.",
        _markdown(lines),
        sentences,
    ]


def _difference(score, comparison, unit):
    if comparison is None:
        return "–"
    mean, half_width = score.text(comparison.difference.mean, "+"), comparison.difference.half_width
    if math.isnan(half_width):
        return f"{mean} for every {unit}"
    text = f"{mean} ± {score.text(half_width)}"
    return f"**{text}**" if comparison.distinguishable else text


def sentence(row, comparisons, scores):
    """What can be said of a `Row` against softmax, by dicts of the `Comparison`s, or None, and the `Score`s by name."""
    verdicts = collections.defaultdict(list)
    for name, comparison in comparisons.items():
        if comparison is None:
            continue
        score, mean = scores[name], comparison.difference.mean
        if not comparison.distinguishable:
            verdicts["not distinguishable from softmax"].append(score.title)
        else:
            verdict = "better than softmax" if score.better * mean > 0 else "worse than softmax"
            verdicts[verdict].append(f"{score.title} ({score.text(mean, '+')}{' points' if score.percent else ''})")
    said = "; ".join(f"{verdict} in {', '.join(names)}" for verdict, names in sorted(verdicts.items()))
    failures = f" {len(row.failed)} of {len(row.failed) + len(row.runs)} runs failed." if row.failed else ""
    return f"**{row.name}**: {said}.{failures}"


def _failures(results):
    """A line for each run that failed: why, and what to try."""
    for row in results.rows:
        for folder, run in row.failed.items():
            yield f"- **{row.name}**, {folder.name}: {run.failure}"
