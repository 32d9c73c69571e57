"""Numbers of a loss that change while training: a compiled step keeps the old ones until it is made anew."""

import inspect
import json
import pathlib
import re
import warnings

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy

from losses import AdaCos, ASoftmax, CosFace, TripletLoss
from models import MetricModel
from tests.losses.test_every_loss import STATE, VARIANTS, batch, images_and_labels, make
from tests.losses.test_in_a_model import MarginClassifier, compiled, every_mode, network

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore:The step that is compiled keeps")


class Grow(keras.callbacks.Callback):
    """As in the README, for any number."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def on_epoch_begin(self, epoch, logs=None):
        self.change(self.model, 0.1 * epoch)
        self.model.make_train_function(force=True)


def margin_of_compiled_loss(model, value):
    model.loss.margin = value


def margin_of_layer(model, value):
    model.margin_loss.margin = value


def margin_of_term(model, value):
    model.terms["triplet"].margin = value


def weight_of_term(model, value):
    model.term_weights["triplet"] = value


def triplets():
    return TripletLoss(0.0, "batch_hard", normalize=False)


CASES = {
    "compile": (network, margin_of_compiled_loss),
    "README": (lambda: MarginClassifier(network(), CosFace(*STATE, margin=0.0)), margin_of_layer),
    "MetricModel": (lambda: MetricModel(network(), {"triplet": (1.0, triplets())}), margin_of_term),
    "a term's weight": (lambda: MetricModel(network(), {"triplet": (0.0, triplets())}), weight_of_term),
}


@every_mode
@pytest.mark.parametrize("case", CASES)
def test_a_callback_changes_a_number_of_a_model_that_is_training(case, mode):
    make, change = CASES[case]
    images, labels = images_and_labels()
    model = compiled(triplets() if case == "compile" else None, mode, make())
    model.optimizer.learning_rate = 0.0
    options = {"batch_size": 64, "epochs": 3, "verbose": 0}
    found = model.fit(images, labels, callbacks=[Grow(change)], **options).history["loss"]
    expected = []
    for epoch in range(3):  # A model whose step has never been made knows no other number.
        change(model, 0.1 * epoch)
        model.compile(keras.optimizers.SGD(0.0), loss=model.loss, run_eagerly=True)
        expected.append(model.evaluate(images, labels, batch_size=64, verbose=0, return_dict=True)["loss"])
    assert found == pytest.approx(expected, rel=1e-5)
    assert len(set(np.round(found, 4))) == 3


@every_mode
@pytest.mark.parametrize("case", ["compile", "a term's weight"])
def test_what_has_been_compiled_warns_of_a_change(case, mode):
    make, change = CASES[case]
    model = compiled(triplets() if case == "compile" else None, mode, make())
    change(model, 0.1)
    model.train_on_batch(*images_and_labels())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        change(model, 0.1)  # No change.
        assert not caught
        change(model, 0.2)
    backend = keras.backend.backend()
    # PyTorch compiles anew by itself; JAX without XLA compiles nothing, but Keras has once traced a loss in `compile`.
    follows = backend == "torch" or (backend == "jax" and mode == "compiled" and case != "compile")
    expected = mode != "eager" and not follows
    found = [(pathlib.Path(w.filename).name, "make_train_function(force=True)" in str(w.message)) for w in caught]
    assert found == [("test_schedules.py", True)] * expected


def arguments(loss):
    """What the loss was made with, by name."""
    defaults = {name: p.default for name, p in inspect.signature(type(loss).__init__).parameters.items()}
    return defaults | loss.get_config()


NUMBERS = {
    (type(loss), name): variant
    for variant, loss in ((variant, make(variant)) for variant in reversed(VARIANTS))
    for name, value in arguments(loss).items()
    if type(value) in (int, float) and name not in ("num_classes", "embedding_dim", "sub_centers")
}


def in_training(loss):
    """Value and weights after a training call."""
    labels, embeddings = batch()
    value = float(loss(labels, embeddings.astype("float32"), training=True))
    return np.concatenate([[value], *(weight.ravel() for weight in loss.get_weights())])


@pytest.mark.parametrize(("name", "variant"), [(name, variant) for (_, name), variant in NUMBERS.items()])
def test_a_loss_whose_number_is_changed_and_its_copy_are_as_one_made_with_it(name, variant):
    loss, old = make(variant), make(variant)
    value = arguments(loss)[name]
    value = value - 1 if type(value) is int else 0.7 * value
    setattr(loss, name, np.float64(value) if type(value) is float else np.int64(value))
    copy, new = type(loss).from_config(loss.get_config()), type(loss).from_config(old.get_config() | {name: value})
    json.dumps(loss.get_config())
    weights = loss.get_weights()
    for other in (copy, old, *([] if name == "radius" else [new])):  # The radius is a weight, as it starts at it.
        other.set_weights(weights)
    expected = in_training(new)
    for found in (loss, copy):
        np.testing.assert_allclose(in_training(found), expected, rtol=1e-6)
    if name not in ("epsilon", "radius"):  # An epsilon hardly counts in a batch like this one.
        assert not np.allclose(in_training(old), expected, rtol=1e-6)


def test_numbers_that_are_changed_together_are_saved():
    loss = ASoftmax(*STATE)
    loss.annealing = np.float64(10), 0.1, 1, 0
    json.dumps(loss.get_config())
    assert ASoftmax.from_config(loss.get_config()).annealing == (10, 0.1, 1, 0)


class OfHardest(TripletLoss):
    """A loss that fixes an argument of its base class and takes the others."""

    def __init__(self, **others):
        super().__init__(mining="batch_hard", **others)


def test_a_number_of_a_base_class_that_was_given_is_saved_and_warned_of_too():
    loss = OfHardest(margin=0.1)
    loss.margin = 0.3
    assert OfHardest.from_config(loss.get_config()).margin == 0.3
    loss.compiled = True
    for name, value in (("margin", 0.4), ("mining", "semi_hard")):
        with pytest.warns(UserWarning, match=f"keeps the old `{name}` of OfHardest"):
            setattr(loss, name, value)
    assert OfHardest.from_config(loss.get_config()).mining == "batch_hard"  # It takes no other.


def test_a_number_that_is_a_weight_is_assigned():
    loss = AdaCos(*STATE)
    loss.scale = 3.0
    assert [float(to_numpy(weight)) for weight in loss.non_trainable_variables] == [3.0]


@every_mode
def test_nothing_warns_of_what_keras_or_training_changes(mode):
    model = compiled(
        None, mode, MetricModel(network(), {"annealed": (1.0, ASoftmax(*STATE)), "scale": (1.0, AdaCos(*STATE))})
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*images_and_labels(), verbose=0)
        model.evaluate(*images_and_labels(), verbose=0)


def test_the_margin_of_the_readme_grows_and_is_saved(tmp_path):
    model = compiled(None, "compiled", MarginClassifier(network(), CosFace(*STATE, margin=0.0)))
    (example,) = re.findall(
        r"```python\n(class GrowMargin.*?)```", (ROOT / "losses/README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    names = {"keras": keras}
    exec(example, names)
    model.optimizer.learning_rate = 0.0
    found = model.fit(*images_and_labels(), epochs=7, batch_size=64, verbose=0, callbacks=[names["GrowMargin"]()])
    losses = np.array(found.history["loss"])
    assert (np.diff(losses)[:4] > 0.01).all()
    np.testing.assert_allclose(losses[5:], losses[4], rtol=1e-5)
    model.save(tmp_path / "classifier.keras")
    assert keras.models.load_model(tmp_path / "classifier.keras").margin_loss.margin == 0.5
