"""TensorBoard, as the log has it."""

from .comparison import write_comparison
from .epochs import EpochCurves
from .projector import write_projector
from .run import write_run


class Dashboard:
    """Writes what TensorBoard shows."""

    hint = "TensorBoard: tensorboard --logdir {}"

    def callbacks(self, folder, health):
        """Keras callbacks that write the curves and histograms of each epoch, as `Health` measures them."""
        return [EpochCurves(folder.path, health.distributions)]

    def run(self, folder, run, pictures, data):
        """Shows a `Run` that ended, with its `Picture`s; the projector's thumbnails are images of the `Dataset`."""
        if not run.failure:
            write_projector(folder.path, run, data.shown_images(run.arrays["tsne_indices"]))
        write_run(folder, run, pictures)

    comparison = staticmethod(write_comparison)
