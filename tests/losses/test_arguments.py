"""Checks of constructor arguments: what passes comes back, what does not is named with its range."""

import math

import numpy as np
import pytest

from losses import arguments


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_a_number_in_range_comes_back(value):
    assert arguments.number("rate", value, 0, 1) == value


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_a_number_out_of_range_is_named_with_the_range(value):
    with pytest.raises(ValueError, match=rf"`rate` must be a finite number in \[0, 1\]\. Received: {value}"):
        arguments.number("rate", value, 0, 1)


def test_a_number_without_upper_limit_says_so():
    with pytest.raises(ValueError, match=r"`margin` must be a finite number at least 0\. Received: -1"):
        arguments.number("margin", -1)


@pytest.mark.parametrize("value", [0, -1.5, math.nan, math.inf])
def test_what_is_not_above_0_is_named(value):
    with pytest.raises(ValueError, match=rf"`scale` must be a finite number above 0\. Received: {value}"):
        arguments.positive("scale", value)


@pytest.mark.parametrize("value", [2, 10])
def test_a_whole_number_comes_back(value):
    assert arguments.whole_number("num_classes", value, 2) is value


@pytest.mark.parametrize("value", [1, 2.0, True])
def test_what_is_no_whole_number_in_range_is_named(value):
    with pytest.raises(ValueError, match=rf"`num_classes` must be a whole number .*at least 2\. Received: {value}"):
        arguments.whole_number("num_classes", value, 2)


@pytest.mark.parametrize("check", [arguments.number, arguments.positive, lambda *a: arguments.whole_number(*a, 0)])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("3", r"3 \(str\)"),
        (None, r"None \(NoneType\)"),
        (np.int64(3), r"3 \(int64\)"),
        (np.float32(3), r"3.0 \(float32\)"),
    ],
)
def test_what_keras_could_not_save_is_refused_with_its_type(check, value, shown):
    """A layer made with NumPy's numbers would train, and then not be saved."""
    with pytest.raises(ValueError, match=f"Received: {shown}"):
        check("rate", value)


@pytest.mark.parametrize("value", ["false", 1, None, np.bool_(True)])
def test_what_is_not_a_flag_is_refused(value):
    assert arguments.flag("normalize", False) is False
    with pytest.raises(ValueError, match=f"`normalize` must be True or False. Received: {value}"):
        arguments.flag("normalize", value)


def test_one_of_names_the_choices():
    assert arguments.one_of("wrap", "none", ("reflect", "none")) == "none"
    with pytest.raises(ValueError, match=r"`wrap` must be one of reflect, none\. Received: mirror"):
        arguments.one_of("wrap", "mirror", ("reflect", "none"))
