"""The results of a data set as files beside its runs: tables, sentences, pictures."""

import collections

from scipy.spatial.distance import pdist, squareform

from comparison import BASELINE, REFERENCE
from evaluation.geometry import NEIGHBORS
from figures import UNSEEN_NOTE, roc_curve, strips_figure
from run_folder import OWN_EVENTS, png, save_bytes, save_table, whole_file
from scores import HEADLINES, JUDGED, SCORES, TABLES, scores_line
from scoring import DISTANCE_BINS
from visualize import (
    class_means_figure,
    comparison_features_figure,
    comparison_tsne_figure,
    distances_figure,
    intervals_figure,
    roc_figure,
)

BASELINE_TITLE = BASELINE.replace("_", " ")
UNITS = {"closed": "seeds", "open": "splits"}  # What an interval is over.
PICTURES = {
    "comparison_tsne": "t-SNE of the same test images under every loss",
    "comparison_distances": "Distances between images of the same class and of different classes",
    "comparison_scores": "Scores with their 95 % intervals",
    "comparison_roc": "Verification ROC: pairs of the same class accepted over pairs of different classes accepted",
    "comparison_class_means": "Distances between the class means",
    "comparison_features": "Two-dimensional embeddings of the test images under every loss",
    "comparison_neighbors": "The same images and their nearest neighbours under every loss",
}


def write_tables(results, dashboard=None):
    """Writes `results.csv`, a line a run, and `SUMMARY.md`, and shows both in TensorBoard.

    Args:
        results: `Results`.
        dashboard: The module `dashboard`, or None to do without TensorBoard.
    """
    names = SCORES[results.protocol]
    table = [
        {
            "loss": row.loss,
            "changes": row.changes,
            "split": run.settings["split"],
            "seed": run.settings["seed"],
            "status": status,
        }
        | {name: scores.get(name) for name in names}
        for row in results.rows
        if row.loss != BASELINE
        for status, runs in (("finished", row.runs), ("failed", row.failed))
        for run in runs
        for scores in [run.metrics.get("test", {})]
    ]
    save_table(results.path / "results.csv", table, ("loss", "changes", "split", "seed", "status", *names))
    with whole_file(results.path / "SUMMARY.md") as path:
        path.write_text(summary(results))
    if dashboard:
        dashboard.write_comparison(results, summary(results, pictures=False))
    else:  # What TensorBoard was told before is no longer true.
        for stale in (*results.path.glob(OWN_EVENTS), *results.path.glob(f"*/{OWN_EVENTS}")):
            stale.unlink()


def summary(results, pictures=True):
    """The results as Markdown, with links to the pictures beside it or without."""
    parts = [f"# {results.title}"]
    if results.settings["quick"]:
        parts.append("QUICK run: a first look, not a result.")
    parts.append(_how_measured(results))
    for title, scores in TABLES[results.protocol].items():
        parts += [f"## {title}", _table(results, scores)]
    if any(row.key == REFERENCE for row in results.rows):
        parts += [f"## Against {REFERENCE}", *_against_softmax(results)]
    if failures := list(_failures(results)):
        parts += ["## Failed", "\n".join(failures)]
    parts += [
        f"Left out, {reason}: {', '.join(str(path.relative_to(results.path)) for path in paths)}."
        for reason, paths in results.left_out.items()
    ]
    shown = [name for name in PICTURES if pictures and (results.path / f"{name}.png").exists()]
    parts += [f"![{PICTURES[name]}]({name}.png)" for name in shown]
    return "\n\n".join(parts) + "\n"


def _how_measured(results):
    text = (
        "Scores on test images, in bold the best loss of each column: raw pixels do not compete, nor does a loss that "
        f"lacks some of the {UNITS[results.protocol]}. ± is the half-width of the 95 % confidence interval of the mean "
        f"over {UNITS[results.protocol]}. Everything but the head and the lengths is measured on L2-normalised "
        "embeddings, with class means and the 5-NN gallery from training images."
    )
    if results.protocol == "closed":
        return text
    return (
        "Trained on six classes, judged on the four never seen and on telling them from the known ones; five splits "
        f"hold out each class twice. {text} Known or unknown is told by the largest logit, or by the distance to the "
        "nearest class mean for a loss without a classifier; the threshold of the FPR lets 95 % of the validation "
        "images pass. The splits share classes: the intervals are somewhat too narrow."
    )


def _table(results, scores):
    lines = [["loss", UNITS[results.protocol], *(s.header for s in scores.values())]]
    best = {name: results.best(name) for name in scores}
    for row in results.rows:
        cells = {name: results.cell(row, name) for name in scores}
        marked = [f"**{text}**" if row.key in best[name] else text for name, text in cells.items()]
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
    losses = [row for row in results.rows if any(row.key in comparisons for comparisons in found.values())]
    unit = UNITS[results.protocol]
    if not losses:
        return [f"Nothing can be told from chance with fewer than two {unit} of {REFERENCE} and of another loss."]
    lines = [["loss", unit, *(score.header for score in scores.values())]]
    for row in losses:
        compared = {name: comparisons.get(row.key) for name, comparisons in found.items()}
        pairs = max(c.pairs for c in compared.values() if c)
        lines.append([row.name, str(pairs), *(_difference(scores[name], c) for name, c in compared.items())])
    sentences = "\n".join(
        f"- {sentence(row, {name: comparisons.get(row.key) for name, comparisons in found.items()}, scores)}"
        for row in losses
    )
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
    failures = f" {len(row.failed)} of {len(row.failed) + len(row.runs)} runs failed." if row.failed else ""
    return f"**{row.name}**: {said}.{failures}"


def _failures(results):
    """A line for each run that failed: why, and what to try."""
    for row in results.rows:
        for run in row.failed:
            yield f"- **{row.name}**, {run.name}: {run.metrics['failure']}"


def draw(results):
    """Writes the pictures that compare the losses, each by one run."""
    which, shown = _shown(results)
    figures = _figures(results, f"{results.title}{which}", shown) if shown else {}
    for name in PICTURES:
        path = results.path / f"{name}.png"
        if name in figures:
            save_bytes(path, png(figures[name]))
        else:
            path.unlink(missing_ok=True)  # It showed runs that are no longer there.


def _figures(results, stamp, shown):
    """The pictures by name; `shown` is a dict from a title to a run."""
    figures = {
        "comparison_tsne": _tsne_figure(f"{stamp}: {_range(shown, 'map_at_r')}", shown),
        "comparison_distances": _distances_figure(f"{stamp}: {_range(shown, 'eer')}", shown),
        "comparison_roc": _roc_figure(f"{stamp}: {_range(shown, 'tar_at_far_1e-3')}", shown),
        "comparison_class_means": _class_means_figure(stamp, shown),
        "comparison_neighbors": _neighbors_figure(stamp, shown),
    }
    if results.settings["embedding_dim"] == 2 and _losses(shown):
        images = "test images of known classes" if results.protocol == "open" else "test images"
        title = f"{stamp}, {images}: {_range(shown, 'nearest_mean')}"
        figures["comparison_features"] = _features_figure(title, _losses(shown))
    if any(row.runs for row in results.rows if row.loss != BASELINE):
        figures["comparison_scores"] = _scores_figure(results)
    return figures


def _shown(results):
    """One run of each loss, by title: of the split and the seed that most of them have, said where there are more.

    A loss without that seed is shown by another one of the split, which its title says.
    """
    trained = [run for row in results.rows if row.loss != BASELINE for run in row.runs]
    found = collections.Counter((run.settings["split"], run.settings["seed"]) for run in trained)
    # Raw pixels alone have no seed.
    first = next((run.settings["split"] for row in results.rows for run in row.runs), None)
    split, seed = max(found, key=found.get, default=(first, None))
    shown = {}
    for row in results.rows:
        runs = {run.settings.get("seed"): run for run in row.runs if run.settings["split"] == split}
        if not runs:
            continue
        other = next(iter(runs))
        if seed in runs or row.loss == BASELINE:
            shown[_title(row)] = runs.get(seed, runs[other])
        else:
            shown[f"{row.name} (seed {other})"] = runs[other]
    which = [] if split is None else [f"split {split}"]
    if len({seed for _, seed in found}) > 1:
        which.append(f"seed {seed}")
    return f" ({', '.join(which)})" if which else "", shown


def _losses(runs):
    """The runs by title, without the raw pixels."""
    return {name: run for name, run in runs.items() if name != BASELINE_TITLE}


def _range(runs, key):
    """The worst and the best of a score in `JUDGED`, with their losses."""
    first = next(iter(runs.values())).metrics
    name = JUDGED[first["protocol"]][key]
    score = SCORES[first["protocol"]][name]
    values = {title: run.metrics["test"][name] for title, run in _losses(runs).items()}
    return f"{score.header} {extremes(values, score.text, score.better)}"


def extremes(values, text, better=1):
    """The worst and the best of some numbers, in words.

    Args:
        values: Dict from a loss to its number.
        text: Function from a number to text.
        better: 1 if more is better, -1 if less is.
    """
    if not values:
        return "of raw pixels alone"
    ranked = sorted(values, key=lambda name: better * values[name])
    worst, best = ((name, text(values[name])) for name in (ranked[0], ranked[-1]))
    if len(values) > 1 and worst[1] == best[1]:
        return f"{best[1]} with every loss"
    return " to ".join(f"{value} with {name}" for name, value in dict.fromkeys((worst, best)))


def _title(row):
    return BASELINE_TITLE if row.loss == BASELINE else row.name


def _contents(runs):
    """Title, arrays and metrics of each run, read one after the other."""
    for name, run in runs.items():
        yield name, run.arrays(), run.metrics


def _tsne_figure(title, runs):
    first = next(iter(runs.values())).metrics
    facts = first["tsne"]
    panels = [
        {
            "coordinates": arrays["tsne_test"],
            "labels": arrays["tsne_test_labels"],
            "mistakes": arrays.get("tsne_mistakes"),
            "title": name,
            "caption": _panel_caption(metrics),
        }
        for name, arrays, metrics in _contents(runs)
    ]
    note = (
        f"{facts['n']:,} test images, perplexity {facts['perplexity']:g}, {facts['iterations']:,} iterations, "
        f"t-SNE seed {facts['seed']}; embeddings L2-normalised. KL and the share of the {NEIGHBORS} nearest neighbours "
        "kept say how faithful a panel is. The scores are measured on all test images in the full space: they decide, "
        "not the picture."
    )
    if first["protocol"] == "open":
        note += f" {UNSEEN_NOTE}"
    return comparison_tsne_figure(title, panels, first["class_names"], note)


def _features_figure(title, runs):
    first = next(iter(runs.values())).metrics
    panels = [
        {
            "points": arrays["test_embeddings"],
            "labels": arrays["test_labels"],
            "directions": arrays.get("directions"),
            "centers": arrays.get("centers"),
            "title": name,
            "caption": scores_line(metrics["protocol"], metrics["test"]),
        }
        for name, arrays, metrics in _contents(runs)
    ]
    # The test images are of the known classes, which come first.
    known = len(next(iter(runs.values())).arrays()["class_means"])
    return comparison_features_figure(title, panels, first["class_names"][:known])


def _distances_figure(title, runs):
    histograms = [
        {
            "same": arrays["same_pairs"],
            "different": arrays["different_pairs"],
            "title": name,
            "scores": scores_line(metrics["protocol"], metrics["test"]),
        }
        for name, arrays, metrics in _contents(runs)
    ]
    return distances_figure(title, histograms, DISTANCE_BINS)


def _panel_caption(metrics):
    facts = metrics["tsne"]
    return (
        f"{scores_line(metrics['protocol'], metrics['test'])}\n"
        f"KL {facts['kl_divergence']:.2f} · {NEIGHBORS} nearest kept {facts['neighbor_preservation']:.0%}"
    )


def _scores_figure(results):
    known = {name for row in results.rows if row.loss != BASELINE for name in row.scores}
    scores = {name: SCORES[results.protocol][name] for name in HEADLINES[results.protocol] if name in known}
    found = {name: results.against_softmax(name) for name in scores}
    columns = [{"name": score.header, "text": score.text} for score in scores.values()]
    rows = [
        {
            "name": _title(row),
            "intervals": [row.interval(name) for name in scores],
            "distinguishable": [row.key in found[name] and found[name][row.key].distinguishable for name in scores],
            "failed": row.failures,
        }
        for row in results.rows
    ]
    counts = [
        f"{scores[name].title} {sum(c.distinguishable for c in comparisons.values())} of {len(comparisons)}"
        for name, comparisons in found.items()
        if comparisons
    ]
    if counts:
        finding = f"losses that differ from {REFERENCE}: {', '.join(counts)}"
    elif results.most_units < 2:
        finding = f"scores of one {UNITS[results.protocol][:-1]}, too few to tell a difference from chance"
    else:
        finding = f"without a comparison with {REFERENCE}"
    return intervals_figure(f"{results.title}: {finding}", columns, rows, UNITS[results.protocol])


def _roc_figure(title, runs):
    contents = _contents(runs)
    return roc_figure(title, [roc_curve(name, m["protocol"], arrays, m["test"]) for name, arrays, m in contents])


def _class_means_figure(stamp, runs):
    class_names = next(iter(runs.values())).metrics["class_names"]
    distances = {name: pdist(run.arrays()["class_means"]) for name, run in runs.items()}
    nearest = {name: found.min() for name, found in distances.items() if name != BASELINE_TITLE}
    title = f"{stamp}: distance of the nearest two classes {extremes(nearest, '{:.2f}'.format)}"
    panels = [{"name": name, "distances": squareform(found)} for name, found in distances.items()]
    return class_means_figure(title, panels, class_names[: len(panels[0]["distances"])])


def _neighbors_figure(stamp, runs):
    metrics = next(iter(runs.values())).metrics
    embeddings = [(name, run.arrays()) for name, run in runs.items()]
    labels = {name: arrays["strip_labels"] for name, arrays in embeddings if name != BASELINE_TITLE}
    right = {name: (found[:, 1:] == found[:, :1]).sum() for name, found in labels.items()}
    shown = embeddings[0][1]["strip_labels"][:, 1:].size
    title = f"{stamp}: neighbours of the same class {extremes(right, str)} of {shown}"
    return strips_figure(title, embeddings, metrics["judged_names"])
