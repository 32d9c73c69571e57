"""The results of a data set as files beside its runs: tables, sentences, pictures."""

import collections

import numpy as np

from comparison import BASELINE, REFERENCE
from experiment import NEIGHBORS, UNSEEN_NOTE, roc_curve, strips_figure
from run_folder import save_figure, save_table, whole_file
from scores import HEADLINES, SCORES, TABLES, scores_line
from scoring import DISTANCE_BINS
from visualize import (
    class_means_figure,
    comparison_tsne_figure,
    distances_figure,
    intervals_figure,
    roc_figure,
)

UNITS = {"closed": "seeds", "open": "splits"}  # What an interval is over.
PICTURES = {
    "comparison_tsne": "t-SNE of the same test images under every loss",
    "comparison_distances": "Distances between images of the same class and of different classes",
    "comparison_scores": "Scores with their 95 % intervals",
    "comparison_roc": "Verification ROC: pairs of the same class accepted over pairs of different classes accepted",
    "comparison_class_means": "Distances between the class means",
    "comparison_neighbors": "The same images and their nearest neighbours under every loss",
}


def write_tables(results):
    """Writes `results.csv`, a line a run, and `SUMMARY.md`.

    Args:
        results: `Results`.
    """
    names = SCORES[results.protocol]
    table = [
        {"loss": row.loss, "split": run.settings["split"], "seed": run.settings["seed"], "status": status}
        | {name: run.metrics.get("test", {}).get(name) for name in names}
        for row in results.rows
        if row.loss != BASELINE
        for status, runs in (("finished", row.runs), ("failed", row.failed))
        for run in runs
    ]
    save_table(results.path / "results.csv", table, ("loss", "split", "seed", "status", *names))
    with whole_file(results.path / "SUMMARY.md") as path:
        path.write_text(summary(results))


def summary(results):
    """The results as Markdown."""
    parts = [f"# {results.title}"]
    if results.settings["quick"]:
        parts.append("QUICK run: a first look, not a result.")
    parts.append(_how_measured(results))
    for title, scores in TABLES[results.protocol].items():
        parts += [f"## {title}", _table(results, scores)]
    parts += [f"## Against {REFERENCE}", *_against_softmax(results)]
    parts += [
        f"Left out, {reason}: {', '.join(str(path.relative_to(results.path)) for path in paths)}."
        for reason, paths in results.left_out.items()
    ]
    parts += [f"![{text}]({name}.png)" for name, text in PICTURES.items() if (results.path / f"{name}.png").exists()]
    return "\n\n".join(parts) + "\n"


def _how_measured(results):
    text = (
        "Scores on test images, the best loss of each column in bold; ± is the half-width of the 95 % confidence "
        f"interval of the mean over {UNITS[results.protocol]}. Everything but the head and the lengths is measured on "
        "L2-normalised embeddings, with class means and the 5-NN gallery from training images."
    )
    if results.protocol == "closed":
        return text
    return (
        "Trained on six classes, judged on the four never seen and on telling them from the known ones; the splits "
        f"hold out each class twice. {text} Known or unknown is told by the largest logit, or by the distance to the "
        "nearest class mean for a loss without a classifier; the threshold of the FPR lets 95 % of the validation "
        "images pass. The splits share classes: the intervals are somewhat too narrow."
    )


def _table(results, scores):
    lines = [["loss", UNITS[results.protocol], *(s.header for s in scores.values())]]
    best = {name: results.best(name) for name in scores}
    for row in results.rows:
        cells = {name: results.cell(row, name) for name in scores}
        marked = [f"**{text}**" if row.loss in best[name] else text for name, text in cells.items()]
        lines.append([row.name, units(results, row), *marked])
    return _markdown(lines)


def _markdown(lines):
    header, *rows = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([header, f"|{' --- |' * len(lines[0])}", *rows])


def units(results, row):
    """The seeds or splits of a row, with those that failed."""
    if row.loss == BASELINE:
        return "–"
    number = "split" if results.protocol == "open" else "seed"
    finished = ", ".join(dict.fromkeys(str(run.settings[number]) for run in row.runs)) or "none"
    return f"{finished} (failed: {row.failures})" if row.failed else finished


def _against_softmax(results):
    """What every loss has earned: differences that are more than chance, and a sentence for each."""
    scores = {name: SCORES[results.protocol][name] for name in HEADLINES[results.protocol]}
    found = {name: results.against_softmax(name) for name in scores}
    losses = [row for row in results.rows if any(row.loss in comparisons for comparisons in found.values())]
    failed = [row for row in results.rows if row.failed and row not in losses]
    unit = UNITS[results.protocol]
    if not losses:
        return [f"Nothing can be told from chance with fewer than two {unit} of {REFERENCE} and of another loss."]
    lines = [["loss", unit, *(score.header for score in scores.values())]]
    for row in losses:
        compared = {name: comparisons.get(row.loss) for name, comparisons in found.items()}
        pairs = max(c.pairs for c in compared.values() if c)
        lines.append([row.name, str(pairs), *(_difference(scores[name], c) for name, c in compared.items())])
    sentences = "\n".join(
        f"- {sentence(row, {name: comparisons.get(row.loss) for name, comparisons in found.items()}, scores)}"
        for row in losses
    )
    for row in failed:
        sentences += f"\n- **{row.name}**: {_failures(row)}; too few are left to compare."
    return [
        "Mean difference, run by run: both started from the same weights and saw the same batches. ± is the 95 % "
        f"confidence interval over {unit}; in bold what is more than chance explains at the 5 % level by a paired "
        f"t-test with Holm's correction over the losses of the column. It speaks of other {unit}, not of other test "
        "images.",
        _markdown(lines),
        sentences,
    ]


def _difference(score, comparison):
    if comparison is None:
        return "–"
    text = f"{score.text(comparison.difference.mean, '+')} ± {score.text(comparison.difference.half_width)}"
    return f"**{text}**" if comparison.distinguishable else text


def sentence(row, comparisons, scores):
    """What can be said of a loss against softmax.

    Args:
        row: `Row` of the loss.
        comparisons: Dict from a score's name to its `Comparison`, or None.
        scores: Dict from a score's name to its `Score`.
    """
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
    return f"**{row.name}**: {said}.{f' {_failures(row)}.' if row.failed else ''}"


def _failures(row):
    return f"{len(row.failed)} of {len(row.failed) + len(row.runs)} runs failed"


def draw(results):
    """Writes the pictures that compare the losses, each by its first run on the split of most of them."""
    split, shown = _shown(results)
    if not shown:
        return
    stamp = results.title if split is None else f"{results.title} (split {split})"
    figures = {
        "comparison_tsne": _tsne_figure(f"{stamp}: what the loss does to the embedding", shown),
        "comparison_distances": _distances_figure(f"{stamp}: how near are images of one class?", shown),
        "comparison_roc": _roc_figure(f"{stamp}: are two images of the same class?", shown),
        "comparison_class_means": _class_means_figure(f"{stamp}: how far apart are the classes?", shown),
        "comparison_neighbors": _neighbors_figure(f"{stamp}: which images are next to each other?", shown),
    }
    if any(row.runs for row in results.rows if row.loss != BASELINE):
        title = f"{results.title}: is a difference more than chance?"
        figures["comparison_scores"] = _scores_figure(title, results)
    for name, figure in figures.items():
        save_figure(results.path / f"{name}.png", figure)


def _shown(results):
    """The split that most losses have a run of, and the first run on it of each, by title."""
    first = collections.defaultdict(dict)
    for row in results.rows:
        for run in row.runs:
            first[run.settings["split"]].setdefault(_title(row), run)
    return max(first.items(), key=lambda item: len(item[1]), default=(None, {}))


def _title(row):
    return row.name.replace("_", " ") if row.loss == BASELINE else row.name


def _tsne_figure(title, runs):
    first = next(iter(runs.values())).metrics
    facts = first["tsne"]
    panels = []
    for name, run in runs.items():
        arrays, metrics = run.arrays(), run.metrics
        panels.append(
            {
                "coordinates": arrays["tsne_test"],
                "labels": arrays["tsne_test_labels"],
                "mistakes": arrays.get("tsne_mistakes"),
                "title": f"{name}{_seed_note(runs, run)}",
                "caption": _panel_caption(metrics),
            }
        )
    note = (
        f"{facts['n']:,} test images, perplexity {facts['perplexity']:g}, {facts['iterations']:,} iterations, "
        f"t-SNE seed {facts['seed']}; embeddings L2-normalised. KL and the share of the {NEIGHBORS} nearest neighbours "
        "kept say how faithful a panel is. The scores are measured on all test images in the full space: they decide, "
        "not the picture."
    )
    if first["protocol"] == "open":
        note += f" {UNSEEN_NOTE}"
    return comparison_tsne_figure(title, panels, first["class_names"], note)


def _seed_note(runs, run):
    """The seed of the run shown, where it is not the one of all."""
    seeds = {other.metrics["seed"] for other in runs.values() if "seed" in other.metrics}
    return f" (seed {run.metrics['seed']})" if len(seeds) > 1 and "seed" in run.metrics else ""


def _distances_figure(title, runs):
    histograms = []
    for name, run in runs.items():
        arrays, metrics = run.arrays(), run.metrics
        histograms.append(
            {
                "same": arrays["same_pairs"],
                "different": arrays["different_pairs"],
                "title": name,
                "scores": scores_line(metrics["protocol"], metrics["test"]),
            }
        )
    return distances_figure(title, histograms, DISTANCE_BINS)


def _panel_caption(metrics):
    facts = metrics["tsne"]
    return (
        f"{scores_line(metrics['protocol'], metrics['test'])}\n"
        f"KL {facts['kl_divergence']:.2f} · {NEIGHBORS} nearest kept {facts['neighbor_preservation']:.0%}"
    )


def _scores_figure(title, results):
    known = {name for row in results.rows if row.loss != BASELINE for name in row.scores}
    scores = {name: SCORES[results.protocol][name] for name in HEADLINES[results.protocol] if name in known}
    found = {name: results.against_softmax(name) for name in scores}
    columns = [{"name": score.header, "text": score.text} for score in scores.values()]
    rows = [
        {
            "name": _title(row),
            "intervals": [row.interval(name) for name in scores],
            "distinguishable": [row.loss in found[name] and found[name][row.loss].distinguishable for name in scores],
            "failed": row.failures,
        }
        for row in results.rows
    ]
    return intervals_figure(title, columns, rows, UNITS[results.protocol])


def _roc_figure(title, runs):
    curves = [roc_curve(name, run.arrays(), run.metrics["test"]) for name, run in runs.items()]
    return roc_figure(title, curves)


def _class_means_figure(title, runs):
    class_names = next(iter(runs.values())).metrics["class_names"]
    panels = []
    for name, run in runs.items():
        means = run.arrays()["class_means"]
        panels.append({"name": name, "distances": np.linalg.norm(means[:, None] - means[None], axis=-1)})
    return class_means_figure(title, panels, class_names[: len(means)])


def _neighbors_figure(title, runs):
    metrics = next(iter(runs.values())).metrics
    return strips_figure(title, [(name, run.arrays()) for name, run in runs.items()], metrics["judged_names"])
