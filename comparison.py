"""The runs of a data set that share their settings, side by side. Reads the run folders alone."""

import collections
import dataclasses
import json
import math
import pathlib
import re
import statistics

from evaluation.significance import compare, interval
from losses import LOSSES
from options import as_changes, as_given, loss_name
from run_folder import RunFolder
from scores import SCORES

BASELINE = "raw_pixels"
REFERENCE = "softmax"  # The loss that the others are compared with.
OWN_SETTINGS = {"loss", "seed", "split", "overrides"}  # In all others, compared runs agree.
NEEDED_SETTINGS = OWN_SETTINGS | {"dataset", "protocol", "embedding_dim", "quick"}
DAMAGED = "unfinished, or damaged since"


@dataclasses.dataclass(frozen=True)
class Row:
    """The runs of one loss, or of one value in a sweep: one line of a table.

    Args:
        key: Name of their folder.
        loss: Name of the loss.
        overrides: What differs from its defaults.
        runs: The finished `RunFolder`s.
        failed: Those that failed.
        scores: Dict from a score to a dict from a unit to a dict from a seed to the score's value. The units are what
            an interval is over: the seeds, or of the open protocol the splits.
        seconds: Training time of each run.
    """

    key: str
    loss: str
    overrides: dict
    runs: tuple
    failed: tuple
    scores: dict
    seconds: tuple

    @property
    def name(self):
        """The loss, with what differs from its defaults."""
        return loss_name(self.loss, self.overrides)

    @property
    def changes(self):
        """What differs from the loss's defaults, as text."""
        return as_changes(self.overrides)

    @property
    def failures(self):
        """The runs that failed, as text."""
        return ", ".join(run.name for run in self.failed)

    def interval(self, score):
        """Mean and 95 % interval of a score; None if the loss does not have it."""
        means = [statistics.mean(values.values()) for values in self.scores.get(score, {}).values()]
        return interval(means) if means else None


def run_folder(dataset_path, settings):
    """The folder of a run inside the folder of its data set, by its settings as a dict."""
    split = settings["split"]
    name = f"{'' if split is None else f'split-{split}-'}seed-{settings['seed']}"
    return RunFolder(pathlib.Path(dataset_path) / _key(settings) / name)


def _key(settings):
    """Name of the folder that a run shares with those it is averaged with."""
    swept = settings.get("sweep")
    return settings["loss"] if swept is None else f"{swept}={as_given(settings['overrides'][swept])}"


def baseline_folder(dataset_path, split=None):
    """The folder of the raw pixels inside the folder of a data set."""
    path = pathlib.Path(dataset_path) / BASELINE
    return RunFolder(path if split is None else path / f"split-{split}")


@dataclasses.dataclass(frozen=True)
class Results:
    """The runs of a data set that share their settings.

    Args:
        path: Folder of the data set.
        settings: Settings of any of the runs.
        rows: List of `Row`, the raw pixels first.
        left_out: Dict from a reason in words to the folders that are not compared for it.
    """

    path: pathlib.Path
    settings: dict
    rows: list
    left_out: dict

    @property
    def protocol(self):
        return self.settings["protocol"]

    @property
    def title(self):
        quick = "QUICK · " if self.settings["quick"] else ""
        unseen = ", four classes unseen" if self.protocol == "open" else ""
        sweep = f", sweep of {self.settings['loss']}.{self.settings['sweep']}" if self.settings.get("sweep") else ""
        return f"{quick}{self.settings['dataset']}{unseen}{sweep}"

    @property
    def most_units(self):
        """Seeds, or splits, that the loss with the most of them has finished."""
        return max(len({unit(run.settings) for run in row.runs}) for row in self.rows)

    def best(self, score):
        """Keys of the rows with the best mean of a score, as shown with its digits.

        The raw pixels do not compete, nor do losses that lack a seed or a split: they may lack the hardest.
        """
        shown = {
            row.key: float(SCORES[self.protocol][score].text(row.interval(score).mean))
            for row in self.rows
            if row.loss != BASELINE and len(row.scores.get(score, {})) == self.most_units
        }
        shown = {key: value for key, value in shown.items() if not math.isnan(value)}
        better = SCORES[self.protocol][score].better
        if len(shown) < 2 or not better:
            return set()
        best = max(better * value for value in shown.values())
        return {key for key, value in shown.items() if better * value == best}

    def cell(self, row, score):
        """A score as text, with the half-width of its 95 % interval if there are several seeds or splits."""
        found = row.interval(score)
        if found is None:
            return "–"
        text = SCORES[self.protocol][score].text
        return text(found.mean) if len(row.scores[score]) == 1 else f"{text(found.mean)} ± {text(found.half_width)}"

    def against_softmax(self, score):
        """Dict from a row's key to its comparison with softmax by a score; empty without two units of softmax."""
        trained = {row.key: row.scores.get(score, {}) for row in self.rows if row.loss != BASELINE}
        reference = trained.pop(REFERENCE, {})
        if len(reference) < 2:
            return {}
        return {key: c for key, c in compare(reference, trained).items() if c.pairs >= 2}


def gather(dataset_path, settings=None):
    """Reads every run in a data set's folder that shares some settings.

    Args:
        dataset_path: Folder of the data set.
        settings: Dict of the settings of a run that the others are to agree with. If None, those that most runs share.

    Returns:
        `Results`.
    """
    ended, left_out = _ended(pathlib.Path(dataset_path))
    if settings is None:
        settings = _commonest(ended)
    runs = collections.defaultdict(list)
    for run in ended:
        alike = runs[_key(run.settings)]
        difference = _difference(run.settings, settings, OWN_SETTINGS)
        if alike and not difference:
            difference = _difference(run.settings, alike[0].settings, ("loss", "seed", "split"))
        if difference:
            left_out[f"other settings: {difference}"].append(run.path)
        else:
            alike.append(run)
    baselines = []
    for split in sorted({run.settings["split"] for found in runs.values() for run in found}, key=str):
        baseline = baseline_folder(dataset_path, split)
        if not baseline.path.exists():
            continue
        if "split" not in (baseline.settings or {}) or not _is_whole(baseline):
            left_out[DAMAGED].append(baseline.path)
            continue
        difference = _difference(
            baseline.settings, settings, OWN_SETTINGS | (settings.keys() - baseline.settings.keys())
        )
        if difference:
            left_out[f"other settings: {difference}"].append(baseline.path)
        else:
            baselines.append(baseline)
    rows = [_row(BASELINE, baselines)] if baselines else []
    rows += [_row(key, runs[key]) for key in sorted((key for key in runs if runs[key]), key=_rank)]
    return Results(pathlib.Path(dataset_path), settings, rows, dict(left_out))


def _ended(dataset_path):
    """The runs that ended, in the order of splits and seeds, and what else lies in the folder, by reason."""
    ended, left_out = [], collections.defaultdict(list)
    for path in sorted(_folders(dataset_path)):
        if path.name == BASELINE:
            continue
        if path.name not in LOSSES and "=" not in path.name:
            left_out["no loss has that name"].append(path)
            continue
        for run in map(RunFolder, sorted(_folders(path), key=_numbers)):
            if run.name.startswith("trial "):
                continue
            if not _is_ours(run.settings):
                left_out["no config.json of a run of this version"].append(run.path)
            elif run.path != run_folder(dataset_path, run.settings).path:
                left_out["config.json is of another run"].append(run.path)
            elif not _is_whole(run):
                left_out[DAMAGED].append(run.path)
            else:
                ended.append(run)
    return ended, left_out


def _is_ours(settings):
    """Whether settings, or None, are those of a run."""
    if settings is None or not settings.keys() >= NEEDED_SETTINGS or not isinstance(settings["overrides"], dict):
        return False
    return settings.get("sweep") in (None, *settings["overrides"])


def _is_whole(run):
    """Whether the files of a run say all that is compared."""
    metrics = run.metrics
    if metrics is None or metrics["status"] == "failed":
        return metrics is not None and isinstance(metrics.get("failure"), str)
    parts = [metrics.get(name) for name in ("test", "timing", "tsne")]
    if metrics.get("protocol") not in SCORES or not all(isinstance(part, dict) for part in parts):
        return False
    without_classifier = {"head_accuracy", "known_head_accuracy"}
    return all(
        isinstance(parts[0].get(score), int | float) or (score in without_classifier and parts[0].get(score) is None)
        for score in SCORES[metrics["protocol"]]
    )


def _folders(path):
    return [inside for inside in path.iterdir() if inside.is_dir() and not inside.name.startswith(".")]


def _rank(key):
    """The losses in their order; of a sweep, the numbers in theirs, before what is no number."""
    _, equals, value = key.partition("=")
    if not equals:
        return list(LOSSES).index(key)
    try:
        return float(value), ""
    except ValueError:
        return math.inf, value


def _numbers(path):
    """The numbers in a folder's name: split-2-seed-10 comes after split-2-seed-9."""
    return [int(number) for number in re.findall(r"\d+", path.name)]


def _commonest(runs):
    """The settings of a run that agrees with most others, the last of several; empty without runs."""
    if not runs:
        return {}
    alike = collections.Counter(json.dumps(_shared(run.settings), sort_keys=True) for run in runs)
    most = max(alike.values())
    return [run.settings for run in runs if alike[json.dumps(_shared(run.settings), sort_keys=True)] == most][-1]


def _shared(settings):
    return {name: value for name, value in settings.items() if name not in OWN_SETTINGS}


def _difference(settings, wanted, ignored):
    """What differs between two runs' settings, in words; empty if nothing does."""
    return ", ".join(
        f"{name} {as_given(settings.get(name))} instead of {as_given(wanted.get(name))}"
        for name in sorted(settings.keys() | wanted.keys())
        if name not in ignored and settings.get(name) != wanted.get(name)
    )


def _row(key, runs):
    metrics = [run.metrics for run in runs]
    finished = [(run, m) for run, m in zip(runs, metrics, strict=True) if m["status"] == "finished"]
    scores = collections.defaultdict(lambda: collections.defaultdict(dict))
    for run, m in finished:
        for name, value in m["test"].items():
            if value is not None:
                scores[name][unit(run.settings)][run.settings.get("seed")] = value
    return Row(
        key=key,
        loss=runs[0].settings.get("loss", key),  # The raw pixels have none.
        overrides=runs[0].settings.get("overrides", {}),
        runs=tuple(run for run, _ in finished),
        failed=tuple(run for run, m in zip(runs, metrics, strict=True) if m["status"] == "failed"),
        scores=scores,
        seconds=tuple(m["timing"]["train_seconds"] for _, m in finished if "train_seconds" in m["timing"]),
    )


def unit(settings):
    """What an interval is over: the splits, or where there are none the seeds; the raw pixels have no seed."""
    return settings.get("seed") if settings["split"] is None else settings["split"]
