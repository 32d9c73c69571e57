"""Images to compare with: a gallery in folders, and what the run was trained on."""

import numpy as np
import pytest
from sklearn.preprocessing import normalize
from support.small_network import few_digits
from support.trained_run import write_images

from lab.errors import InputError
from lab.recognition.references import read_gallery, read_training
from lab.recognition.trained import load_trained

pytestmark = pytest.mark.xdist_group("recognition")  # They share what takes long to make.


def embedded(run, images):
    return normalize(run.embedder.predict_on_batch(images))


def test_a_gallery_has_a_class_for_each_folder_in_their_natural_order(closed, run, tmp_path, log):
    _, data = closed
    images = data.test.images[:6]
    for name, chosen in (("10", images[:1]), ("9", images[1:3]), ("2", images[3:])):
        write_images(tmp_path / name, chosen)
    gallery = read_gallery(run, tmp_path, log)
    assert gallery.class_names == ("2", "9", "10")
    order = np.argsort(gallery.labels, kind="stable")
    np.testing.assert_array_equal(gallery.labels[order], [0, 0, 0, 1, 1, 2])
    expected = images[[3, 4, 5, 1, 2, 0]]
    np.testing.assert_array_equal(gallery.images(order), expected)
    points = embedded(run, expected)
    np.testing.assert_allclose(gallery.points[order], points, atol=1e-5)
    np.testing.assert_allclose(gallery.means, [points[:3].mean(0), points[3:5].mean(0), points[5]], atol=1e-5)
    assert log.lines == []


def test_folders_in_folders_are_classes_and_images_beside_them_are_left_out(closed, run, tmp_path, log):
    _, data = closed
    write_images(tmp_path / "birds" / "great tit", data.test.images[:2])
    write_images(tmp_path / "birds" / "robin", data.test.images[2:3])
    write_images(tmp_path, data.test.images[:3])
    assert read_gallery(run, tmp_path, log).class_names == ("birds/great tit", "birds/robin")
    assert log.lines == ["left out, as they lie in no class folder: 0000.png, 0001.png, 0002.png"]


@pytest.mark.parametrize("parts", [("train", "test", "test"), ("test", "validation", "validation")])
def test_a_gallery_of_several_parts_has_the_classes_of_all(closed, run, tmp_path, log, parts):
    _, data = closed
    for part, name, chosen in zip(parts, ("2", "2", "9"), ([0, 1], [2], [3]), strict=True):
        write_images(tmp_path / part / name, data.test.images[chosen])
    gallery = read_gallery(run, tmp_path, log)
    assert gallery.class_names == ("2", "9")
    assert sorted(gallery.labels) == [0, 0, 0, 1]


def test_a_gallery_without_classes_is_refused(closed, run, tmp_path, log):
    with pytest.raises(InputError, match="there is no folder"):
        read_gallery(run, tmp_path / "absent", log)
    write_images(tmp_path, closed[1].test.images[:3])
    with pytest.raises(InputError, match=r"^--gallery: the images of .* lie in no class folder"):
        read_gallery(run, tmp_path, log)


def test_the_training_images_are_those_of_the_classes_that_were_trained_on(opened, log):
    folder, data = opened
    run = load_trained(folder)
    training = read_training(run, lambda *_: few_digits(), log)
    assert training.class_names == data.class_names
    np.testing.assert_array_equal(training.labels, data.train.labels)
    np.testing.assert_array_equal(training.images(np.array([5, 0])), data.train.images[[5, 0]])
    np.testing.assert_allclose(training.points, embedded(run, data.train.images), atol=1e-5)
    np.testing.assert_allclose(training.means, run.means, atol=1e-5)
