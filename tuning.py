"""A small, equal search for every loss over the numbers it takes, judged by validation images alone."""

import dataclasses
import pathlib

import numpy as np
from sklearn.model_selection import ParameterGrid

from data import Batches
from losses import LOSSES
from options import as_given, make_settings
from run_folder import RunFolder, save_json
from study import load
from training import Failure, train

FACTORS = (0.25, 0.5, 1, 2, 4)
WHOLE_NUMBERS = (1, 2, 3, 4, 5)
GUARD = 1e-4  # Smaller numbers keep a logarithm finite.
DRAWS = 1000  # Of which those that the loss accepts are tried, up to the number of trials.


def candidates(loss):
    """What is tried for each number that a loss takes: dict from an argument to its values.

    Weights of the terms beside softmax, and arguments: those with a point between a quarter and four times the
    default, whole ones from 1 to 5. What is not a number makes it another loss, and is left as it is.

    Args:
        loss: Name of the loss.

    Raises:
        ValueError: If the loss takes no number.
    """
    terms = LOSSES[loss].terms
    alone = [f"{term}_weight" for term in terms if term == "softmax" or len(terms) == 1]
    values = {}
    for name, default in LOSSES[loss].options().items():
        if isinstance(default, bool) or not isinstance(default, int | float):
            continue
        if name in alone or default < GUARD:
            continue
        values[name] = WHOLE_NUMBERS if isinstance(default, int) else tuple(factor * default for factor in FACTORS)
    if not values:
        raise ValueError(f"--tune {loss}: it takes no number that could be tuned")
    return values


def draw_trials(loss, count, num_classes, embedding_dim):
    """Up to `count` dicts of overrides: the defaults first, then random ones that the loss accepts.

    The same arguments draw the same trials.
    """
    values = candidates(loss)
    grid = ParameterGrid(values)
    drawn = np.random.default_rng(0).choice(len(grid), min(len(grid), DRAWS), replace=False)
    defaults = {name: LOSSES[loss].options()[name] for name in values}
    trials = [{}]
    for point in map(grid.__getitem__, drawn.tolist()):
        if len(trials) == count:
            break
        overrides = {name: value for name, value in sorted(point.items()) if value != defaults[name]}
        if overrides and _accepted(loss, num_classes, embedding_dim, overrides):
            trials.append(overrides)
    return trials


def _accepted(loss, num_classes, embedding_dim, overrides):
    try:
        LOSSES[loss](num_classes, embedding_dim, **overrides)
    except ValueError:
        return False
    return True


def run_trial(settings, data, folder, command, progress, dashboard=None):
    """Trains with some overrides and keeps the best MAP@R on the validation images.

    The test images are taken away first.

    Args:
        settings: `Settings` of the trial.
        data: `Dataset`.
        folder: `RunFolder` of the trial.
        command: The command line, for the record.
        progress, dashboard: As `experiment.run` has them.

    Returns:
        The content of `metrics.json`.
    """
    data = dataclasses.replace(data, test=None)
    folder.start(dataclasses.asdict(settings), command)
    metrics = {"dataset": data.name, "loss": settings.loss, "overrides": settings.overrides}
    try:
        _, training = train(settings, data, folder.path, progress, dashboard=dashboard)
    except Failure as failure:
        metrics |= {"status": "failed", "failure": str(failure)}
    else:
        metrics |= {"status": "tuned", "failure": None} | training
    save_json(folder.path / "metrics.json", metrics)
    return metrics


def best_trial(trials):
    """The `metrics.json` with the best validation MAP@R; None if all failed."""
    tuned = [metrics for metrics in trials if metrics["status"] == "tuned"]
    return max(tuned, key=lambda metrics: metrics["validation_map_at_r"], default=None)


@dataclasses.dataclass(frozen=True)
class Tuning:
    """The trials of one loss, checked.

    Args:
        path: Folder of the trials.
        asked: Number of trials asked for.
        trials: Dict from the `RunFolder` of each trial to its `Settings`.
        done: The folders whose trial is there.
        data: `Dataset`.
        command: The command line, for the record.
        dashboard: The module `dashboard`, or None to do without TensorBoard.
    """

    path: pathlib.Path
    asked: int
    trials: dict
    done: set
    data: object
    command: str
    dashboard: object

    def carry_out(self, terminal):
        """Runs the trials that are not done, and prints the flags of the best; returns 0, 1 if all failed, 130."""
        pending = {folder: settings for folder, settings in self.trials.items() if folder not in self.done}
        try:
            trial = next(iter(self.trials.values()))
            batches = len(Batches(self.data.train, 0, trial.sampler)) * trial.epochs
            with terminal.progress(len(pending), batches) as progress:
                for folder, settings in pending.items():
                    progress.start(f"{settings.loss} {folder.path.name}")
                    metrics = run_trial(settings, self.data, folder, self.command, progress, self.dashboard)
                    progress.finish(f"{folder.path.name}: {_outcome(metrics)}")
        except KeyboardInterrupt:
            terminal.say("Interrupted. Finished trials are kept; the same command goes on from there.")
            return 130
        return self._report(terminal)

    def _report(self, terminal):
        metrics = [folder.metrics for folder in self.trials]
        ranked = sorted(metrics, key=lambda trial: -trial.get("validation_map_at_r", -1))
        terminal.say("\n".join(map(_outcome, ranked)))
        best = best_trial(metrics)
        if best is None:
            terminal.error(f"every trial failed; see {self.path}")
            return 1
        if len(metrics) < self.asked:
            terminal.say(f"{len(metrics)} trials instead of {self.asked}: there are no more values to try.")
        flags = " ".join(f"--set {best['loss']}.{name}={as_given(value)}" for name, value in best["overrides"].items())
        terminal.say(f"Best of {len(metrics)} on the validation images: {flags or 'the defaults'}")
        return 0


def plan_tuning(options, command, terminal, dashboard):
    """Draws the trials and checks their folders.

    Raises:
        ValueError: If the loss takes no number.
        SourceError: If there is no intact copy of the data set.
        ConflictError: If a folder holds something that is not to be replaced.
        OSError: If a folder cannot be made.
    """
    ((settings,), reason), (data,) = make_settings(options), load(options, terminal).values()
    path = options.path / options.tune
    drawn = draw_trials(settings.loss, options.trials, data.num_classes, settings.embedding_dim)
    trials = {
        RunFolder(path / f"trial-{number}"): dataclasses.replace(settings, overrides=overrides)
        for number, overrides in enumerate(drawn)
    }
    done = {folder for folder, s in trials.items() if folder.is_done(dataclasses.asdict(s), options.overwrite)}
    path.mkdir(parents=True, exist_ok=True)
    terminal.plan(data, [settings], reason, path)
    return Tuning(path, options.trials, trials, done, data, command, dashboard)


def _outcome(metrics):
    values = " ".join(f"{name}={as_given(value)}" for name, value in metrics["overrides"].items()) or "the defaults"
    if metrics["status"] == "failed":
        return f"FAILED {values}: {metrics['failure']}"
    return f"validation MAP@R {metrics['validation_map_at_r']:.4f} {values}"
