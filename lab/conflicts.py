"""Why a folder is not to be replaced, in words."""

import dataclasses

from lab.errors import InputError
from lab.settings import Settings, as_given
from losses import LOSSES


class ConflictError(InputError):
    """A folder holds something that this command must not replace; the message says what and the way out."""


def differences(found, settings, ignored=(), between=", now "):
    """What differs between the `Settings` found and those wanted, in the words of the command line."""
    different = found.differences(settings, ignored)
    overrides = different.pop("overrides", ({}, {}))
    if "augment" in different:
        different.pop("both_sides", None)  # It follows, and is no flag.
    if different.pop("content", None):
        yield f"other images, or in another size, than {settings.dataset} has now"
    if different.pop("weights_content", None) and "weights" not in different:
        yield f"other weights than {settings.weights} had then"
    for name, (old, new) in different.items():
        yield f"{_flag(name)} {_in_words(old)}{between}{_in_words(new)}"
    for name in sorted({*overrides[0], *overrides[1]}):
        old, new = (
            _in_words(changes[name]) if name in changes else f"the default {_in_words(_default(name, of))}"
            for changes, of in zip(overrides, (found, settings), strict=True)
        )
        if old != new:
            yield f"{name} {old}{between}{new}"


def at_work(claim, settings):
    """Why the run of the process that has a `Claim` is not one with these `Settings`, in words; None if it may be."""
    try:
        found = Settings.from_dict(claim.other.get("work"))
    except ValueError:  # It is about to be written, or is of another version.
        return None
    if not found.differences(settings):
        return None
    return (
        f"{claim.holder} is at a run with other settings in {claim.file.parent} "
        f"({'; '.join(differences(found, settings))}). Choose another place with --runs, or give this command again, "
        "with --overwrite, when that one has ended."
    )


def _default(name, settings):
    """Of an argument of the loss: some `Settings` have one of their own, that of the recipe."""
    return getattr(settings, name, LOSSES[settings.loss].options().get(name))


def _flag(name):
    """The name of a setting as the command line spells it."""
    return name.replace("_", "-")


def _in_words(value):
    if value is None or value == ():
        return "none"
    return ("off", "on")[value] if isinstance(value, bool) else as_given(value)


def unknown(kept):
    """What this version does not know of the settings that a run has kept, in words; nothing if it knows every name."""
    names = {field.name for field in dataclasses.fields(Settings)}
    others = [f"{_flag(name)} {_in_words(value)}" for name, value in kept.items() if name not in names]
    return f" ({'; '.join(others)})" if others else ""
