"""What `--embed` says and keeps of new images is what the run has measured of the same ones."""

import csv
import dataclasses
import json
import math
import pathlib
import re
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps
from sklearn.preprocessing import normalize
from support.small_network import few_digits
from support.trained_run import write_images, write_trained

from data import load_dataset
from lab.errors import InputError
from lab.files import read_json, save_json
from lab.recognition import recognize
from lab.recognition.recognize import MOST_QUERIES
from lab.sources.images import read_image

pytestmark = pytest.mark.xdist_group("recognition")  # They share what takes long to make.


def options(folder, images, to, **given):
    given = {"gallery": None, "neighbors": None, "npz": False} | given
    return types.SimpleNamespace(embed=[folder, *images], to=to, **given)


def no_data(*_):
    raise AssertionError("nothing of the training is needed")


def rows_in(to):
    with open(to / "embedded.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def of_run(folder):
    """The arrays and the metrics of a run."""
    with np.load(folder / "embeddings.npz") as file:
        return dict(file), json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def nearest_by_loops(points, means):
    """Numbers and distances of the two nearest means of each point."""
    found = [sorted((math.dist(point, mean), number) for number, mean in enumerate(means))[:2] for point in points]
    return [[number for _, number in pair] for pair in found], [[away for away, _ in pair] for pair in found]


def test_test_images_as_files_are_embedded_and_named_as_the_run_did(closed, tmp_path, log):
    folder, data = closed
    files = write_images(tmp_path / "images", data.test.images)
    recognize(options(folder, [tmp_path / "images"], tmp_path / "to", npz=True), no_data, log)
    arrays, metrics = of_run(folder)
    with np.load(tmp_path / "to" / "embeddings.npz") as file:
        assert file["paths"].tolist() == [str(path) for path in files]
        np.testing.assert_allclose(file["embeddings"], arrays["test_embeddings"], rtol=1e-5, atol=1e-5)
    rows = rows_in(tmp_path / "to")
    numbers, distances = nearest_by_loops(normalize(arrays["test_embeddings"]), arrays["class_means"])
    assert [row["path"] for row in rows] == [str(path) for path in files]
    assert [[row["class"], row["second class"]] for row in rows] == [[str(n) for n in pair] for pair in numbers]
    found = [[float(row["distance"]), float(row["second distance"])] for row in rows]
    np.testing.assert_allclose(found, distances, atol=1e-5)
    right = np.mean([row["class"] == str(label) for row, label in zip(rows, data.test.labels, strict=True)])
    assert right == pytest.approx(metrics["test"]["center_accuracy"])
    threshold = metrics["recognition"]["distance"]
    assert [row["known"] for row in rows] == ["yes" if near < threshold else "no" for near, _ in distances]
    accepted = np.mean([row["known"] == "yes" for row in rows])
    assert accepted == metrics["recognition"]["test_accepted"]
    assert 0.1 < accepted < 1


def test_of_images_of_classes_never_seen_as_many_are_taken_for_known_as_is_stated(opened, tmp_path, log):
    folder, data = opened
    write_images(tmp_path / "images", data.unseen.images)
    recognize(options(folder, [tmp_path / "images"], tmp_path / "to"), no_data, log)
    _, metrics = of_run(folder)
    rows = rows_in(tmp_path / "to")
    accepted = np.mean([row["known"] == "yes" for row in rows])
    assert accepted == metrics["recognition"]["unknown_accepted"]
    assert f"Of images of classes never seen {100 * accepted:.1f} % are taken for known." in log.text
    assert {row["class"] for row in rows} <= set(data.class_names)


def test_images_of_any_size_and_form_are_prepared_as_those_of_the_training(tmp_path, monkeypatch, log):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("test", 4)):
        for name in ("ash", "oak", "yew"):
            folder = tmp_path / "trees" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (*rng.integers(20, 40, 2), 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.{'jpg' if number % 2 else 'png'}")
    data = load_dataset(tmp_path / "trees", size=(24, 20))
    folder, _ = write_trained(tmp_path / "runs", data, dataset="trees", content=data.content, embedding_dim=2, epochs=1)
    given = options(folder, [tmp_path / "trees" / "test"], tmp_path / "to", npz=True, neighbors=1)
    recognize(given, lambda *_: data, log)
    arrays, _ = of_run(folder)
    with np.load(tmp_path / "to" / "embeddings.npz") as file:
        apart = np.linalg.norm(file["embeddings"][:, None] - arrays["test_embeddings"], axis=2)
        names = [pathlib.Path(path).parent.name for path in file["paths"]]
    assert sorted(apart.argmin(axis=1)) == list(range(12))
    assert apart.min(axis=1).max() < 1e-5
    assert [data.class_names[arrays["test_labels"][number]] for number in apart.argmin(axis=1)] == names


def test_the_most_similar_training_images_are_drawn_of_a_run_that_held_out_classes_too(opened, tmp_path, log):
    folder, data = opened
    asked = []

    def load(source, report, quick, size, track):
        asked.append((source, quick, size))
        return few_digits()  # Of all classes.

    write_images(tmp_path / "images", data.test.images[:3])
    recognize(options(folder, [tmp_path / "images"], tmp_path / "to", neighbors=2), load, log)
    assert asked == [("digits", False, data.image_shape[:2])]  # As `--image-size` may have had it.
    assert (tmp_path / "to" / "neighbors.png").read_bytes().startswith(b"\x89PNG")
    assert "The training images most similar to each are in" in log.text


def test_more_images_than_are_drawn_are_said_to_be(closed, tmp_path, log):
    folder, data = closed
    write_images(tmp_path / "images", data.test.images[: MOST_QUERIES + 1])
    recognize(options(folder, [tmp_path / "images"], tmp_path / "to", neighbors=1), lambda *_: data, log)
    assert f"most similar to the first {MOST_QUERIES} images are in" in log.text


def test_what_is_there_of_other_images_goes(closed, tmp_path, log):
    folder, data = closed
    (image,) = write_images(tmp_path / "images", data.test.images[:1])
    for name in ("embedded.csv", "embeddings.npz", "neighbors_1.png", "neighbors_2.png", "mine.png"):
        (tmp_path / name).write_bytes(b"")
    recognize(options(folder, [image], tmp_path), no_data, log)
    assert {path.name for path in tmp_path.iterdir()} == {"images", "embedded.csv", "mine.png"}


@pytest.mark.parametrize("name", ["embeddings.npz", "neighbors_2.png", "config.json"])
def test_a_folder_with_files_of_something_else_is_left_as_it_is(closed, tmp_path, log, name):
    folder, data = closed
    (image,) = write_images(tmp_path / "images", data.test.images[:1])
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(InputError, match=rf"^--to: {tmp_path} has .*{name}.* Choose another folder$"):
        recognize(options(folder, [image], tmp_path), no_data, log)
    with pytest.raises(InputError, match=rf"^--to: {folder} has a config\.json, as a run has\. Choose another folder$"):
        recognize(options(folder, [image], folder), no_data, log)
    assert {path.name for path in tmp_path.iterdir()} == {"images", name}
    assert (tmp_path / name).read_bytes() == b"mine"


def test_an_image_that_is_named_twice_is_there_once(closed, tmp_path, log):
    folder, data = closed
    image, other = write_images(tmp_path / "images", data.test.images[:2])
    recognize(options(folder, [other, image, tmp_path / "images"], tmp_path / "to"), no_data, log)
    assert [row["path"] for row in rows_in(tmp_path / "to")] == [str(other), str(image)]


def test_images_that_cannot_be_read_are_named_and_left_out(closed, tmp_path, log):
    folder, data = closed
    write_images(tmp_path / "images", data.test.images[:2])
    (tmp_path / "images" / "0001b.png").write_bytes(b"no image")
    (tmp_path / "images" / "notes.txt").write_bytes(b"text")
    recognize(options(folder, [tmp_path / "images"], tmp_path / "to"), no_data, log)
    assert [pathlib.Path(row["path"]).name for row in rows_in(tmp_path / "to")] == ["0000.png", "0001.png"]
    assert "Left out, 1 that cannot be read:\n" in log.text
    assert f"{tmp_path / 'images' / '0001b.png'}: no image" in log.text
    assert "passed over, as they are no images: notes.txt" in log.text


def test_without_an_image_that_can_be_read_nothing_is_written(closed, tmp_path, log):
    for number in range(7):
        (tmp_path / f"{number}.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="none of the images can be read"):
        recognize(options(closed[0], [tmp_path], tmp_path / "to"), no_data, log)
    assert "and 2 more" in log.text
    assert not (tmp_path / "to" / "embedded.csv").exists()


def test_a_missing_file_is_said_before_anything_is_read(closed, tmp_path, log):
    with pytest.raises(InputError, match=r"there is no file or folder .*absent\.png"):
        recognize(options(closed[0], [tmp_path / "absent.png"], tmp_path / "to"), no_data, log)
    assert not (tmp_path / "to").exists()


def test_a_run_of_an_older_version_says_distances_without_a_verdict(closed, tmp_path, log):
    folder, data = closed
    older = tmp_path / "center" / "seed-0"
    older.mkdir(parents=True)
    for path in folder.iterdir():
        (older / path.name).write_bytes(path.read_bytes())
    metrics = read_json(older / "metrics.json")
    del metrics["recognition"]
    save_json(older / "metrics.json", metrics)
    (image,) = write_images(tmp_path / "images", data.test.images[:1])
    recognize(options(older, [image], tmp_path), no_data, log)
    (row,) = rows_in(tmp_path)
    assert (row["known"], float(row["distance"]) < float(row["second distance"])) == ("", True)
    assert "Nothing is called unknown: this run was measured before" in log.text


def test_a_file_name_that_is_no_text_is_shown_by_its_escapes(closed, tmp_path, log):
    folder, data = closed
    (image,) = write_images(tmp_path / "images", data.test.images[:1])
    odd = image.rename(image.with_name("a\nb\udce9.png"))
    recognize(options(folder, [odd], tmp_path, npz=True, neighbors=1), lambda *_: data, log)
    (row,) = rows_in(tmp_path)
    assert row["path"].endswith("a\\nb\\udce9.png")


def turn_as_a_camera_does(path):
    """Turns an image file to the left, with a note that it is to be shown turned to the right."""
    with Image.open(path) as image:
        turned = image.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned.save(path, exif=exif)


def make_transparent(path):
    """Makes an image file black ink on nothing: on white it looks as before."""
    with Image.open(path) as image:
        ink = ImageOps.invert(image)
    Image.merge("LA", (Image.new("L", ink.size), ink)).save(path)


@pytest.mark.slow
def test_without_this_project_images_are_compared_the_same_way_by_the_readme(closed, tmp_path):
    readme = (pathlib.Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    (alone,) = (block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "def embed(" in block)
    alone = alone.replace("runs/mnist/center/seed-0/embedder.keras", "embedder.keras")
    alone = alone.replace('["new.png"]', "sys.argv[1:3]").replace('["seven.png", "two.png"]', "sys.argv[3:6]")
    own = '{"models", "lab", "losses", "evaluation"}'
    alone += (
        f'assert not {own} & {{name.partition(".")[0] for name in sys.modules}}\nnp.save("distances.npy", distances)'
        '\nnp.save("flat.npy", read(sys.argv[6]))'
    )
    folder, data = closed
    files = write_images(tmp_path / "images", data.test.images[:5])
    turn_as_a_camera_does(files[2])
    make_transparent(files[3])
    flat = tmp_path / "flat.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (13, 20), np.uint8)).save(flat)
    (tmp_path / "embedder.keras").write_bytes((folder / "embedder.keras").read_bytes())
    subprocess.run([sys.executable, "-I", "-c", f"import sys\n{alone}", *files, flat], cwd=tmp_path, check=True)
    expected = read_image(flat, data.image_shape).astype(float)
    np.testing.assert_allclose(np.load(tmp_path / "flat.npy"), expected, atol=1)
    arrays, _ = of_run(folder)
    points = normalize(arrays["test_embeddings"][:5])
    expected = [[math.dist(new, reference) for reference in points[2:]] for new in points[:2]]
    np.testing.assert_allclose(np.load(tmp_path / "distances.npy"), expected, rtol=1e-5, atol=1e-5)


def test_a_gallery_of_the_training_images_names_the_same_classes(closed, tmp_path, log):
    folder, data = closed
    for number, name in enumerate(data.class_names):
        write_images(tmp_path / "gallery" / f"the {name}", data.train.images[data.train.labels == number])
    write_images(tmp_path / "images", data.test.images[:50])
    given = options(folder, [tmp_path / "images"], tmp_path / "to", gallery=tmp_path / "gallery", neighbors=3)
    recognize(given, no_data, log)
    arrays, _ = of_run(folder)
    numbers, distances = nearest_by_loops(normalize(arrays["test_embeddings"][:50]), arrays["class_means"])
    rows = rows_in(tmp_path / "to")
    assert [row["class"] for row in rows] == [f"the {pair[0]}" for pair in numbers]
    np.testing.assert_allclose([float(row["distance"]) for row in rows], [near for near, _ in distances], atol=1e-5)
    assert "chosen on the 10 classes of the training" in log.text
    assert f"images of {tmp_path / 'gallery'} most similar to the first 24 images" in log.text


def test_in_a_gallery_of_one_class_there_is_no_second(closed, tmp_path, log):
    folder, data = closed
    write_images(tmp_path / "gallery" / "seven", data.train.images[data.train.labels == 7])
    write_images(tmp_path / "images", data.test.images)
    given = options(folder, [tmp_path / "images"], tmp_path / "to", gallery=tmp_path / "gallery")
    recognize(given, no_data, log)
    rows = rows_in(tmp_path / "to")
    assert {(row["class"], row["second class"], row["second distance"]) for row in rows} == {("seven", "", "")}
    known = np.array([row["known"] == "yes" for row in rows])
    assert known[data.test.labels == 7].mean() > known[data.test.labels != 7].mean()


def test_nothing_is_drawn_of_a_data_set_that_has_changed(closed, tmp_path, log):
    folder, data = closed
    (image,) = write_images(tmp_path / "images", data.test.images[:1])
    changed = dataclasses.replace(data, content="0123456789abcdef")
    with pytest.raises(InputError, match="other images than the run was trained on"):
        recognize(options(folder, [image], tmp_path, neighbors=1), lambda *_: changed, log)

    def gone(*_):
        raise InputError("no such folder")

    with pytest.raises(InputError, match=r"no such folder\. Bring back .* by --gallery"):
        recognize(options(folder, [image], tmp_path, neighbors=1), gone, log)
