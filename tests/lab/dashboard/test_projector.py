"""The projector's files: what TensorBoard's own parser makes of them, and that all lies in the folder."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from google.protobuf import text_format
from matplotlib.image import imread
from support.runs import make_run
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from lab.dashboard.projector import CONFIG, thumbnails, write_projector

SHOWN = np.array([0, 2, 3, 5, 6, 8, 9])  # Of ten test images.
N, SIDE = len(SHOWN), 4
RNG = np.random.default_rng(0)
EMBEDDINGS, LAYOUT = 3 * RNG.normal(size=(10, 5)), 40 * RNG.normal(size=(N, 2))
LABELS = np.arange(10) % 3
MEANS = RNG.normal(size=(10, 5))
IMAGES = RNG.integers(0, 256, (N, SIDE, SIDE, 1), np.uint8)
NORMALIZED = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
ARRAYS = {
    "test_embeddings": EMBEDDINGS,
    "test_labels": LABELS,
    "test_predictions": np.where(LABELS == 1, 7, LABELS),  # Not by the nearest mean: by the loss's own classifier.
    "class_means": MEANS,
    "tsne_indices": SHOWN,
    "tsne_test": LAYOUT,
    "tsne_test_labels": LABELS[SHOWN],
}


def write(path, images=IMAGES, **changes):
    write_projector(path, make_run(arrays=ARRAYS | changes), images)


def read_columns(path):
    """Dict from what is known of the images to its values."""
    with open(path / "projector_images.tsv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.fixture
def config(tmp_path):
    write(tmp_path)
    return text_format.Parse((tmp_path / CONFIG).read_text(encoding="utf-8"), ProjectorConfig())


def test_every_file_is_there_and_in_the_folder(config, tmp_path):
    assert [entry.tensor_name for entry in config.embeddings] == ["embedding", "t-SNE map"]
    for entry in config.embeddings:
        for path in (entry.tensor_path, entry.metadata_path, entry.bookmarks_path, entry.sprite.image_path):
            assert (tmp_path / path).resolve().parent == tmp_path.resolve()
            assert (tmp_path / path).stat().st_size > 0
        assert list(entry.sprite.single_image_dim) == [SIDE, SIDE]


def test_tensors_have_a_line_a_point_and_no_header(config, tmp_path):
    for entry, tensor in zip(config.embeddings, (NORMALIZED[SHOWN], LAYOUT), strict=True):
        np.testing.assert_allclose(np.loadtxt(tmp_path / entry.tensor_path, delimiter="\t"), tensor, rtol=1e-4)


def test_a_run_without_a_map_shows_its_embeddings_of_the_same_images(tmp_path):
    arrays = {name: array for name, array in ARRAYS.items() if name != "tsne_test"}
    run = make_run(embedding_dim=2)
    kept = {name: array for name, array in run.arrays.items() if name != "tsne_test"}
    flat = {"test_embeddings": EMBEDDINGS[:, :2], "class_means": MEANS[:, :2]}
    write_projector(tmp_path, dataclasses.replace(run, arrays=kept | arrays | flat), IMAGES)
    config = text_format.Parse((tmp_path / CONFIG).read_text(encoding="utf-8"), ProjectorConfig())
    assert [entry.tensor_name for entry in config.embeddings] == ["embedding"]
    assert np.loadtxt(tmp_path / "projector_embedding.tsv", delimiter="\t").shape == (N, 2)
    assert read_columns(tmp_path)["test image"] == [str(i) for i in SHOWN]
    assert not list(tmp_path.glob("*tsne*"))


def test_what_is_known_of_an_image_has_a_header_and_a_line_each(config, tmp_path):
    header, *lines = (tmp_path / config.embeddings[0].metadata_path).read_text(encoding="utf-8").splitlines()
    assert header == "class\tpredicted\tcorrect\tdistance to class mean\ttest image"
    assert len(lines) == N
    found = read_columns(tmp_path)
    assert found["class"] == [f"class {LABELS[i]}" for i in SHOWN]  # A number would be no label.
    assert found["predicted"] == [f"class {ARRAYS['test_predictions'][i]}" for i in SHOWN]
    assert found["correct"] == ["no" if LABELS[i] == 1 else "yes" for i in SHOWN]
    assert found["test image"] == [str(i) for i in SHOWN]
    expected = [np.linalg.norm(NORMALIZED[i] - MEANS[LABELS[i]]) for i in SHOWN]
    np.testing.assert_allclose([float(distance) for distance in found["distance to class mean"]], expected, atol=1e-4)


def test_classes_never_seen_are_neither_right_nor_wrong_and_have_the_nearest_mean(tmp_path):
    known, unseen = EMBEDDINGS[:6], EMBEDDINGS[6:]
    run = make_run(
        arrays=ARRAYS
        | {"test_embeddings": known, "test_predictions": np.zeros(6, int), "unknown_embeddings": unseen}
        | {"class_means": MEANS[:3], "tsne_test_labels": np.array([0, 2, 0, 2, 3, 4, 3])},
        protocol="open",
        split=0,
    )
    run = dataclasses.replace(
        run, class_names=("Bag", "Coat", "Dress", "Shirt*", "Boot*"), judged_names=("Shirt", "Boot")
    )
    write_projector(tmp_path, run, IMAGES)
    found = read_columns(tmp_path)
    distances = np.linalg.norm(NORMALIZED[SHOWN, None] - MEANS[:3], axis=2)
    assert found["class"] == ["Bag", "Dress", "Bag", "Dress", "Shirt*", "Boot*", "Shirt*"]
    nearest = [("Bag", "Coat", "Dress")[i] for i in distances[4:].argmin(axis=1)]
    assert found["predicted"] == ["Bag", "Bag", "Bag", "Bag", *nearest]
    assert found["correct"] == ["yes", "no", "yes", "no", *["class never seen"] * 3]
    shown = [float(distance) for distance in found["distance to class mean"]]
    own = distances[np.arange(4), [0, 2, 0, 2]]
    np.testing.assert_allclose(shown, [*own, *distances[4:].min(axis=1)], atol=1e-4)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "projector_embedding.tsv"), NORMALIZED[SHOWN], rtol=1e-4)


def test_thumbnails_are_in_the_order_of_the_points_dark_on_light(config, tmp_path):
    sheet = (imread(tmp_path / config.embeddings[0].sprite.image_path) * 255).round().astype(int)
    assert sheet.shape == (3 * SIDE, 3 * SIDE)
    for i, image in enumerate(IMAGES[..., 0]):
        row, column = divmod(i, 3)
        tile = sheet[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
        np.testing.assert_array_equal(tile, 255 - image.astype(int))


def test_images_in_colour_are_shown_as_they_are_and_no_colour_lies_over_them(tmp_path):
    images = RNG.integers(0, 256, (N, 2, 3, 3), np.uint8)
    np.testing.assert_array_equal(thumbnails(images)[:2, :3], images[0])
    write(tmp_path, images)
    for path in tmp_path.glob("*bookmark.json"):
        (state,) = json.loads(path.read_text(encoding="utf-8"))
        assert state["selectedColorOptionName"] == "No color map"
        assert state["selectedLabelOption"] == "class"
        assert state["label"] in ("PCA", "t-SNE")


def test_large_images_have_small_thumbnails(tmp_path):
    write(tmp_path, np.repeat(np.repeat(IMAGES, 32, axis=1), 16, axis=2))
    (first, *_) = text_format.Parse((tmp_path / CONFIG).read_text(encoding="utf-8"), ProjectorConfig()).embeddings
    assert list(first.sprite.single_image_dim) == [24, 48]
    assert imread(tmp_path / first.sprite.image_path).shape == (3 * 48, 3 * 24)


def test_of_many_classes_those_told_apart_have_colours_and_every_name_is_one_line(tmp_path):
    names = tuple(f"class\n{number}\tof many" for number in range(100))
    run = make_run(arrays=ARRAYS | {"colored_classes": np.array([0, 2]), "class_means": RNG.normal(size=(100, 5))})
    write_projector(tmp_path, dataclasses.replace(run, class_names=names, judged_names=names), IMAGES)
    found = read_columns(tmp_path)
    assert found["class"] == [f"class {LABELS[i]} of many" for i in SHOWN]
    assert found["class in colour"] == ["another" if LABELS[i] == 1 else f"class {LABELS[i]} of many" for i in SHOWN]
    for path in tmp_path.glob("*bookmark.json"):
        (state,) = json.loads(path.read_text(encoding="utf-8"))
        assert (state["selectedColorOptionName"], state["selectedLabelOption"]) == ("class in colour", "class")


def test_thumbnails_keep_the_shape_of_their_images(tmp_path):
    wide = np.arange(N * 6, dtype=np.uint8).reshape(N, 2, 3, 1)
    sheet = thumbnails(wide)
    assert sheet.shape == (3 * 2, 3 * 3, 1)
    np.testing.assert_array_equal(sheet[2:4, 3:6], 255 - wide[4])
    write(tmp_path, wide)
    (first, *_) = text_format.Parse((tmp_path / CONFIG).read_text(encoding="utf-8"), ProjectorConfig()).embeddings
    assert list(first.sprite.single_image_dim) == [3, 2]  # TensorBoard takes the width first.


def test_a_bookmark_has_a_place_for_every_point_in_the_colour_of_its_class(config, tmp_path):
    for entry, shape in zip(config.embeddings, ((N, 5), LAYOUT.shape), strict=True):
        (state,) = json.loads((tmp_path / entry.bookmarks_path).read_text(encoding="utf-8"))
        assert state["dataSetDimensions"] == list(shape)
        assert state["selectedColorOptionName"] == state["selectedLabelOption"] == "class"
        places = np.array([list(place.values()) for place in state["projections"]])
        assert places.shape == (N, min(3, shape[1]))
        assert np.abs(places).max() == pytest.approx(1)
        assert list(state["projections"][0]) == [f"pca-{i}" for i in state["pcaComponentDimensions"]]
    np.testing.assert_allclose(places, LAYOUT / np.abs(LAYOUT).max(), atol=1e-4)


def test_flat_tensors_are_seen_from_above(tmp_path):
    write(tmp_path, test_embeddings=EMBEDDINGS[:, :2], class_means=MEANS[:, :2])
    for path in tmp_path.glob("*bookmark.json"):
        (state,) = json.loads(path.read_text(encoding="utf-8"))
        assert state["cameraDef"]["orthographic"] is True


def test_equal_embeddings_make_a_bookmark_of_numbers(tmp_path):
    write(tmp_path, test_embeddings=np.ones((10, 5)), tsne_test=np.zeros((N, 2)))
    for path in tmp_path.glob("*bookmark.json"):
        assert "NaN" not in path.read_text(encoding="utf-8")
