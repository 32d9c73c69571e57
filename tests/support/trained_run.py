"""The folder of a run of a small network on few digits, as a command leaves it, and its test images as files."""

import pytest
from PIL import Image
from support.small_network import few_digits, small_settings, trained

from lab import maps
from lab.measure import measure, measure_pixels
from lab.protocols import PROTOCOLS
from lab.run_folder import RunFolder

UNSEEN = PROTOCOLS["open"].splits("digits", 10)[0]


def silent(stage):
    pass


def write_trained(path, data=None, loss="center", held_out=(), **changes):
    """Trains and writes a run.

    Args:
        path: Folder of the results of the data set.
        data: `Dataset`; None for few digits.
        loss: Name of the loss.
        held_out: Numbers of the classes that are not trained on: none, or `UNSEEN`.
        changes: Of the `Settings`.

    Returns:
        The folder of the run, and the `Dataset` it was trained and judged on.
    """
    split = {"protocol": "open", "split": 0} if held_out else {}
    settings = small_settings(loss, **{"perplexity": 10.0, "tsne_iterations": 300, "epochs": 8} | split | changes)
    data = (data or few_digits()).hold_out(held_out)
    folder = RunFolder(path / settings.folder)
    folder.start(settings, "python main.py", data.source)
    model, training = trained(settings, data)
    folder.save_model(model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "POINTS", 100)
        selection = measure_pixels(data, settings.of_pixels(), silent).selection()
        folder.save(measure(model, data, selection, settings, silent).trained(training))
    return folder.path, data


def write_images(path, images, names=None):
    """Writes images `(n, height, width, channels)` as PNG files and gives their paths, in the order of the images."""
    path.mkdir(parents=True, exist_ok=True)
    files = [path / f"{name}.png" for name in names or (f"{number:04d}" for number in range(len(images)))]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(file)
    return files
