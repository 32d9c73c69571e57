"""What TensorBoard shows of a run while it trains."""

import keras
import tensorflow as tf


class EpochScalars(keras.callbacks.TensorBoard):
    """One scalar per epoch and log entry, under the same tag for training and validation.

    Keras' callback also writes every validation score a second time, under tags of its own. What `distributions`, a
    dict from a tag to numbers, holds after an epoch is drawn as histograms: `Health` fills it.
    """

    def __init__(self, run_path, distributions):
        super().__init__(str(run_path), write_graph=False)
        self.distributions = distributions

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        with self._val_writer.as_default(step=epoch):
            for tag, values in self.distributions.items():
                tf.summary.histogram(tag, values)

    def on_test_end(self, logs=None):
        self._pop_writer()
