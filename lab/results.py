"""The runs of a data set that share their settings, side by side. Reads the run folders alone."""

import collections
import contextlib
import dataclasses
import json
import math
import pathlib
import re
import statistics

from evaluation.significance import compare, interval
from lab.claims import Claim, alone_in
from lab.conflicts import differences
from lab.errors import InputError
from lab.protocols import PROTOCOLS
from lab.run_folder import RunFolder
from lab.settings import PIXELS, REFERENCE, Settings
from losses import LOSSES

OWN_SETTINGS = {"loss", "seed", "split", "overrides"}  # In all others, compared runs agree.
OTHERS = "other settings"
DAMAGED = "unfinished, or damaged since"
AT_WORK = "being run by another command"


@dataclasses.dataclass(frozen=True)
class Row:
    """The runs of one loss, or of one value in a sweep: one line of a table.

    Args:
        key: Name of their folder.
        found: Dict from the folder of each run that ended to its `Run`.
    """

    key: str
    found: dict

    @property
    def first(self):
        """Any of its runs: they have the loss and its arguments in common."""
        return next(iter(self.found.values()))

    @property
    def name(self):
        """The loss, with what differs from its defaults."""
        return self.first.settings.name

    @property
    def is_baseline(self):
        return self.first.role == "baseline"

    @property
    def runs(self):
        """The runs that finished."""
        return [run for run in self.found.values() if not run.failure]

    @property
    def failed(self):
        """Dict from the folders of the runs that failed to them."""
        return {folder: run for folder, run in self.found.items() if run.failure}

    @property
    def failures(self):
        """The runs that failed, as text."""
        return ", ".join(folder.name for folder in self.failed)

    def scores(self, score):
        """Dict from a unit to a dict from a seed to a score's value. The units are what an interval is over."""
        values = collections.defaultdict(dict)
        for run in self.runs:
            if run.scores[score] is not None and not math.isnan(run.scores[score]):
                values[run.unit][run.settings.seed] = run.scores[score]
        return values

    def interval(self, score):
        """Mean and 95 % interval of a score; None if the loss does not have it."""
        means = [statistics.mean(values.values()) for values in self.scores(score).values()]
        return interval(means) if means else None


@dataclasses.dataclass(frozen=True)
class Results:
    """The runs of a data set that share their settings.

    Args:
        path: Folder of the data set.
        settings: `Settings` of any of the runs; None if there is none.
        rows: List of `Row`, the raw pixels first.
        left_out: Dict from a reason in words to the folders that are not compared for it.
    """

    path: pathlib.Path
    settings: Settings | None
    rows: list
    left_out: dict

    @property
    def protocol(self):
        return PROTOCOLS[self.settings.protocol]

    @property
    def title(self):
        quick = "QUICK · " if self.settings.quick else ""
        sweep = f", sweep of {self.settings.loss}.{self.settings.sweep}" if self.settings.sweep else ""
        return f"{quick}{self.settings.dataset}{self.protocol.in_title}{sweep}"

    @property
    def losses(self):
        """The rows without the raw pixels."""
        return [row for row in self.rows if not row.is_baseline]

    def others(self, asked):
        """Dict from a reason to the folders, not among those `asked` for, of runs left out for other settings."""
        found = {why: {*paths} - asked for why, paths in self.left_out.items() if why.startswith(OTHERS)}
        return {why: paths for why, paths in found.items() if paths}

    @property
    def most_units(self):
        """Seeds, or splits, that the loss with the most of them has finished."""
        return max((len({run.unit for run in row.runs}) for row in self.losses), default=0)

    def best(self, score):
        """Keys of the rows with the best mean of a score, as shown with its digits.

        The raw pixels do not compete, nor do losses that lack a seed or a split: they may lack the hardest. With
        fewer than two, none is the best: another one may have another.
        """
        how = self.protocol.scores[score]
        if self.most_units < 2 or not how.better:
            return set()
        shown = {
            row.key: float(how.text(row.interval(score).mean))
            for row in self.losses
            if len(row.scores(score)) == self.most_units
        }
        if len(shown) < 2:
            return set()
        best = max(how.better * value for value in shown.values())
        return {key for key, value in shown.items() if how.better * value == best}

    def cell(self, row, score):
        """A score as text, with the half-width of its own 95 % interval if there are several seeds or splits."""
        found = row.interval(score)
        if found is None:
            return "–"
        text = self.protocol.scores[score].text
        return text(found.mean) if len(row.scores(score)) == 1 else f"{text(found.mean)} ± {text(found.half_width)}"

    def against_softmax(self, score):
        """Dict from a row's key to its `Comparison` with softmax by a score, of those with two units in common."""
        trained = {row.key: row.scores(score) for row in self.losses}
        reference = trained.pop(REFERENCE, {})
        return {key: c for key, c in compare(reference, trained).items() if c.pairs >= 2}

    def shown(self):
        """One run of each loss, and which in words: of the split and the seed that most have.

        Returns:
            Text for a title, empty where there are no others, and a dict from a name to the `Run`. A loss without
            that seed is shown by another one of the split, which its name says.
        """
        found = collections.Counter((run.settings.split, run.settings.seed) for row in self.losses for run in row.runs)
        # Raw pixels alone have no seed.
        first = next((run.settings.split for row in self.rows for run in row.runs), None)
        split, seed = max(found, key=found.get, default=(first, None))
        shown = {}
        for row in self.rows:
            runs = {run.settings.seed: run for run in row.runs if run.settings.split == split}
            if not runs:
                continue
            run = runs.get(seed) or next(iter(runs.values()))
            is_other = run.settings.seed != seed and not row.is_baseline
            shown[f"{run.name} (seed {run.settings.seed})" if is_other else run.name] = run
        which = [] if split is None else [f"split {split}"]
        if len({seed for _, seed in found}) > 1:
            which.append(f"seed {seed}")
        return f" ({', '.join(which)})" if which else "", shown


def gather(path, *asked):
    """Reads every run in a data set's folder that shares some settings.

    Args:
        path: Folder of the data set.
        asked: `Settings` that the runs are to agree with, of a loss with its own. Without any, those that most share.

    Returns:
        `Results`.
    """
    path = pathlib.Path(path)
    ended, left_out = _ended(path)
    settings = asked[0] if asked else _commonest([run.settings for run in ended.values()])
    own, rows = {s.key: s for s in reversed(asked)}, collections.defaultdict(dict)
    for folder, run in ended.items():
        wanted, ignored = settings, OWN_SETTINGS
        if not run.settings.differences(wanted, ignored):
            wanted, ignored = own.setdefault(run.settings.key, run.settings), ("loss", "seed", "split")
        _keep(folder, run, wanted, ignored, rows[run.settings.key], left_out)
    splits = sorted({run.settings.split for found in rows.values() for run in found.values()}, key=str)
    for split in splits:
        wanted = dataclasses.replace(settings.of_pixels(), split=split)
        folder = RunFolder(path / wanted.folder)
        if not folder.path.exists():
            continue
        pixels = folder.load()
        if pixels is None:
            left_out[DAMAGED if Claim(folder.path).is_free() else AT_WORK].append(folder.path)
        else:
            _keep(folder, pixels, wanted, (), rows[PIXELS], left_out)
    keys = sorted((key for key in rows if rows[key]), key=_rank)
    return Results(path, settings, [Row(key, rows[key]) for key in keys], dict(left_out))


@contextlib.contextmanager
def gathered(path, *asked):
    """As `gather`, while other commands wait: what one knew before never takes the place of what another one found."""
    with alone_in(path):
        yield gather(path, *asked)


def gather_all(runs):
    """The `Results` of every data set in a folder.

    Raises:
        InputError: If there is no finished run.
    """
    folders = {config.parents[2] for config in runs.glob("[!.]*/[!.]*/[!.]*/config.json")}
    found = [gather(path) for path in sorted(folders)]
    if not any(results.rows for results in found):
        left_out = [
            f"Left out, {reason}: {path}"
            for results in found
            for reason, paths in results.left_out.items()
            for path in paths
        ]
        is_one = any(config.parent.name != PIXELS for config in runs.glob("[!.]*/[!.]*/config.json"))
        hint = f"It is one data set's: give --runs {runs.parent}" if is_one else "Train one first, or give --runs"
        raise InputError("\n".join([f"--summarize: no finished run of this version in {runs}. {hint}", *left_out]))
    return found


def _keep(folder, run, wanted, ignored, alike, left_out):
    """Puts a run to those it is like, or says why it is left out: what in its `Settings` is not as wanted."""
    if words := list(differences(run.settings, wanted, ignored, " instead of ")):
        left_out[f"{OTHERS}: {', '.join(words)}"].append(folder.path)
    else:
        alike[folder] = run


def _ended(path):
    """The runs that ended, by folder, in the order of splits and seeds, and what else lies there, by reason."""
    ended, left_out = {}, collections.defaultdict(list)
    for inside in sorted(_folders(path)):
        if inside.name == PIXELS:
            continue
        if inside.name not in LOSSES and "=" not in inside.name:
            left_out["no loss has that name"].append(inside)
            continue
        for folder in map(RunFolder, sorted(_folders(inside), key=_numbers)):
            if folder.is_trial:
                continue
            settings = folder.settings()
            if folder.load() is None and not Claim(folder.path).is_free():
                left_out[AT_WORK].append(folder.path)
            elif settings is None:
                left_out["no config.json of a run of this version"].append(folder.path)
            elif folder.path != path / settings.folder:
                left_out["config.json is of another run"].append(folder.path)
            elif run := folder.load():
                ended[folder] = run
            else:
                left_out[DAMAGED].append(folder.path)
    return ended, left_out


def _folders(path):
    """The folders in a folder; none in one that cannot be read, which is that of no run then."""
    try:
        return [inside for inside in path.iterdir() if inside.is_dir() and not inside.name.startswith(".")]
    except PermissionError:
        return []


def _rank(key):
    """The raw pixels, then the losses in their order; of a sweep, the numbers in theirs, before what is no number."""
    if key in (PIXELS, *LOSSES):
        return (PIXELS, *LOSSES).index(key), 0, ""
    value = key.partition("=")[2]
    try:
        return math.inf, float(value), ""
    except ValueError:
        return math.inf, math.inf, value


def _numbers(path):
    """The numbers in a folder's name: split-2-seed-10 comes after split-2-seed-9."""
    return [int(number) for number in re.findall(r"\d+", path.name)]


def _commonest(settings):
    """The settings that agree with most others, the last of several; None without any."""
    shared = [
        json.dumps({name: value for name, value in s.to_dict().items() if name not in OWN_SETTINGS}) for s in settings
    ]
    counts = collections.Counter(shared)
    alike = [s for s, text in zip(settings, shared, strict=True) if counts[text] == max(counts.values())]
    return alike[-1] if alike else None
