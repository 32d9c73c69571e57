"""Every loss on every split and seed that a command asks for, and their comparison."""

import dataclasses
import pathlib

from comparison import baseline_folder, gather, run_folder
from data import Batches, load_dataset, part_of
from experiment import baseline_settings, run, run_baseline
from held_out import held_out_classes, hold_out
from losses import LOSSES
from options import loss_name, make_settings
from scores import SCORES, SHORT, scores_line
from summary import draw, write_tables
from tsne_maps import FILM_POINTS, sample_indices

QUICK_IMAGES = 10_000, 1_000  # training, validation


@dataclasses.dataclass(frozen=True)
class Study:
    """What is to be run, checked.

    Args:
        path: Folder of the data set.
        settings: List of the `Settings` of every run.
        data: Dict from a split, or None, to its `Dataset`.
        done: Those of the settings whose run is there.
        baselines_done: The splits whose baseline is there.
        command: The command line, for the record.
        dashboard: The module `dashboard`, or None to do without TensorBoard.
    """

    path: pathlib.Path
    settings: list
    data: dict
    done: list
    baselines_done: set
    command: str
    dashboard: object

    def carry_out(self, terminal):
        """Trains what is not done, compares, prints; returns 0, 1 if a loss failed, 130 after Ctrl-C."""
        status = 0
        try:
            self._train(terminal)
        except KeyboardInterrupt:
            terminal.say(
                "Interrupted. Finished runs are kept; the same command, without --overwrite, goes on from there.\n"
                "Drawing what there is."
            )
            status = 130
        results = gather(self.path, dataclasses.asdict(self.settings[0]))
        if results.rows:
            report(results, terminal, self.dashboard)
        asked = {_folder(self.path, settings).path for settings in self.settings}
        failed = any(run.path in asked for row in results.rows for run in row.failed)
        return status or int(failed)

    def _train(self, terminal):
        """Split by split, the baseline of each first; the tables grow with every run."""
        pending = [settings for settings in self.settings if settings not in self.done]
        if not pending and self.baselines_done == self.data.keys():
            return
        with terminal.progress(len(pending), _batches(self.data, self.settings[0])) as progress:
            for split in self.data:
                arrays = self._baseline(split, progress)
                for settings in (s for s in pending if s.split == split):
                    self._run(settings, arrays, progress)

    def _baseline(self, split, progress):
        """The arrays of a split's baseline, which is made if it is not there."""
        folder = baseline_folder(self.path, split)
        if split not in self.baselines_done:
            progress.start("raw pixels")
            run_baseline(_first(self.settings, split), self.data[split], folder, self.command, progress)
            progress.line(f"raw pixels: {scores_line(folder.metrics['protocol'], folder.metrics['test'])}")
        return folder.arrays()

    def _run(self, settings, baseline, progress):
        name = f"{loss_name(settings.loss, settings.overrides)} {settings.unit}"
        progress.start(name)
        folder = _folder(self.path, settings)
        metrics = run(settings, self.data[settings.split], baseline, folder, self.command, progress, self.dashboard)
        progress.finish(f"{name}: {_outcome(metrics)}")
        write_tables(gather(self.path, dataclasses.asdict(settings)), self.dashboard)


def plan_study(options, command, terminal, dashboard):
    """Checks everything that a command asks for, and says what is about to happen.

    Raises:
        ValueError: If a loss refuses its arguments, or t-SNE its perplexity.
        SourceError: If there is no intact copy of the data set.
        ConflictError: If a folder holds something that is not to be replaced.
        OSError: If a folder cannot be made.
    """
    settings, reason = make_settings(options)
    data = load(options, terminal)
    _check(settings, data)
    path = options.path
    path.mkdir(exist_ok=True)
    done = [s for s in settings if _folder(path, s).is_done(dataclasses.asdict(s), options.overwrite)]
    baselines_done = {
        split
        for split in data
        if baseline_folder(path, split).is_done(baseline_settings(_first(settings, split)), options.overwrite)
    }
    terminal.plan(data[settings[0].split], settings, reason, path)
    for s in done:
        failure = _folder(path, s).metrics.get("failure")
        terminal.skip(f"{loss_name(s.loss, s.overrides)} {s.unit}", failure)
    return Study(path, settings, data, done, baselines_done, command, dashboard)


def load(options, terminal):
    """The data of every split, by its number; without held-out classes all of it, under None."""
    data = load_dataset(options.dataset, terminal.say)
    if options.quick:
        data = part_of(data, *QUICK_IMAGES)
    if options.protocol == "closed":
        return {None: data}
    classes = held_out_classes(data.name, data.num_classes)
    return {split: hold_out(data, classes[split]) for split in options.splits}


def _folder(path, settings):
    return run_folder(path, dataclasses.asdict(settings))


def _first(settings, split):
    """Any settings of a split: what its baseline needs is the same in all."""
    return next(s for s in settings if s.split == split)


def _check(settings, data):
    """Builds every loss once, so that a bad argument is found before anything is trained."""
    for s in {str((s.loss, s.overrides)): s for s in settings}.values():
        try:
            LOSSES[s.loss](data[s.split].num_classes, s.embedding_dim, **s.overrides)
        except ValueError as error:
            raise ValueError(f"{loss_name(s.loss, s.overrides)}: {error}") from error
    _check_perplexity(settings[0], data.values())


def _check_perplexity(settings, data):
    points = {
        "training images of the map": [len(sample_indices(d.train.labels, settings)) for d in data],
        "test images of the map": [len(sample_indices(d.shown[0].labels, settings)) for d in data],
    }
    if settings.embedding_dim > 2:
        filmed = [len(sample_indices(d.validation.labels, settings, FILM_POINTS)) for d in data]
        points["validation images of the film of the training"] = filmed
    images = min(points, key=lambda name: min(points[name]))
    if settings.perplexity >= min(points[images]):
        raise ValueError(f"--perplexity {settings.perplexity:g}: must be below the {min(points[images])} {images}")


def _batches(data, settings):
    """Batches of the longest run."""
    return max(len(Batches(split.train, 0, settings.sampler)) for split in data.values()) * settings.epochs


def _outcome(metrics):
    if metrics["status"] == "failed":
        return f"FAILED, {metrics['failure']}"
    timing = metrics["timing"]
    rest = timing["total_seconds"] - timing["train_seconds"]
    line = scores_line(metrics["protocol"], metrics["test"])
    return f"{line} ({timing['train_seconds']:.0f} s training, {rest:.0f} s the rest)"


def summarize(runs, terminal, dashboard):
    """Rebuilds the tables and pictures of every data set from its run folders alone.

    Raises:
        ValueError: If there is no finished run.
    """
    folders = sorted({config.parents[2] for config in runs.glob("[!.]*/[!.]*/[!.]*/config.json")})
    found = [gather(path) for path in folders]
    for results in found:
        if results.rows:
            report(results, terminal, dashboard)
        else:
            say_left_out(results, terminal)
    if not any(results.rows for results in found):
        raise ValueError(f"--summarize: no finished run of this version in {runs}")
    return 0


def say_left_out(results, terminal):
    for reason, paths in results.left_out.items():
        terminal.say(f"Left out, {reason}: {', '.join(map(str, paths))}")


def report(results, terminal, dashboard):
    """Writes the comparison, prints its table and where to look."""
    draw(results)
    write_tables(results, dashboard)
    scores = SCORES[results.protocol]
    best = {name: results.best(name) for name in SHORT[results.protocol]}
    lines = [
        [(_name(row), False)]
        + [(results.cell(row, name).replace(" ±", "\n±"), row.key in best[name]) for name in best]
        + [(f"{sum(row.seconds) / len(row.seconds):.0f}" if row.seconds else "–", False)]
        for row in results.rows
    ]
    headers = ["loss", *(scores[name].short for name in best), "train\ns"]
    terminal.results(f"{results.title}, test images", headers, lines)
    say_left_out(results, terminal)
    star = "* the best loss of its column. " if any(best.values()) else ""
    terminal.say(f"{star}All scores: {results.path}/SUMMARY.md. Pictures: {results.path}/comparison_*.png")
    if dashboard:
        terminal.say(f"TensorBoard: tensorboard --logdir {results.path.parent}")


def _name(row):
    return f"{row.name} ({row.failures} FAILED)" if row.failed else row.name
