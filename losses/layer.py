"""The layer that every loss is."""

import inspect
import sys

import keras
from keras import ops


class LossLayer(keras.Layer):
    """A layer that is called as `loss(labels, embeddings)` and returns a scalar.

    To Keras, a loss in `compile(loss=...)` is a function: its class weights or centers would stay
    where they start, without a word. A loss that has some refuses to be used so.
    """

    def __call__(self, *args, **kwargs):
        model = _model_at_its_compiled_losses() if self.weights else None
        if model is not None:
            # Of a model that is frozen as a whole nothing is trained, nor meant to be.
            kept = model.trainable_variables if model.trainable else model.variables
            trained = {id(variable) for variable in kept}
            left = [weight.name for weight in self.weights if id(weight) not in trained]
            if left:
                raise ValueError(
                    f"{type(self).__name__} in `compile(loss=...)` is a function to Keras: nothing would train its "
                    f"{' and '.join(left)}. Make it a layer of the model that the model's "
                    "`compute_loss` calls, as MarginClassifier in the README and MetricModel in models.py do."
                )
        return super().__call__(*args, **kwargs)

    def stateless_call(self, trainable_variables, non_trainable_variables, labels, embeddings, **kwargs):
        """As that of Keras, but like `__call__`: for embeddings of any dtype, and every loss takes `training`."""
        if "training" not in inspect.signature(self.call).parameters:
            kwargs.pop("training", None)
        embeddings = ops.convert_to_tensor(embeddings, self.compute_dtype)
        return super().stateless_call(trainable_variables, non_trainable_variables, labels, embeddings, **kwargs)


def _model_at_its_compiled_losses():
    """The model whose losses of `compile` are being computed, or None.

    Keras does so in its own `compute_loss` alone, on every backend, traced or not. Whatever wraps a loss, a lambda
    or a `keras.losses.Loss`, that is on the stack; a model that calls the loss itself has a `compute_loss` of its own.
    """
    if keras.backend.backend() == "torch" and sys.modules["torch"].compiler.is_compiling():
        return None  # Its compiler cannot look at the stack; Keras has called the loss once before, to build the model.
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code is keras.Model.compute_loss.__code__:
            return frame.f_locals["self"]
        frame = frame.f_back
    return None
