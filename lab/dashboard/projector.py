"""Files of TensorBoard's projector: embeddings that can be turned, with a thumbnail of every image."""

import io
import json
import math

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from evaluation.vectors import l2_normalize, row_blocks, squared_distances
from lab.files import save_bytes
from lab.pixels import reduced

CONFIG = "projector_config.pbtxt"
SIDE = 48  # Pixels, at most, of a thumbnail: graphics cards take pictures of 8,192, and there are 45 in a row.
NO_COLOR = "No color map"  # What the projector calls it.
IN_SPACE = {"orthographic": False, "position": [0.5, 0.7, 1.6], "target": [0, 0, 0], "zoom": 1}
FROM_ABOVE = {"orthographic": True, "position": [0, 0, 10], "target": [0, 0, 0], "zoom": 1.1}


def write_projector(folder, run, images):
    """Writes the embeddings of the images that a `Run` shows, and its t-SNE map if it has one, as tensors.

    Each has a bookmark of a view, in the colours of the classes, or of the images if they have their own. Everything
    lies in the folder itself: TensorBoard reads nothing from outside of it, and looks for these files whenever it finds
    a new run. `images`, `(n, h, w, c)`, are those shown.
    """
    embeddings, columns = _described(run)
    images = reduced(images, SIDE)
    color_by, seen = _colored(columns, images)
    centered = embeddings - embeddings.mean(axis=0)
    components = centered @ np.linalg.svd(centered, full_matrices=False)[2][:3].T
    tensors = {"embedding": (embeddings, _bookmark(f"PCA{seen}", embeddings, components, color_by))}
    if "tsne_test" in run.arrays:
        layout = run.arrays["tsne_test"]
        tensors["t-SNE map"] = layout, _bookmark(f"t-SNE{seen}", layout, layout, color_by)
    config = ProjectorConfig()
    for name, (tensor, bookmark) in tensors.items():
        stem = "projector_" + name.replace("-", "").replace(" ", "_").lower()
        save_bytes(folder / f"{stem}.tsv", _table([f"{x:.5g}" for x in row] for row in tensor))
        save_bytes(folder / f"{stem}_bookmark.json", json.dumps([bookmark]).encode())
        entry = config.embeddings.add(
            tensor_name=name,
            tensor_path=f"{stem}.tsv",
            bookmarks_path=f"{stem}_bookmark.json",
            metadata_path="projector_images.tsv",
        )
        entry.sprite.image_path = "projector_thumbnails.png"
        entry.sprite.single_image_dim.extend(images.shape[2:0:-1])  # The width first.
    save_bytes(folder / "projector_images.tsv", _table([columns, *zip(*columns.values(), strict=True)]))
    save_bytes(folder / "projector_thumbnails.png", _as_png(thumbnails(images)))
    save_bytes(folder / CONFIG, text_format.MessageToString(config).encode())


def _described(run):
    """The normalised embeddings of the images shown, and what is known of each: first what gives colour and label."""
    arrays, indices = run.arrays, run.arrays["tsne_indices"]
    names = [_label(name) for name in run.class_names]
    tested = [arrays[name] for name in ("test_embeddings", "unknown_embeddings") if name in arrays]
    embeddings, labels = l2_normalize(np.concatenate(tested)[indices]), arrays["tsne_test_labels"]
    known = labels < len(run.known_names)
    predictions, centers, away = labels.copy(), labels.copy(), np.empty(len(labels))
    predictions[known] = arrays["test_predictions"][indices[known]]
    for rows in row_blocks(len(labels), len(arrays["class_means"])):
        distances = np.sqrt(squared_distances(embeddings[rows], arrays["class_means"]))
        nearest = distances.argmin(axis=1)
        predictions[rows] = np.where(known[rows], predictions[rows], nearest)
        centers[rows] = np.where(known[rows], labels[rows], nearest)  # Of an unknown class, the nearest.
        away[rows] = distances[np.arange(len(distances)), centers[rows]]
    correct = np.where(known, np.where(labels == predictions, "yes", "no"), "class never seen")
    columns = {"class": [names[label] for label in labels]}
    if "colored_classes" in arrays:  # The projector has colours for fifty values.
        colored = set(arrays["colored_classes"].tolist())
        columns["class in colour"] = [names[label] if label in colored else "another" for label in labels.tolist()]
    return embeddings, columns | {
        "predicted": [names[label] for label in predictions],
        "correct": correct.tolist(),
        "distance to class mean": [f"{x:.4f}" for x in away],
        "test image": indices.tolist(),
    }


def _label(name):
    """The name of a class on one line: a number would be no label."""
    return f"class {name}" if name.rstrip("*").isdecimal() else " ".join(name.split())


def _colored(columns, images):
    """By which column the points are coloured, and what the name of a view says of it.

    The projector multiplies thumbnails with the colour, which would falsify those that have their own.
    """
    if images.shape[3] > 1:
        return NO_COLOR, ""
    return ("class in colour" if "class in colour" in columns else "class"), ", coloured by class"


def thumbnails(images):
    """One picture of all images, row by row, as many in a row as there are rows; light and dark are swapped if grey.

    The projector multiplies it with the colour of the class: a black digit on a tile of its colour.
    """
    count, height, width, channels = images.shape
    rows = math.ceil(math.sqrt(count))
    tiles = np.zeros((rows * rows, height, width, channels), np.uint8)
    tiles[:count] = images if channels > 1 else 255 - images
    sheet = tiles.reshape(rows, rows, height, width, channels).swapaxes(1, 2)
    return sheet.reshape(rows * height, rows * width, channels)


def _as_png(pixels):
    """Pixels `(height, width, channels)` as a PNG."""
    content = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(content, "PNG")
    return content.getvalue()


def _bookmark(label, tensor, coordinates, color_by):
    """A state of the projector as it saves one itself; what it holds beside the view is its state at the start."""
    scaled = coordinates / (np.abs(coordinates).max() or 1)
    dimensions = range(coordinates.shape[1])
    custom = {
        f"custom{axis}{kind}": start
        for axis in ("XLeft", "XRight", "YUp", "YDown")
        for kind, start in (("Text", ""), ("Regex", False))
    }
    return {
        "label": label,
        "isSelected": False,
        "selectedProjection": "pca",
        "pcaComponentDimensions": list(dimensions),
        "projections": [{f"pca-{i}": round(float(point[i]), 4) for i in dimensions} for point in scaled],
        "dataSetDimensions": list(tensor.shape),
        "cameraDef": IN_SPACE if len(dimensions) == 3 else FROM_ABOVE,
        "selectedColorOptionName": color_by,
        "selectedLabelOption": "class",
        "forceCategoricalColoring": False,
        "selectedPoints": [],
        "filteredPoints": None,
        "tSNEIteration": 0,
        "tSNEPerplexity": 12,
        "tSNELearningRate": 1,
        "tSNEis3d": True,
        "umapIs3d": True,
        "umapNeighbors": 15,
        "umapMinDist": 0.1,
        "customSelectedSearchByMetadataOption": "class",
        **custom,
    }


def _table(rows):
    return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()
