"""The registry: names, weights and arguments."""

import inspect

import pytest

from losses import LOSSES, Recipe, TripletLoss


def test_the_default_recipes_join_softmax_with_the_documented_weights():
    weights = {name: {term: weight for term, (weight, _) in recipe(10, 64).items()} for name, recipe in LOSSES.items()}
    assert weights["softmax"] == {"softmax": 1.0}
    assert weights["center"] == {"softmax": 1.0, "center": 0.01}
    assert weights["triplet"] == {"softmax": 1.0, "triplet": 1.0}
    assert weights["triplet_center"] == {"softmax": 1.0, "triplet_center": 0.4}


def test_options_name_every_weight_and_argument_with_its_default():
    assert LOSSES["center"].options() == {
        "softmax_weight": 1.0,
        "center_weight": 0.01,
        "label_smoothing": 0.0,
        "center_rate": 0.5,
    }
    assert LOSSES["triplet"].options() == {
        "softmax_weight": 1.0,
        "triplet_weight": 1.0,
        "label_smoothing": 0.0,
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
    with pytest.raises(ValueError, match=r"Unknown: centre_rate\. Valid: softmax_weight, center_weight, label"):
        LOSSES["center"](10, 64, centre_rate=0.25)


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_a_negative_weight_is_refused(weight):
    with pytest.raises(ValueError, match=f"center_weight.*{weight}"):
        LOSSES["center"](10, 64, center_weight=weight)


def test_weights_that_are_all_0_are_refused():
    with pytest.raises(ValueError, match="All weights are 0"):
        LOSSES["triplet"](10, 64, softmax_weight=0.0, triplet_weight=0.0)


def test_an_argument_that_two_terms_have_is_one():
    terms = LOSSES["exponential_triplet_center"](10, 64, embedding_norm="l2")
    assert [loss.embedding_norm for _, loss in terms.values()] == ["l2", "l2"]


def test_the_eight_rows_of_the_exponential_triplet_are_its_terms_alone_and_joined():
    rows = {name: tuple(LOSSES[name].terms) for name in LOSSES if name.startswith(("std_", "exponential_"))}
    for prefix, term in (("std_triplet", "triplet"), ("exponential_triplet", "exponential_triplet")):
        assert rows.pop(prefix) == (term,)
        assert rows.pop(f"{prefix}_class") == (term, "softmax")
        assert rows.pop(f"{prefix}_center") == (term, "exponential_center")
        assert rows.pop(f"{prefix}_class_center") == (term, "softmax", "exponential_center")
    assert rows == {}


def test_a_recipe_with_a_default_that_no_term_has_is_refused():
    with pytest.raises(ValueError, match="margn"):
        Recipe({"triplet": (1.0, TripletLoss)}, {"margn": 0.4})


@pytest.mark.parametrize("name", LOSSES)
def test_every_argument_of_the_wrong_kind_is_refused_by_name(name):
    """A string would count as true, and NumPy's numbers could not be saved."""
    for argument, default in LOSSES[name].options().items():
        wrong = {bool: "false", str: 1, int: 2.5, float: "1", tuple: (1.0,)}[type(default)]
        with pytest.raises(ValueError, match=rf"`{argument}`.*Received"):
            LOSSES[name](10, 64, **{argument: wrong})


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", ["num_classes", "embedding_dim"])
def test_sizes_that_are_no_whole_numbers_are_refused_by_name(name, size):
    losses = [loss for _, loss in LOSSES[name].terms.values() if size in inspect.signature(loss).parameters]
    for loss in losses:
        sizes = {s: 4 for s in ("num_classes", "embedding_dim") if s in inspect.signature(loss).parameters}
        for wrong in (0, "4", 4.0):
            with pytest.raises(ValueError, match=f"`{size}` must be a whole number"):
                loss(**sizes | {size: wrong})


@pytest.mark.parametrize("name", LOSSES)
def test_the_documentation_says_whether_a_loss_holds_state(name):
    for _, loss in LOSSES[name](10, 4).values():
        documentation = " ".join(loss.__doc__.split())
        assert ("in a `MetricModel`; `compile(loss=...)` raises" in documentation) == bool(loss.weights)
