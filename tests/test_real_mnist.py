"""A first look at real MNIST: the data is the original, and two epochs on a part of it already learn."""

import json

import numpy as np
import pytest

from data import load_dataset
from main import main

pytestmark = pytest.mark.xdist_group("real_mnist")  # They share what takes long to make.


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Test scores by loss, after `python main.py --quick`."""
    runs = tmp_path_factory.mktemp("runs")
    assert main(["--quick", "--runs", str(runs)]) == 0
    paths = (runs / "mnist-quick").glob("*/seed-0/metrics.json")
    return {
        metrics["loss"]: metrics["test"]
        for metrics in map(json.loads, (path.read_text(encoding="utf-8") for path in paths))
    }


@pytest.mark.slow
def test_mnist_has_the_images_it_is_known_for():
    data = load_dataset("mnist")
    assert (len(data.train), len(data.validation), len(data.test)) == (55_000, 5_000, 10_000)
    # The counts of the digits in the test images, as published.
    np.testing.assert_array_equal(
        np.bincount(data.test.labels), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    )


@pytest.mark.long
def test_every_loss_learns_to_classify_and_to_retrieve(scores):
    assert set(scores) == {"softmax", "center", "triplet", "triplet_center"}
    for loss, score in scores.items():
        assert score["head_accuracy"] > 0.95, loss
        assert score["center_accuracy"] > 0.95, loss
        assert score["map_at_r"] > 0.8, loss


@pytest.mark.long
def test_center_and_triplet_make_classes_more_compact_than_softmax_alone(scores):
    for loss in ("center", "triplet"):
        assert scores[loss]["distance_ratio"] < scores["softmax"]["distance_ratio"]
