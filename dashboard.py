"""What TensorBoard shows of a run beyond the scalars of Keras' own callback."""

import keras
import numpy as np
import tensorflow as tf


class EpochScalars(keras.callbacks.TensorBoard):
    """One scalar per epoch and log entry, under the same tag for training and validation.

    Keras' callback also writes every validation score a second time, under tags of its own.

    Args:
        run_path: Folder of the run.
        distributions: Dict from a tag to numbers that are drawn as a histogram after each
            epoch, with the validation scores; another callback fills it.
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


def write_summary(run_path, step, scalars=None, figures=None, texts=None):
    """Writes test scores, pictures and texts into the run's own folder.

    Args:
        run_path: Folder of the run.
        step: Epoch they belong to.
        scalars: Dict from a tag to a number; None is left out.
        figures: Dict from a tag to a matplotlib figure.
        texts: Dict from a tag to Markdown.
    """
    writer = tf.summary.create_file_writer(str(run_path))
    with writer.as_default(step):
        for tag, value in (scalars or {}).items():
            if value is not None:
                tf.summary.scalar(tag, value)
        for tag, figure in (figures or {}).items():
            tf.summary.image(tag, pixels(figure)[None])
        for tag, text in (texts or {}).items():
            tf.summary.text(tag, text)
    writer.close()


def pixels(figure):
    """A figure as an array `(height, width, 4)`, uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())
