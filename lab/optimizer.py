"""The optimizers of every training."""

import keras
from keras import ops

STEP = 0.4  # Root mean square of a step of Muon, in learning rates; of AdamW it is 0.2 or so.


class _OneDevice:
    """Lets an optimizer of Keras leave nothing behind when its model is gone.

    Keras sums gradients over devices by an operation with a gradient of its own, which TensorFlow never forgets, nor
    the whole graph around it: 17,000 objects, 10 MB and more of every training. On one device there is no sum.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars):
        from tensorflow import distribute  # On the other backends nothing calls this.

        replicas = distribute.get_replica_context()
        if replicas is not None and replicas.num_replicas_in_sync > 1:
            return super()._all_reduce_sum_gradients(grads_and_vars)
        return list(grads_and_vars)


class AdamW(_OneDevice, keras.optimizers.AdamW):
    """Keras' own."""


class Muon(_OneDevice, keras.optimizers.Muon):
    """Keras' Muon for the kernels of convolutions, AdamW for all else: nearly as good in half as many epochs.

    A kernel `(height, width, channels, filters)` is a matrix with a column for each filter. A step moves it in all its
    directions equally far, where those of a gradient are mostly in a few.

    Args:
        learning_rate: Number or schedule, of both.
        weight_decay: Share of a weight that a step takes off, in learning rates.
    """

    def __init__(self, learning_rate, weight_decay):
        super().__init__(learning_rate, weight_decay=weight_decay, adam_weight_decay=weight_decay, rms_rate=STEP)

    def _should_use_adamw(self, variable):
        return len(variable.shape) != 4 or variable.shape[-1] == 1  # Filters of one channel each are no matrix.

    def zeropower_via_newtonschulz5(self, x, steps):
        return ops.reshape(super().zeropower_via_newtonschulz5(_matrix(x), steps), x.shape)

    def lr_adjust(self, x):
        return ops.reshape(super().lr_adjust(_matrix(x)), x.shape)


def _matrix(kernel):
    return ops.reshape(kernel, (-1, kernel.shape[-1]))


OPTIMIZERS = {"muon": Muon, "adamw": AdamW}
