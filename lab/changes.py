"""The text LOSS.ARG=VALUE that changes a loss, as `--set` and `--sweep` take it."""

import math

from lab.errors import InputError, did_you_mean, nearest
from lab.settings import as_changes, as_given
from losses import LOSSES


def parse_changes(changes, flag="--set"):
    """Turns `["center.center_weight=0.1"]`, given with a flag, into `{"center": {"center_weight": 0.1}}`.

    Raises:
        InputError: If a change is malformed, or names no loss or argument, or the value is of the wrong type.
    """
    overrides = {}
    for change in changes:
        name, equals, value = change.partition("=")
        loss, dot, argument = name.partition(".")
        if not (equals and dot):
            raise InputError(f"{flag} takes LOSS.ARG=VALUE, as in center.center_weight=0.1. Received: {change}")
        if loss not in LOSSES:
            hint = did_you_mean(_meant(nearest(loss, LOSSES), argument) or nearest(loss, LOSSES))
            raise InputError(f"{flag} {change}: unknown loss {loss}.{hint} Valid: {', '.join(LOSSES)}")
        defaults = LOSSES[loss].options()
        if argument not in defaults:
            valid = ", ".join(f"{name}={as_given(default)}" for name, default in defaults.items())
            hint = did_you_mean(_meant(loss, argument))
            raise InputError(f"{flag} {change}: {loss} has no {argument}.{hint} Valid, with defaults: {valid}")
        if argument in overrides.get(loss, {}):
            raise InputError(f"{flag} {change}: {loss}.{argument} has a value already. Give it once")
        overrides.setdefault(loss, {})[argument] = _like(defaults[argument], value, f"{flag} {change}")
    return overrides


def parse_sweep(text):
    """Turns `"center.center_weight=0.01,0.1"` into `"center"` and a list of dicts of one override each.

    Raises:
        InputError: As `parse_changes`, or if there are fewer than two values, or one twice.
    """
    name, equals, values = text.partition("=")
    loss, _, argument = name.partition(".")
    if loss in LOSSES and isinstance(LOSSES[loss].options().get(argument), tuple):
        raise InputError(f"--sweep {text}: {argument} is several numbers, of which no sweep can be made")
    if not equals:
        raise InputError(f"--sweep takes LOSS.ARG=VALUES, as in center.center_weight=0.01,0.1. Received: {text}")
    changes = [parse_changes([f"{name}={value}"], "--sweep") for value in values.split(",")]
    swept = [overrides for change in changes for overrides in change.values()]
    if len({as_changes(overrides) for overrides in swept}) < max(2, len(swept)):
        raise InputError(f"--sweep {text}: takes two values or more, with commas between, each once")
    return loss, swept


def _meant(loss, argument):
    """The LOSS.ARG that is spelt most like a loss, or None, and an argument; None if there is none much like it."""
    options = LOSSES[loss].options() if loss else {}
    named = f"{loss}_{argument}"  # As in center.weight.
    meant = named if named in options else nearest(argument, options)
    return meant and f"{loss}.{meant}"


def _like(default, text, change):
    """Parses text as a value of the default's type; `change` is the flag that has it."""
    kind = type(default)
    if kind is tuple:
        parts = text.split(",")
        if len(parts) != len(default):
            numbers = ",".join(f"{part:g}" for part in default)
            raise InputError(f"{change}: takes {len(default)} numbers with commas between, as in {numbers}")
        return tuple(_like(part, given, change) for part, given in zip(default, parts, strict=True))
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{change}: takes true or false")
        return text.lower() == "true"
    if kind is str:
        return text
    try:
        value = kind(text)
        is_number = math.isfinite(value)
    except (OverflowError, ValueError):  # The former of a whole number that no float has room for.
        is_number = False
    if not is_number:
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"{change}: takes {what}, as the default {default} is")
    return value
