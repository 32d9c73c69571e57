"""Where a loss may be used: in `compile` without state; with state in a model that calls it, or a loop of one's own."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import weight_gradient

from losses import AdaCos, ArcFace, ASoftmax, CenterLoss, ExponentialCenterLoss, Softmax, TripletLoss
from losses.layer import LossLayer
from tests.losses.test_every_loss import DIM, HOLDING_STATE, STATE, VARIANTS, batch, images_and_labels, make

STATELESS = list({VARIANTS[variant][0]: variant for variant in VARIANTS if variant not in HOLDING_STATE}.values())
MODES = {"eager": {"run_eagerly": True}, "compiled": {"jit_compile": False}, "xla": {"jit_compile": True}}
# To have PyTorch compile a step takes it a minute.
every_mode = pytest.mark.parametrize("mode", list(MODES)[: 2 if keras.backend.backend() == "torch" else 3])


def network():
    images = keras.Input((6,))
    return keras.Model(images, keras.layers.Dense(DIM, name="embedding")(images))


def compiled(loss, mode="eager", model=None):
    model = model or network()
    model.compile(keras.optimizers.SGD(0.1), loss=loss, **MODES[mode])
    return model


def refused(loss, mode="eager", method="train_on_batch", model=None):
    """Whether a model with this loss in `compile` raises the error with the remedy, before anything has moved."""
    model = compiled(loss, mode, model)
    before = model.get_weights()
    try:
        getattr(model, method)(*images_and_labels())
    except ValueError as error:
        if "compute_loss" not in str(error):
            raise
        assert all(map(np.array_equal, before, model.get_weights()))
        return True
    return False


@pytest.mark.parametrize("variant", HOLDING_STATE)
def test_a_loss_with_state_is_refused_in_compile(variant):
    assert refused(make(variant))


@pytest.mark.parametrize("variant", STATELESS)
def test_a_loss_without_state_trains_in_compile(variant):
    model = compiled(make(variant))
    before = model.get_weights()[0]
    model.train_on_batch(*images_and_labels())
    assert np.abs(model.get_weights()[0] - before).max() > 0


@every_mode
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_it_is_refused_before_anything_has_moved_however_the_model_runs(mode, method):
    loss = ArcFace(*STATE)
    before = loss.get_weights()[0]
    assert refused(loss, mode, method)
    np.testing.assert_array_equal(loss.get_weights()[0], before)


@every_mode
def test_a_mask_of_keras_on_the_embeddings_changes_nothing(mode):
    points, labels = images_and_labels()
    points[::3] = 0.0
    plain = network()
    inputs = keras.Input((6,))
    masked = keras.Model(inputs, plain.layers[-1](keras.layers.Masking()(inputs)))
    losses = [compiled(TripletLoss(), mode, model).evaluate(points, labels, verbose=0) for model in (plain, masked)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


class OfOnesOwn(keras.losses.Loss):
    def __init__(self, loss):
        super().__init__()
        self.inner = loss

    def call(self, y_true, y_pred):
        return self.inner(y_true, y_pred)


class WithItsOwnCall(OfOnesOwn):
    def __call__(self, y_true, y_pred, sample_weight=None):
        return self.inner(y_true, y_pred)


WRAPPERS = {
    "list": lambda loss: [loss],
    "dict": lambda loss: {"embedding": loss},
    "lambda": lambda loss: lambda labels, embeddings: 0.5 * loss(labels, embeddings),
    "Loss": OfOnesOwn,
    "Loss with a __call__": WithItsOwnCall,
}


@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_loss_is_refused_as_well(wrapper, mode):
    assert refused(WRAPPERS[wrapper](ArcFace(*STATE)), mode)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_loss_without_state_trains(wrapper):
    assert not refused(WRAPPERS[wrapper](TripletLoss()))


@pytest.mark.parametrize(("second", "expected"), [(TripletLoss(), False), (Softmax(*STATE), True)])
def test_a_loss_with_state_for_one_of_several_outputs_is_refused(second, expected):
    images = keras.Input((6,))
    outputs = {name: keras.layers.Dense(DIM, name=name)(images) for name in ("first", "second")}
    model = compiled({"first": TripletLoss(), "second": second}, model=keras.Model(images, outputs))
    points, labels = images_and_labels()
    before = model.get_weights()
    if expected:
        with pytest.raises(ValueError, match="Softmax in `compile"):
            model.train_on_batch(points, {"first": labels, "second": labels})
    else:
        model.train_on_batch(points, {"first": labels, "second": labels})
    assert all(map(np.array_equal, before, model.get_weights())) == expected


@pytest.mark.parametrize(
    ("loss", "state"),
    [
        (Softmax(*STATE), "class_weights and bias"),
        (ASoftmax(*STATE), "class_weights and step"),
        (AdaCos(*STATE, dynamic=False), "class_weights and scale"),
        (CenterLoss(*STATE), "centers"),
    ],
)
def test_the_error_says_what_would_not_be_trained_and_what_to_do(loss, state):
    with pytest.raises(ValueError, match=rf"^{type(loss).__name__} in .*train its {state}\. .*MetricModel"):
        compiled(loss).train_on_batch(*images_and_labels())


def test_a_variant_without_centers_has_no_state():
    assert not refused(ExponentialCenterLoss(*STATE, variant="code"))
    assert refused(ExponentialCenterLoss(*STATE, variant="slides"))


@keras.saving.register_keras_serializable(package="tests")
class MarginClassifier(keras.Model):
    """As in the README."""

    def __init__(self, embedder, margin_loss):
        super().__init__()
        self.embedder, self.margin_loss = embedder, margin_loss

    def call(self, images, training=None):
        return self.embedder(images, training=training)

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        if sample_weight is not None:
            raise ValueError("The loss takes no weights: draw samples that are to count more more often.")
        return self.margin_loss(y, y_pred, training=training) + sum(self.losses)

    def get_config(self):
        return {"embedder": self.embedder, "margin_loss": self.margin_loss}

    @classmethod
    def from_config(cls, config):
        return cls(**{name: keras.saving.deserialize_keras_object(part) for name, part in config.items()})


def moved(model, mode="eager", loss=None):
    """By how much each weight of the model's loss moves in an epoch of two batches."""
    compiled(loss, mode, model)
    before = model.margin_loss.get_weights()
    model.fit(*images_and_labels(), verbose=0)
    return [np.abs(new - old).max() for new, old in zip(model.margin_loss.get_weights(), before, strict=True)]


@every_mode
@pytest.mark.parametrize("loss", [ArcFace, CenterLoss])
def test_a_model_that_calls_the_loss_in_compute_loss_trains_all_of_its_state(loss, mode):
    assert min(moved(MarginClassifier(network(), loss(*STATE)), mode)) > 0


class BesideItsCompiledLoss(MarginClassifier):
    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        compiled_loss = keras.Model.compute_loss(self, x, y, y_pred, sample_weight)
        return compiled_loss + self.margin_loss(y, y_pred, training=training)


def test_a_model_may_call_the_loss_beside_another_one_in_compile():
    assert min(moved(BesideItsCompiledLoss(network(), CenterLoss(*STATE)), loss=TripletLoss())) > 0


class WithLabels(keras.Model):
    """Takes labels with the images, and adds its loss in `call`."""

    def __init__(self, margin_loss):
        super().__init__()
        self.embedder, self.margin_loss = network(), margin_loss

    def call(self, inputs, training=None):
        images, labels = inputs
        embeddings = self.embedder(images)
        self.add_loss(self.margin_loss(labels, embeddings, training=training))
        return embeddings


@pytest.mark.parametrize("loss", [ArcFace, CenterLoss])
def test_a_model_that_calls_the_loss_in_call_trains_all_of_its_state(loss):
    images, labels = images_and_labels()
    model = compiled(None, model=WithLabels(loss(*STATE)))
    before = model.margin_loss.get_weights()
    model.fit([images, labels], verbose=0)
    for new, old in zip(model.margin_loss.get_weights(), before, strict=True):
        assert np.abs(new - old).max() > 0


class Holder(keras.Model):
    """Has a loss as a layer, and calls it nowhere."""

    def __init__(self, margin_loss):
        super().__init__()
        self.embedder, self.margin_loss = network(), margin_loss

    def call(self, images):
        return self.embedder(images)


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_a_layer_of_the_model_may_be_its_compiled_loss_if_the_optimizer_trains_all_of_its_state(mode):
    model = Holder(ArcFace(*STATE))
    assert min(moved(model, mode, model.margin_loss)) > 0
    model = Holder(CenterLoss(*STATE))  # In `compile` it is never told that it is in training.
    with pytest.raises(ValueError, match="centers"):
        moved(model, mode, model.margin_loss)


@pytest.mark.parametrize("wrapper", [lambda loss: loss, OfOnesOwn])
def test_a_loop_of_ones_own_may_use_a_loss_with_state(wrapper):
    labels, embeddings = batch()
    loss = ArcFace(*STATE)
    wrapped = wrapper(loss)
    value = float(wrapped(labels, embeddings))
    for _ in range(3):
        gradient = weight_gradient(wrapped, loss.class_weights, labels, embeddings.astype("float32"))
        loss.class_weights.assign(to_numpy(loss.class_weights) - 0.1 * gradient)
    assert float(wrapped(labels, embeddings)) < value


@pytest.mark.parametrize("loss", [ArcFace, CenterLoss, ASoftmax])
def test_a_classifier_loaded_from_a_keras_file_goes_on_as_if_never_saved(loss, tmp_path):
    images, labels = images_and_labels()
    model = compiled(None, model=MarginClassifier(network(), loss(*STATE)))
    model.fit(images, labels, verbose=0)
    model.save(tmp_path / "classifier.keras")
    copy = keras.models.load_model(tmp_path / "classifier.keras")
    embeddings = model.predict(images, verbose=0)
    np.testing.assert_array_equal(copy.predict(images, verbose=0), embeddings)
    for new, old in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    if hasattr(model.margin_loss, "logits"):
        np.testing.assert_array_equal(*(to_numpy(m.margin_loss.logits(embeddings)) for m in (copy, model)))
    model.reset_metrics()  # Up to Keras 3.4, a batch after `fit` reports the mean with those before.
    for _ in range(2):
        after = [float(m.train_on_batch(images, labels)) for m in (copy, model)]
        assert after[0] == pytest.approx(after[1], rel=1e-6)
    for new, old in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-6)


def test_a_classifier_trains_its_embedder_in_training_mode_and_with_its_penalties():
    layers = [keras.Input((6,)), keras.layers.Dense(DIM, kernel_regularizer="l2"), keras.layers.BatchNormalization()]
    embedder, loss = keras.Sequential(layers), ArcFace(*STATE)
    model = compiled(None, model=MarginClassifier(embedder, loss))
    images, labels = images_and_labels()
    penalty = 0.01 * np.square(to_numpy(embedder.layers[0].kernel)).sum()
    expected = float(loss(labels, embedder(images, training=True))) + penalty
    before = to_numpy(embedder.layers[1].moving_mean)
    assert float(model.train_on_batch(images, labels)) == pytest.approx(expected, rel=1e-5)
    assert np.abs(to_numpy(embedder.layers[1].moving_mean) - before).max() > 0


def test_every_loss_minds_where_it_is_used():
    assert all(isinstance(make(variant), LossLayer) for variant in VARIANTS)
