"""The runs of a data set that share their settings, side by side. Reads the run folders alone."""

import dataclasses
import pathlib
import statistics

from data import CLASS_NAMES
from experiment import DISTANCE_BINS, NEIGHBORS, scores_line
from losses import LOSSES
from options import as_given
from run_folder import RunFolder, save_figure, save_table, whole_file
from visualize import comparison_tsne_figure, distances_figure

BASELINE = "raw_pixels"
SCORES = (
    "head_accuracy",
    "center_accuracy",
    "knn_accuracy",
    "recall_at_1",
    "r_precision",
    "map_at_r",
    "intra_distance",
    "inter_distance",
    "distance_ratio",
)
SMALLER_IS_BETTER = ("intra_distance", "distance_ratio")
OWN_SETTINGS = ("loss", "seed", "overrides")  # In all others, compared runs agree.


@dataclasses.dataclass(frozen=True)
class Row:
    """The runs of one loss, for one line of a table: `scores` and `seconds` hold one number per seed."""

    loss: str
    overrides: dict
    seeds: tuple
    failed: tuple
    scores: dict
    seconds: tuple

    @property
    def name(self):
        """The loss, with what differs from its defaults."""
        changes = ", ".join(f"{name}={as_given(value)}" for name, value in self.overrides.items())
        return f"{self.loss} ({changes})" if changes else self.loss


def run_folder(dataset_path, loss, seed):
    """The folder of a run inside the folder of its data set."""
    return RunFolder(pathlib.Path(dataset_path) / loss / f"seed-{seed}")


def baseline_folder(dataset_path):
    """The folder of the raw pixels inside the folder of a data set."""
    return RunFolder(pathlib.Path(dataset_path) / BASELINE)


def compare(dataset_path, settings):
    """Compares every run in a data set's folder that shares its settings with this command's.

    Writes `results.csv`, `SUMMARY.md`, `comparison_tsne.png` and `comparison_distances.png`.

    Args:
        dataset_path: Folder of the data set.
        settings: Dict of the settings of any run of this command.

    Returns:
        List of `Row`, the raw pixels first, and the number of runs left out.
    """
    runs, others = ended_runs(dataset_path, settings)
    rows = [_row(BASELINE, [baseline_folder(dataset_path)])]
    rows += [_row(loss, found) for loss, found in runs.items()]
    _save_results(dataset_path, runs)
    with whole_file(pathlib.Path(dataset_path) / "SUMMARY.md") as path:
        path.write_text(_summary(rows, settings, others))
    _draw(dataset_path, runs, rows, settings)
    return rows, others


def ended_runs(dataset_path, settings):
    """The runs that ended, as a dict from a loss to its `RunFolder`s, and how many others there are."""
    shared = {name: value for name, value in settings.items() if name not in OWN_SETTINGS}
    runs, others = {}, 0
    for loss in LOSSES:
        for path in sorted(pathlib.Path(dataset_path).glob(f"{loss}/seed-*"), key=_seed):
            run = RunFolder(path)
            if run.settings is None or run.metrics is None:
                continue
            alike = runs.setdefault(loss, [])
            if shared.items() <= run.settings.items() and _same_overrides(run, alike):
                alike.append(run)
            else:
                others += 1
    return {loss: found for loss, found in runs.items() if found}, others


def _seed(path):
    number = path.name.removeprefix("seed-")
    return int(number) if number.isdecimal() else -1


def _same_overrides(run, runs):
    return not runs or run.settings["overrides"] == runs[0].settings["overrides"]


def _row(loss, runs):
    metrics = [run.metrics for run in runs]
    finished = [m for m in metrics if m["status"] == "finished"]
    return Row(
        loss=loss,
        overrides=runs[0].settings.get("overrides", {}),
        seeds=tuple(m.get("seed") for m in finished),
        failed=tuple(m.get("seed") for m in metrics if m["status"] == "failed"),
        scores={name: [m["test"][name] for m in finished if m["test"][name] is not None] for name in SCORES},
        seconds=tuple(m["timing"]["train_seconds"] for m in finished if "train_seconds" in m["timing"]),
    )


def best_rows(rows, score):
    """The losses with the best mean of a score, as shown with its digits; the raw pixels do not compete."""
    competing = [row for row in rows if row.loss != BASELINE and row.scores[score]]
    shown = {row.loss: float(cell(row, score).split()[0]) for row in competing}
    if len(shown) < 2:
        return set()
    best = (min if score in SMALLER_IS_BETTER else max)(shown.values())
    return {loss for loss, value in shown.items() if value == best}


def cell(row, score):
    """A score as text: percent or a number, with the standard deviation if there are several seeds."""
    values = row.scores[score]
    if not values:
        return "–"
    scale, digits = (100, 2) if score.endswith("accuracy") or score == "recall_at_1" else (1, 4)
    if score.endswith(("distance", "ratio")):
        digits = 3
    mean = f"{scale * statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {scale * statistics.stdev(values):.{digits}f}"


def _save_results(dataset_path, runs):
    table = [
        {"loss": loss, "seed": run.metrics["seed"], "status": run.metrics["status"]}
        | {name: run.metrics.get("test", {}).get(name) for name in SCORES}
        for loss, found in runs.items()
        for run in found
    ]
    save_table(pathlib.Path(dataset_path) / "results.csv", table, ("loss", "seed", "status", *SCORES))


def _summary(rows, settings, others):
    """The results as Markdown."""
    quick = "QUICK run: a first look, not a result.\n\n" if settings["quick"] else ""
    header = ["loss", "seeds", *(name.replace("_", " ") for name in SCORES)]
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    best = {score: best_rows(rows, score) for score in SCORES}
    for row in rows:
        cells = [f"**{cell(row, s)}**" if row.loss in best[s] else cell(row, s) for s in SCORES]
        lines.append(f"| {' | '.join([row.name, _seeds(row), *cells])} |")
    left_out = f"\n{others} runs with other settings in this folder are left out.\n" if others else ""
    return (
        f"# {settings['dataset']}\n\n{quick}Scores on the test images; accuracies and Recall@1 in percent, the best "
        "loss of each column in bold, ± the standard deviation over seeds. Everything but the head's accuracy is "
        "measured on L2-normalised embeddings, with class means and 5-NN gallery from the training images.\n\n"
        + "\n".join(lines)
        + "\n"
        + left_out
        + "\n![t-SNE of the same test images under every loss](comparison_tsne.png)\n\n"
        "![Distances between images of the same class and of different classes](comparison_distances.png)\n"
    )


def _seeds(row):
    if row.loss == BASELINE:
        return "–"
    seeds = ", ".join(map(str, row.seeds)) or "none"
    return f"{seeds} (failed: {', '.join(map(str, row.failed))})" if row.failed else seeds


def _draw(dataset_path, runs, rows, settings):
    """The two comparison figures, of the raw pixels and the first finished seed of each loss."""
    finished = (next((r for r in found if r.metrics["status"] == "finished"), None) for found in runs.values())
    names = [row.name for row in rows]
    shown = {
        name.replace("_", " ") if name == BASELINE else name: run
        for name, run in zip(names, [baseline_folder(dataset_path), *finished], strict=True)
        if run is not None
    }
    stamp = f"{'QUICK · ' if settings['quick'] else ''}{settings['dataset']}"
    figures = {
        "comparison_tsne": _tsne_figure(f"{stamp}: what the loss does to the embedding", shown, settings),
        "comparison_distances": _distances_figure(f"{stamp}: how near are images of one class?", shown),
    }
    for name, figure in figures.items():
        save_figure(pathlib.Path(dataset_path) / f"{name}.png", figure)


def _tsne_figure(title, runs, settings):
    first = next(iter(runs.values()))
    labels, sample, facts = first.arrays()["test_labels"], first.arrays()["tsne_indices"], first.metrics["tsne"]
    panels = []
    for name, run in runs.items():
        arrays, scores = run.arrays(), run.metrics["test"]
        panels.append(
            {
                "coordinates": arrays["tsne_test"],
                "labels": labels[sample],
                "mistakes": (arrays["test_predictions"] != labels)[sample] if "test_predictions" in arrays else None,
                "title": f"{name}{_seed_note(runs, run)}",
                "caption": _panel_caption(run.metrics["tsne"], scores),
            }
        )
    note = (
        f"{facts['n']:,} test images, perplexity {facts['perplexity']:g}, {facts['iterations']:,} iterations, "
        f"t-SNE seed {facts['seed']}; embeddings L2-normalised. KL and the share of the {NEIGHBORS} nearest neighbours "
        "kept say how faithful a panel is. 5-NN, nearest mean and MAP@R are measured on all test images in the "
        "full space: they decide, not the picture."
    )
    return comparison_tsne_figure(title, panels, CLASS_NAMES[settings["dataset"]], note)


def _seed_note(runs, run):
    """The seed of the run shown, where it is not the one of all."""
    seeds = {other.metrics["seed"] for other in runs.values() if "seed" in other.metrics}
    return f" (seed {run.metrics['seed']})" if len(seeds) > 1 and "seed" in run.metrics else ""


def _distances_figure(title, runs):
    histograms = []
    for name, run in runs.items():
        arrays, scores = run.arrays(), run.metrics["test"]
        ratio, map_at_r = scores["distance_ratio"], scores["map_at_r"]
        histograms.append(
            {
                "same": arrays["same_pairs"],
                "different": arrays["different_pairs"],
                "title": name,
                "scores": f"intra/inter {ratio:.3f} · MAP@R {map_at_r:.3f}",
            }
        )
    return distances_figure(title, histograms, DISTANCE_BINS)


def _panel_caption(facts, scores):
    return (
        f"{scores_line(scores)}\n"
        f"KL {facts['kl_divergence']:.2f} · {NEIGHBORS} nearest kept {facts['neighbor_preservation']:.0%}"
    )
