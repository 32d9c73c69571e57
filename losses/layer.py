"""The layer that every loss is."""

import functools
import inspect
import sys
import warnings

import keras
from keras import ops

from .arguments import plain
from .labels import are_class_numbers, check_shapes, class_ids


class LossLayer(keras.Layer):
    """A layer that is called as `loss(labels, embeddings)` and returns a scalar.

    To Keras, a loss in `compile(loss=...)` is a function: its class weights or centers would stay
    where they start, without a word. A loss that has some refuses to be used so.

    A scalar has no samples to weigh: `sample_weight` and `class_weight` would scale the step of the
    whole batch, and are refused. Where Keras does not see the call, in a `compute_loss` of your
    own, refuse them there, as MarginClassifier in the README and MetricModel in models.py do.

    Labels that are no class numbers (`labels.py`) raise; in a compiled step they make the loss NaN,
    with gradients of 0, and the loss leaves its own state as it was.

    A margin, a scale or another number may be changed while training: after it call the model's
    `make_train_function(force=True)`, since a compiled step keeps the old one. A warning says so.
    What is saved is the number as it is then; of a subclass, what it takes by name or was made with.
    """

    num_classes = None  # Of a loss with something for each class: its labels are to be below.
    compiled = False  # Whether it has been in a step that keeps the numbers it was compiled with.
    _right = True  # Whether the labels of this call are; in a compiled step only the step itself knows.

    def __new__(cls, *args, **kwargs):
        """Keras records here what a layer is made with, and cannot save NumPy's numbers."""
        args, kwargs = keras.tree.map_structure(plain, (args, kwargs))
        return super().__new__(cls, *args, **kwargs)

    def __call__(self, labels, embeddings, **kwargs):
        refuse_replicas(type(self).__name__)
        _refuse_sample_weights(self)
        _refuse_state_that_nothing_trains(self)
        if not self.trainable:
            kwargs["training"] = False  # Frozen are its centers too, as the averages of batch normalisation are.
        if isinstance(labels, keras.KerasTensor):
            return super().__call__(labels, embeddings, **kwargs)
        numbers = class_ids(labels, embeddings)
        right = are_class_numbers(labels, self.num_classes)
        if right is True:
            return super().__call__(numbers, embeddings, **kwargs)
        self._note_that_it_is_compiled()
        # Compiled: a wrong label makes the loss NaN, with gradients of 0, and its state stays.
        self._right = right
        try:
            value = super().__call__(ops.where(right, numbers, ops.zeros_like(numbers)), embeddings, **kwargs)
        finally:
            self._right = True
        return ops.where(right, value, ops.full_like(value, float("nan")))

    def compute_output_spec(self, labels, embeddings, **kwargs):
        """Of symbolic tensors Keras asks `call`, which is to get class numbers here too."""
        check_shapes(labels, embeddings)
        numbers = keras.KerasTensor(labels.shape[:1], "int32")
        return super().compute_output_spec(numbers, embeddings, **kwargs)

    def if_right(self, change):
        """A change of the loss's own state; 0, or False, in a compiled step whose labels turn out to be wrong."""
        return change if self._right is True else ops.where(self._right, change, ops.zeros_like(change))

    def _note_that_it_is_compiled(self):
        frame = _nearest_frame(keras.Model.compute_loss)  # Keras traces a loss once to build a model that runs eagerly.
        # PyTorch's compiler looks whether a number has changed, and compiles anew.
        if keras.backend.backend() != "torch" and not (frame and frame.f_locals["self"].run_eagerly):
            self.compiled = True

    def __setattr__(self, name, value):
        old, value = vars(self).get(name), plain(value)
        if hasattr(old, "assign") and not hasattr(value, "assign"):
            old.assign(value)
            return
        kinds = [kind for kind in type(self).__mro__ if name in _arguments(kind)] if name in vars(self) else ()
        if kinds and value != old:
            # Keras has none of a subclass made with what it cannot save. A variable is a weight, and saved as such.
            config = {} if self._auto_config is None else self._auto_config.config
            # A subclass may fix what its base class takes.
            if (name in config or type(self) in kinds) and isinstance(value, int | float | str | tuple | list):
                config[name] = keras.tree.map_structure(plain, value)  # Of this Keras makes what `get_config` returns.
            if self.compiled:
                warn_of_the_old(name, type(self).__name__)
        super().__setattr__(name, value)

    def stateless_call(
        self, trainable_variables, non_trainable_variables, labels, embeddings, return_losses=False, **kwargs
    ):
        """As that of Keras, but like `__call__`: for embeddings of any dtype, and every loss takes `training`."""
        variables = [*self.trainable_variables, *self.non_trainable_variables]
        values = [*trainable_variables, *non_trainable_variables]
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
            value = self(labels, embeddings, **kwargs)
        following = [scope.get_current_value(weight) for weight in self.non_trainable_variables]
        return (value, following, []) if return_losses else (value, following)  # No loss has a regularizer.


@functools.cache
def _arguments(kind):
    """What a loss is made with by a class itself, by name; what every layer is made with is nothing of a loss."""
    is_own = issubclass(kind, LossLayer) and "__init__" in vars(kind)
    return frozenset(inspect.signature(kind.__init__).parameters if is_own else ())


def warn_of_the_old(name, owner):
    """Warns of a number that is changed after a step was compiled; called where it is set."""
    warnings.warn(
        f"The step that is compiled keeps the old `{name}` of {owner}. After it is changed call the model's "
        "`make_train_function(force=True)`, or compile your own step anew.",
        stacklevel=3,
    )


def refuse_replicas(what):
    """Raises if TensorFlow gives each of several replicas a part of the batch.

    Pairs across the parts would be missing, centers would follow one part alone, and Keras sums what the replicas
    return. JAX's `DataParallel` divides the arrays, not the program: there a loss sees the whole batch.
    """
    if keras.backend.backend() != "tensorflow":
        return
    replicas = sys.modules["tensorflow"].distribute.get_strategy().num_replicas_in_sync
    if replicas > 1:
        raise ValueError(
            f"{what} needs the whole batch, and a tf.distribute strategy shows each of {replicas} replicas a part. On "
            "several devices use JAX: `KERAS_BACKEND=jax`, and "
            "`keras.distribution.set_distribution(keras.distribution.DataParallel())` before the model is made."
        )


def _refuse_sample_weights(loss):
    frame = _nearest_frame(keras.losses.Loss.__call__, keras.Model.compute_loss)
    weights = frame.f_locals.get("sample_weight") if frame else None
    if any(weight is not None for weight in keras.tree.flatten(weights)):
        raise ValueError(
            f"{type(loss).__name__} takes no `sample_weight` and no `class_weight`: it is one number for the batch, "
            "and they would scale its step, not weigh its samples. Draw the samples that are to count more more often, "
            "and those that are to count for nothing not at all; `loss_weights` weigh whole losses."
        )


def _refuse_state_that_nothing_trains(loss):
    frame = _nearest_frame(keras.Model.compute_loss) if loss.weights else None
    if frame is None:
        return
    model = frame.f_locals["self"]
    # Of a model that is frozen as a whole nothing is trained, nor meant to be.
    kept = model.trainable_variables if model.trainable else model.variables
    trained = {id(variable) for variable in kept}
    left = [weight.name for weight in loss.weights if id(weight) not in trained]
    if left:
        raise ValueError(
            f"{type(loss).__name__} in `compile(loss=...)` is a function to Keras: nothing would train its "
            f"{' and '.join(left)}. Make it a layer of the model that the model's "
            "`compute_loss` calls, as MarginClassifier in the README and MetricModel in models.py do."
        )


def _nearest_frame(*functions):
    """The innermost call of one of some functions of Keras that leads here, or None.

    The losses of `compile` are computed in Keras' own `compute_loss` alone, on every backend, traced or not. Whatever
    wraps a loss, a lambda or a `keras.losses.Loss`, that is on the stack; a model that calls the loss itself has a
    `compute_loss` of its own.
    """
    if keras.backend.backend() == "torch" and sys.modules["torch"].compiler.is_compiling():
        return None  # Its compiler cannot look at the stack; Keras has called the loss once before, to build the model.
    codes = {function.__code__ for function in functions}
    frame = sys._getframe()
    while frame is not None and frame.f_code not in codes:
        frame = frame.f_back
    return frame
