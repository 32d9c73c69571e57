"""Checks of constructor arguments: what passes comes back, what does not is named with its range."""

import json
import math

import keras
import numpy as np
import pytest

from losses import AdaCos, ArcFace, ASoftmax, ExponentialCenterLoss, ProxyNCALoss, TripletLoss, arguments


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


@pytest.mark.parametrize("value", [0, -1.5, math.nan, math.inf, 10**400])
def test_what_is_not_above_0_or_not_finite_is_named(value):
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
    [("3", r"3 \(str\)"), (None, r"None \(NoneType\)"), (np.bool_(True), r"True \(bool\)")],
)
def test_what_is_no_number_is_refused_with_its_type(check, value, shown):
    with pytest.raises(ValueError, match=f"Received: {shown}"):
        check("rate", value)


WIDTHS = {"int": ["int8", "uint8", "int16", "int32", "uint32", "int64"], "float": ["float16", "float32", "float64"]}


@pytest.mark.parametrize(("kind", "dtype"), [(kind, dtype) for kind in WIDTHS for dtype in WIDTHS[kind]])
def test_a_number_of_numpy_of_any_width_comes_back_as_pythons(kind, dtype):
    value = np.dtype(dtype).type(3)
    checks = [arguments.number, arguments.positive]
    checks += [lambda name, value: arguments.whole_number(name, value, 2)] if kind == "int" else []
    for check in checks:
        found = check("rate", value)
        assert type(found).__name__ == kind
        assert found == 3


@pytest.mark.parametrize("integer", WIDTHS["int"])
@pytest.mark.parametrize("floating", WIDTHS["float"])
def test_a_loss_made_with_numbers_of_numpy_is_the_same_and_can_be_saved(integer, floating):
    classes, dim = np.arange(4, dtype=integer).max() + 1, np.dtype(integer).type(3)
    half = np.dtype(floating).type(0.5)
    for loss, expected in [
        (ArcFace(classes, dim, scale=half, margin=half), ArcFace(4, 3, scale=0.5, margin=0.5)),
        (AdaCos(classes, embedding_dim=dim), AdaCos(4, 3)),
        (ASoftmax(classes, dim, classes, (half, half, dim, 0)), ASoftmax(4, 3, 4, (0.5, 0.5, 3, 0))),
        (ProxyNCALoss(classes, dim, half), ProxyNCALoss(4, 3, 0.5)),
        (ExponentialCenterLoss(classes, dim, half), ExponentialCenterLoss(4, 3, 0.5)),
        (TripletLoss(half), TripletLoss(0.5)),
    ]:
        config, other = (
            json.loads(json.dumps(keras.saving.serialize_keras_object(layer))) for layer in (loss, expected)
        )
        assert {**config["config"], "name": ""} == {**other["config"], "name": ""}
        keras.saving.deserialize_keras_object(config)
        assert [w.shape for w in loss.weights] == [w.shape for w in expected.weights]


@pytest.mark.parametrize("value", ["false", 1, None, np.bool_(True)])
def test_what_is_not_a_flag_is_refused(value):
    assert arguments.flag("normalize", False) is False
    with pytest.raises(ValueError, match=f"`normalize` must be True or False. Received: {value}"):
        arguments.flag("normalize", value)


def test_one_of_names_the_choices():
    assert arguments.one_of("wrap", "none", ("reflect", "none")) == "none"
    with pytest.raises(ValueError, match=r"`wrap` must be one of reflect, none\. Received: mirror"):
        arguments.one_of("wrap", "mirror", ("reflect", "none"))
