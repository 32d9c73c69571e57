"""What whoever runs the command can put right."""

import difflib


class InputError(ValueError):
    """Something given cannot be used: the message says what came, what was expected and the way out."""


def unknown(kind, given, valid):
    """What to say of a name that is none of the valid ones: the one that was meant, as far as that shows, and all."""
    return f"unknown {kind} {given}.{did_you_mean(nearest(given, valid))} Valid: {', '.join(valid)}"


def nearest(given, valid):
    """The valid name that is spelt most like a given one; None if none is much like it."""
    alike = difflib.get_close_matches(given.lower(), valid, n=1)
    return alike[0] if alike else None


def did_you_mean(name):
    """A question to append to a message, or nothing where there is nothing to suggest."""
    return f" Did you mean {name}?" if name else ""
