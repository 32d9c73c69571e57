"""A small, equal search for every loss over the numbers it takes, judged by validation images alone."""

import dataclasses
import math

from sklearn.model_selection import ParameterSampler

from losses import LOSSES
from run_folder import save_json
from training import Failure, train

FACTORS = (0.25, 0.5, 1, 2, 4)
WHOLE_NUMBERS = (1, 2, 3, 4, 5)
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
        if name in alone or isinstance(default, bool) or not isinstance(default, int | float) or default == 0:
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
    possible = math.prod(map(len, values.values()))
    defaults = {name: LOSSES[loss].options()[name] for name in values}
    trials = [{}]
    for drawn in ParameterSampler(values, min(possible, DRAWS), random_state=0):
        if len(trials) == count:
            break
        overrides = {name: value for name, value in sorted(drawn.items()) if value != defaults[name]}
        if overrides and _accepted(loss, num_classes, embedding_dim, overrides):
            trials.append(overrides)
    return trials


def _accepted(loss, num_classes, embedding_dim, overrides):
    try:
        LOSSES[loss](num_classes, embedding_dim, **overrides)
    except ValueError:
        return False
    return True


def run_trial(settings, data, folder, command, progress):
    """Trains with some overrides and keeps the best MAP@R on the validation images.

    The test images are taken away first.

    Args:
        settings: `Settings` of the trial.
        data: `Dataset`.
        folder: `RunFolder` of the trial.
        command: The command line, for the record.
        progress: As `experiment.run` has it.

    Returns:
        The content of `metrics.json`.
    """
    data = dataclasses.replace(data, test=None)
    folder.start(dataclasses.asdict(settings), command)
    metrics = {"dataset": data.name, "loss": settings.loss, "overrides": settings.overrides}
    try:
        _, training = train(settings, data, folder.path, progress)
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
