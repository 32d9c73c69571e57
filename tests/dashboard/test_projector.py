"""The projector's files: what TensorBoard's own parser makes of them, and that all lies in the folder."""

import json

import numpy as np
import pytest
from google.protobuf import text_format
from matplotlib.image import imread
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from dashboard.projector import CONFIG, thumbnails, write_projector

N, SIDE = 7, 4
RNG = np.random.default_rng(0)
EMBEDDINGS, LAYOUT = RNG.normal(size=(N, 5)), 40 * RNG.normal(size=(N, 2))
IMAGES = RNG.integers(0, 256, (N, SIDE, SIDE, 1), np.uint8)
COLUMNS = {"class": [f"digit {i % 3}" for i in range(N)], "test image": list(range(N))}


@pytest.fixture
def config(tmp_path):
    write_projector(tmp_path, EMBEDDINGS, LAYOUT, IMAGES, COLUMNS)
    return text_format.Parse((tmp_path / CONFIG).read_text(), ProjectorConfig())


def test_every_file_is_there_and_in_the_folder(config, tmp_path):
    assert [entry.tensor_name for entry in config.embeddings] == ["embedding", "t-SNE map"]
    for entry in config.embeddings:
        for path in (entry.tensor_path, entry.metadata_path, entry.bookmarks_path, entry.sprite.image_path):
            assert (tmp_path / path).resolve().parent == tmp_path.resolve()
            assert (tmp_path / path).stat().st_size > 0
        assert list(entry.sprite.single_image_dim) == [SIDE, SIDE]


def test_tensors_have_a_line_a_point_and_no_header(config, tmp_path):
    for entry, tensor in zip(config.embeddings, (EMBEDDINGS, LAYOUT), strict=True):
        np.testing.assert_allclose(np.loadtxt(tmp_path / entry.tensor_path, delimiter="\t"), tensor, rtol=1e-4)


def test_what_is_known_of_an_image_has_a_header_and_a_line_each(config, tmp_path):
    header, *lines = (tmp_path / config.embeddings[0].metadata_path).read_text().splitlines()
    assert header == "class\ttest image"
    assert lines == [f"digit {i % 3}\t{i}" for i in range(N)]


def test_thumbnails_are_in_the_order_of_the_points_dark_on_light(config, tmp_path):
    sheet = (imread(tmp_path / config.embeddings[0].sprite.image_path) * 255).round().astype(int)
    assert sheet.shape == (3 * SIDE, 3 * SIDE)
    for i, image in enumerate(IMAGES[..., 0]):
        row, column = divmod(i, 3)
        tile = sheet[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
        np.testing.assert_array_equal(tile, 255 - image.astype(int))


def test_thumbnails_keep_their_colours():
    red = np.zeros((2, 3, 3, 3), np.uint8)
    red[..., 1:] = 255
    assert thumbnails(red)[0, 0].tolist() == [255, 0, 0]


def test_a_bookmark_has_a_place_for_every_point_in_the_colour_of_its_class(config, tmp_path):
    for entry, shape in zip(config.embeddings, (EMBEDDINGS.shape, LAYOUT.shape), strict=True):
        (state,) = json.loads((tmp_path / entry.bookmarks_path).read_text())
        assert state["dataSetDimensions"] == list(shape)
        assert state["selectedColorOptionName"] == state["selectedLabelOption"] == "class"
        places = np.array([list(place.values()) for place in state["projections"]])
        assert places.shape == (N, min(3, shape[1]))
        assert np.abs(places).max() == pytest.approx(1)
        assert list(state["projections"][0]) == [f"pca-{i}" for i in state["pcaComponentDimensions"]]
    np.testing.assert_allclose(places, LAYOUT / np.abs(LAYOUT).max(), atol=1e-4)


def test_flat_tensors_are_seen_from_above(tmp_path):
    write_projector(tmp_path, EMBEDDINGS[:, :2], LAYOUT, IMAGES, COLUMNS)
    for path in tmp_path.glob("*bookmark.json"):
        (state,) = json.loads(path.read_text())
        assert state["cameraDef"]["orthographic"] is True


def test_equal_embeddings_make_a_bookmark_of_numbers(tmp_path):
    write_projector(tmp_path, np.ones((N, 5)), np.zeros((N, 2)), IMAGES, COLUMNS)
    for path in tmp_path.glob("*bookmark.json"):
        assert "NaN" not in path.read_text()
