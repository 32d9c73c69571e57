"""Batch normalisation: fused, and its averages from the start of training."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="models")
class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalisation over the last axis, computed by TensorFlow's fused op where there is one.

    Keras' own layer normalises in several passes in float32; the fused op reads bfloat16
    and makes the whole training step of a small CNN up to twice as fast on a CPU. Weights and
    results are those of `keras.layers.BatchNormalization`, and so is all else: on another
    backend, or for inputs that are not images, this is that layer.
    """

    def call(self, inputs, training=None, mask=None):
        if keras.backend.backend() != "tensorflow" or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        from tensorflow.compat.v1.nn import fused_batch_norm

        scale, offset = (ops.cast(w, "float32") for w in (self.gamma, self.beta))
        moving_mean, moving_variance = (ops.cast(w, "float32") for w in (self.moving_mean, self.moving_variance))
        if not (training and self.trainable):
            return fused_batch_norm(
                inputs, scale, offset, moving_mean, moving_variance, self.epsilon, is_training=False
            )[0]
        outputs, mean, variance = fused_batch_norm(inputs, scale, offset, epsilon=self.epsilon, is_training=True)
        count = ops.cast(ops.prod(ops.shape(inputs)[:3]), "float32")
        # The op returns the unbiased variance, Keras averages the biased one.
        variance = variance * (count - 1) / count
        self.moving_mean.assign(moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(moving_variance * self.momentum + variance * (1 - self.momentum))
        return outputs


def start_averages(embedder, images):
    """Starts the averages of batch normalisation at what the network makes of some images.

    Keras starts them at 0 and 1. After a short training they would still be far from what they
    average, and everything measured with them off; weights and random states stay as they are.
    """
    normalizations = [layer for layer in embedder.layers if isinstance(layer, layers.BatchNormalization)]
    averages = {id(weight) for layer in normalizations for weight in layer.non_trainable_variables}
    others = [w for w in embedder.non_trainable_variables if id(w) not in averages]  # Dropout's random states.
    before = [ops.copy(weight.value) for weight in others]
    momenta = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0
    embedder(images, training=True)
    for layer, momentum in zip(normalizations, momenta, strict=True):
        layer.momentum = momentum
    for weight, value in zip(others, before, strict=True):
        weight.assign(value)
