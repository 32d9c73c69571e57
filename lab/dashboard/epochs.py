"""What TensorBoard shows of a run while it trains."""

import keras
import numpy as np
import tensorflow as tf

from lab.files import save_bytes

from .events import raising_os_errors

# Of the state of one term alone. The others fill the twelve charts that TensorBoard shows of a group.
OF_A_TERM = {"annealing", "center_drift", "radius", "scale"}


class EpochCurves(keras.callbacks.Callback):
    """Writes the logs of every epoch as curves, and what `distributions` holds as histograms: `Health` fills it.

    All goes into the folder of the run itself, so that a loss is one line of one colour in every chart.
    """

    def __init__(self, path, distributions):
        super().__init__()
        self.path = path
        self.distributions = distributions

    @property
    def state(self):
        """Dict from the files of its events to their bytes."""
        return {path.name: np.fromfile(path, np.uint8) for path in self.path.glob("*tfevents*")}

    @state.setter
    def state(self, state):
        for name, content in state.items():
            save_bytes(self.path / name, content.tobytes())

    def on_train_begin(self, logs=None):
        with raising_os_errors(self.path):
            self.writer = tf.summary.create_file_writer(str(self.path))

    def on_epoch_end(self, epoch, logs):
        with raising_os_errors(self.path), self.writer.as_default(step=epoch + 1):
            for tag, value in curves(logs, self.model.terms).items():
                tf.summary.scalar(tag, value)
            for name, values in self.distributions.items():
                tf.summary.histogram(f"histogram/{name}", values)
            self.writer.flush()  # An open page follows.

    def on_train_end(self, logs=None):
        with raising_os_errors(self.path):
            self.writer.close()


def curves(logs, terms):
    """Dict from a tag to a number of the logs of an epoch.

    TensorBoard shows what is before the slash as a group, and opens the first two: the `terms` of a loss, which others
    do not have, are a group of their own. A single term is the loss itself.
    """
    shown = {}
    for name, value in logs.items():
        measured = name.removeprefix("val_")
        if measured in terms and len(terms) == 1:
            continue
        group = "term" if measured in terms or measured in OF_A_TERM else "epoch"
        # What is measured on the validation images alone needs no word for it.
        part = "validation_" if measured != name and measured in logs else ""
        shown[f"{group}/{part}{measured}"] = value
    return shown
