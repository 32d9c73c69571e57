"""A small, equal search for every loss over the numbers it takes, judged by validation images alone."""

import dataclasses

import numpy as np
from sklearn.model_selection import ParameterGrid

from lab.batches import Batches
from lab.checks import check
from lab.errors import InputError
from lab.estimate import Estimate
from lab.files import make_folder, save_json
from lab.health import Health
from lab.run_folder import RunFolder
from lab.settings import as_given
from lab.training import Failure, announce, train
from lab.turns import Turns, done_now, in_turn, start_over
from losses import LOSSES
from models import build_model

FACTORS = (0.25, 0.5, 1, 2, 4)
WHOLE_NUMBERS = (1, 2, 3, 4, 5)
GUARD = 1e-4  # Smaller numbers keep a logarithm finite.
DRAWS = 1000  # Of which those that the loss accepts are tried, up to the number of trials.


def candidates(loss):
    """What is tried for each number that a loss takes: dict from an argument to its values.

    Weights of the terms beside softmax, and arguments: those with a point between a quarter and four times the
    default, whole ones from 1 to 5 if the default is. What is not a number makes it another loss, and is left as it is.

    Raises:
        InputError: If the loss takes no number.
    """
    terms = LOSSES[loss].terms
    alone = [f"{term}_weight" for term in terms if term == "softmax" or len(terms) == 1]
    values = {}
    for name, default in LOSSES[loss].options().items():
        if isinstance(default, bool) or not isinstance(default, int | float):
            continue
        if name in alone or default < GUARD:
            continue
        scaled = tuple(type(default)(factor * default) for factor in FACTORS)
        values[name] = WHOLE_NUMBERS if isinstance(default, int) and default in WHOLE_NUMBERS else scaled
    if not values:
        raise InputError(f"--tune {loss}: it takes no number that could be tuned. Train it by --losses {loss}")
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


def tune(options, data, log):
    """Runs the trials that are not done, and prints the flags of the best. Test images are not looked at.

    Raises:
        InputError: If the loss takes no number, or a folder cannot be made or holds what is not to be replaced.
    """
    (settings,) = options.settings(data)
    path = options.path / settings.loss
    check([settings], {settings.split: data})
    drawn = draw_trials(settings.loss, options.trials, data.num_classes, settings.embedding_dim)
    trials = {
        RunFolder(path / f"trial-{number}"): dataclasses.replace(settings, overrides=overrides)
        for number, overrides in enumerate(drawn)
    }
    is_done = done_now(trials, options.overwrite)
    pending = {f: (f"{trial.loss} {f.path.name}", trial) for f, trial in trials.items() if not is_done(f)}
    make_folder(path)
    if options.overwrite:
        start_over(pending)
    log.terminal.plan(data, [settings], options.precision_reason, path)
    batches = len(Batches.of(data.train, settings)) * settings.epochs
    kept = "Interrupted. Finished trials are kept; the same command, without --overwrite, goes on from there."
    with log.following(Estimate(len(pending), batches), kept):
        for folder, claim in in_turn(Turns(pending, is_done, log)):
            with log.holding(claim):
                metrics = run_trial(trials[folder], data, folder, log)
                log.progress.finish(f"{folder.path.name}: {_outcome(metrics)}")
    tried = [folder.metrics() for folder in trials]
    if not log.status and all(tried):  # Another command may have emptied one meanwhile.
        _report(tried, options.trials, path, log)


def run_trial(settings, data, folder, log):
    """Trains with some overrides, and gives what `metrics.json` says: the best MAP@R on the validation images."""
    folder.start(settings, log.command, data.source)
    log.begin(f"{settings.loss} {folder.path.name}")
    metrics = {"dataset": data.name, "loss": settings.loss, "overrides": settings.overrides}
    announce(settings, film=False)
    model = build_model(settings, data.image_shape, data.num_classes)
    health = Health(data.validation, settings)
    try:
        watching = log.callbacks(folder, health)
        training = train(model, data.train, health, watching, log.backup(folder), [log.progress])
        metrics |= {"status": "tuned", "failure": None} | training.metrics
    except Failure as failure:
        metrics |= {"status": "failed", "failure": str(failure)}
    log.heed()
    save_json(folder.path / "metrics.json", metrics)
    folder.end()
    return metrics


def _report(trials, asked, path, log):
    """Prints the trials, the best first, and its flags."""
    trials = sorted(trials, key=lambda trial: -trial.get("validation_map_at_r", -1))
    log.say("\n".join(map(_outcome, trials)))
    best = trials[0]
    if best["status"] == "failed":
        log.terminal.error(f"every trial failed; see {path}")
        log.status = 1
        return
    if len(trials) < asked:
        log.say(f"{len(trials)} trials instead of {asked}: there are no more values to try.")
    flags = " ".join(f"--set {best['loss']}.{name}={as_given(value)}" for name, value in best["overrides"].items())
    log.say(f"Best of {len(trials)} on the validation images: {flags or 'the defaults'}")


def _outcome(metrics):
    values = " ".join(f"{name}={as_given(value)}" for name, value in metrics["overrides"].items()) or "the defaults"
    if metrics["status"] == "failed":
        return f"FAILED {values}: {metrics['failure']}"
    return f"validation MAP@R {metrics['validation_map_at_r']:.4f} {values}"
