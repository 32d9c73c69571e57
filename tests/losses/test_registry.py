"""The registry: names, weights and arguments."""

import pytest

from losses import LOSSES


def test_the_default_recipes_join_softmax_with_the_documented_weights():
    weights = {name: {term: weight for term, (weight, _) in recipe(10, 64).items()} for name, recipe in LOSSES.items()}
    assert weights["softmax"] == {"softmax": 1.0}
    assert weights["center"] == {"softmax": 1.0, "center": 0.01}
    assert weights["triplet"] == {"softmax": 1.0, "triplet": 1.0}
    assert weights["triplet_center"] == {"softmax": 1.0, "triplet_center": 0.1}


def test_options_name_every_weight_and_argument_with_its_default():
    assert LOSSES["center"].options() == {"softmax_weight": 1.0, "center_weight": 0.01, "center_rate": 0.5}
    assert LOSSES["triplet"].options() == {
        "softmax_weight": 1.0,
        "triplet_weight": 1.0,
        "margin": 0.2,
        "mining": "semi_hard",
        "distance": "squared",
        "normalize": True,
        "soft_margin": False,
    }


def test_overrides_reach_the_weight_and_the_layer():
    terms = LOSSES["center"](10, 64, center_weight=0.3, center_rate=0.25)
    weight, loss = terms["center"]
    assert (weight, loss.center_rate, tuple(loss.centers.shape)) == (0.3, 0.25, (10, 64))


def test_an_unknown_override_names_the_valid_ones():
    with pytest.raises(ValueError, match=r"Unknown: centre_rate\. Valid: softmax_weight, center_weight, center_rate"):
        LOSSES["center"](10, 64, centre_rate=0.25)


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_a_negative_weight_is_refused(weight):
    with pytest.raises(ValueError, match=f"center_weight.*{weight}"):
        LOSSES["center"](10, 64, center_weight=weight)
