"""Checks of constructor arguments: the value comes back, or an error says what was given and what is expected.

NumPy's integers and floats are numbers, and come back as Python's: Keras can save no others.
"""

import math
import numbers
import sys


def plain(value):
    """A number of NumPy as Python's; whatever else comes back as it is."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def number(name, value, low=0.0, high=math.inf):
    """A finite number in `[low, high]`.

    Raises:
        ValueError: If it is none.
    """
    value = plain(value)
    if _is_finite(value) and low <= value <= high:
        return value
    limits = f"at least {low:g}" if high == math.inf else f"in [{low:g}, {high:g}]"
    raise ValueError(f"`{name}` must be a finite number {limits}. Received: {_shown(value)}")


def positive(name, value):
    """A finite number above 0.

    Raises:
        ValueError: If it is none.
    """
    value = plain(value)
    if _is_finite(value) and value > 0:
        return value
    raise ValueError(f"`{name}` must be a finite number above 0. Received: {_shown(value)}")


def whole_number(name, value, low):
    """An integer of at least `low`.

    Raises:
        ValueError: If it is none.
    """
    value = plain(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= low:
        return value
    raise ValueError(f"`{name}` must be a whole number (an `int`), at least {low}. Received: {_shown(value)}")


def sizes(num_classes, embedding_dim):
    """The sizes of weights that there is a row of for each class.

    Raises:
        ValueError: If there are fewer than two classes, or a size is no whole number.
    """
    return whole_number("num_classes", num_classes, 2), whole_number("embedding_dim", embedding_dim, 1)


def flag(name, value):
    """True or False: a string such as "false" would count as true.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(value, bool):
        return value
    raise ValueError(f"`{name}` must be True or False. Received: {_shown(value)}")


def one_of(name, value, valid):
    """One of some strings.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(value, str) and value in valid:
        return value
    raise ValueError(f"`{name}` must be one of {', '.join(valid)}. Received: {value}")


def _is_finite(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _shown(value):
    """A value, with its type where that is not a plain number's."""
    return value if isinstance(value, int | float) else f"{value} ({type(value).__name__})"
