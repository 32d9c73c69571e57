"""Labels that are no class numbers: known they raise, compiled the loss is NaN and nothing moves."""

import re

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import traced, training_step, value_and_gradient

from losses import CenterLoss, TripletLoss
from models import MetricModel
from tests.losses.test_every_loss import CLASSES, STATE, VARIANTS, batch, images_and_labels, make
from tests.losses.test_in_a_model import MarginClassifier, compiled, every_mode, network

WITH_CLASSES = [variant for variant in VARIANTS if make(variant).num_classes]
OUTSIDE = {"from 1": lambda labels: labels + 1, "one -1": lambda labels: np.where(labels == labels[0], -1, labels)}
every_outside = pytest.mark.parametrize("wrong", OUTSIDE.values(), ids=OUTSIDE)
DATES = np.array([20231001, 20231002, 20231003])
IDENTIFIERS = {
    "dates": DATES,
    "article codes": 4006381333931 + 2**32 * np.arange(3),
    "signed": np.array([-(2**24) - 1, -(2**24), 2**24 + 1]),
}


def own_type(labels):
    """As Keras hands integers on: JAX has none of 64 bits."""
    return keras.ops.convert_to_tensor(labels.astype("int32"))


def test_the_losses_with_something_for_each_class_know_their_number():
    documented = [
        variant for variant in VARIANTS if "in `[0, num_classes)`.\n        embedding" in type(make(variant)).__doc__
    ]
    assert documented == WITH_CLASSES


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_functional_model_gives_a_loss_class_numbers_as_well(shape):
    labels, embeddings = batch()
    inputs = keras.Input(shape, dtype="int32"), keras.Input(embeddings.shape[1:])
    model = keras.Model(inputs, TripletLoss()(*inputs))
    value = model([labels.reshape(-1, *shape), embeddings.astype("float32")])
    assert float(value) == pytest.approx(float(TripletLoss()(labels, embeddings.astype("float32"))), rel=1e-6)
    with pytest.raises(ValueError, match="Received: labels of shape"):
        TripletLoss()(*inputs[::-1])


@every_outside
@pytest.mark.parametrize("variant", WITH_CLASSES)
def test_known_labels_outside_the_classes_raise_with_the_label_and_the_range(variant, wrong):
    labels, embeddings = batch()
    outside = set(wrong(labels)) - set(range(CLASSES))
    for cast in ("int32", "float32", "int64"):
        with pytest.raises(ValueError, match=rf"in \[0, {CLASSES}\).*Received: {outside.pop() if outside else ''}"):
            make(variant)(wrong(labels).astype(cast), embeddings)


if keras.backend.backend() != "torch":  # It has no graph in which the labels are not known.

    @pytest.mark.parametrize("xla", [False, True])
    @every_outside
    @pytest.mark.parametrize("variant", WITH_CLASSES)
    def test_compiled_they_make_the_loss_nan_and_move_nothing(variant, wrong, xla):
        labels, embeddings = batch()
        loss = make(variant)

        def step(labels, embeddings):
            return loss.stateless_call(
                [w.value for w in loss.trainable_variables],
                [w.value for w in loss.non_trainable_variables],
                labels,
                embeddings,
                training=True,
            )

        options = {"jit_compile": xla} if keras.backend.backend() == "tensorflow" else {}
        step = traced(step, **options)
        right, _ = step(own_type(labels), keras.ops.cast(embeddings, "float32"))
        value, following = step(own_type(wrong(labels)), keras.ops.cast(embeddings, "float32"))
        assert np.isfinite(right)
        assert np.isnan(value)
        for found, weight in zip(following, loss.non_trainable_variables, strict=True):
            np.testing.assert_array_equal(found, to_numpy(weight))

    @pytest.mark.parametrize("variant", ["softmax", "center", "proxy_anchor", "triplet_center", "adacos"])
    def test_xla_gives_no_gradient_for_a_batch_with_a_wrong_label(variant):
        labels, embeddings = batch()
        loss = make(variant)
        value, *rest = training_step(loss, labels + 1, embeddings.astype("float32"), xla=True)
        assert np.isnan(value)
        for gradient in rest[: 1 + len(loss.trainable_variables)]:
            assert not gradient.any()


def raised_or_nan(model, images, labels, message):
    """Whether a training step raises this error, or, compiled, gives NaN."""
    try:
        return np.isnan(model.train_on_batch(images, labels, return_dict=True)["loss"])
    except ValueError as error:
        return re.search(message, str(error))


@every_mode
@every_outside
def test_a_model_says_so_and_keeps_its_centers_however_it_runs(mode, wrong):
    images, labels = images_and_labels()
    for model in (
        MetricModel(network(), {"center": (1.0, CenterLoss(*STATE))}),
        MarginClassifier(network(), CenterLoss(*STATE)),
    ):
        compiled(None, mode, model)
        before = model.get_weights()
        assert raised_or_nan(model, images, wrong(labels), rf"in \[0, {CLASSES}\)")
        for new, old in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("wrong", [0.5, np.nan, np.inf, 2.0**24])
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_loss_takes_labels_that_are_no_whole_numbers_or_lost_their_last_digit(variant, wrong):
    labels, embeddings = batch()
    labels = labels.astype("float32")
    labels[-1] = wrong
    with pytest.raises(ValueError, match="whole numbers.*Received: " + str(wrong)):
        make(variant)(labels, embeddings)


@pytest.mark.parametrize(("dtype", "limit"), [("float16", 2048), ("bfloat16", 256), ("float32", 2**24)])
def test_labels_cast_to_a_float_are_taken_as_far_as_it_tells_them_apart(dtype, limit):
    labels, embeddings = batch()
    highest = keras.ops.cast(keras.ops.convert_to_tensor(np.where(labels == 0, limit - 1, labels)), dtype)
    assert float(TripletLoss()(highest, embeddings)) == float(TripletLoss()(labels, embeddings))
    with pytest.raises(ValueError, match=f"{dtype} tells apart"):
        TripletLoss()(keras.ops.cast(highest + keras.ops.cast(1, dtype), dtype), embeddings)


NUMBERED = [variant for variant in VARIANTS if variant not in WITH_CLASSES and variant != "ring"]


@pytest.mark.parametrize("identifiers", IDENTIFIERS.values(), ids=IDENTIFIERS)
@pytest.mark.parametrize("variant", NUMBERED)
def test_losses_that_compare_labels_compare_identifiers_in_their_own_type(variant, identifiers):
    labels, embeddings = batch()
    labels, loss = labels % 3, make(variant)
    expected = value_and_gradient(loss, labels, embeddings.astype("float32"))
    found = value_and_gradient(loss, identifiers[labels], embeddings.astype("float32"))
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5, atol=1e-7)


if keras.backend.backend() == "jax":  # The tests have it keep 64 bits, which it does not unless told to.

    @pytest.mark.parametrize("variant", NUMBERED)
    def test_identifiers_that_jax_cuts_down_raise(variant):
        import jax

        labels, embeddings = batch()
        jax.config.update("jax_enable_x64", False)
        try:
            with pytest.raises(ValueError, match="int32 tells apart"):
                make(variant)(IDENTIFIERS["article codes"][labels % 3], embeddings.astype("float32"))
        finally:
            jax.config.update("jax_enable_x64", True)

    def test_labels_of_64_bits_may_be_constants_of_a_compiled_step():
        import jax

        labels, embeddings = batch()
        jax.config.update("jax_enable_x64", False)
        try:
            loss, embeddings = make("contrastive"), embeddings.astype("float32")
            value = jax.jit(lambda embeddings: loss(labels.astype("int64"), embeddings))(embeddings)
            wrong = jax.jit(lambda embeddings: loss(labels + 2**40, embeddings))(embeddings)
            assert float(value) == pytest.approx(float(loss(labels, embeddings)), rel=1e-6)
            assert np.isnan(float(wrong))
        finally:
            jax.config.update("jax_enable_x64", True)


@every_mode
def test_identifiers_that_keras_merges_on_their_way_through_compile_are_no_silent_number(mode):
    images, labels = images_and_labels()
    model = compiled(TripletLoss(), mode)
    before = model.get_weights()
    assert raised_or_nan(model, images, DATES[labels % 3], "float32 tells apart")
    for new, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int64", "float64"])
def test_labels_of_every_type_give_the_same_loss(dtype):
    labels, embeddings = batch()
    for loss in (TripletLoss(), CenterLoss(CLASSES, 3), CenterLoss(1000, 3)):
        assert float(loss(labels.astype(dtype), embeddings)) == float(loss(labels, embeddings))
