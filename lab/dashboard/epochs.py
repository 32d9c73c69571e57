"""What TensorBoard shows of a run while it trains."""

import time

import keras
import numpy as np
from tensorboard.plugins.histogram.summary_v2 import histogram_pb

from lab.files import naming, save_bytes

from .events import scalars, write_events

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
        self.file = self.path / f"events.out.tfevents.{time.time_ns()}.epochs"

    def on_epoch_end(self, epoch, logs):
        histograms = [histogram_pb(f"histogram/{name}", values) for name, values in self.distributions.items()]
        summaries = [*scalars(curves(logs, self.model.terms)), *histograms]
        with naming(self.file), open(self.file, "ab") as file:  # Closed at once: an open page follows.
            write_events(file, [(epoch + 1, summary) for summary in summaries])


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
