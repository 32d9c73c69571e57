"""Images of one's own through the whole command: the numbers do not depend on the form they come in."""

import csv
import json

import numpy as np
import pytest
from support.own_images import write_folder, write_idx, write_npz, write_table
from support.small_network import few_digits

from lab.sources import read
from main import main

pytestmark = pytest.mark.xdist_group("own images")
any_network = pytest.mark.usefixtures("small_network", "few_points")
FAST = ("--epochs", "2", "--tsne-iterations", "300", "--embedding-dim", "8", "--no-tensorboard", "--seeds", "1")
NAMES = tuple("0123456789")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def scores(path):
    """Dict from each run to its test scores."""
    files = path.rglob("metrics.json")
    return {file.relative_to(path).parts[0]: json.loads(file.read_text(encoding="utf-8"))["test"] for file in files}


def run(tmp_path, dataset, name, *flags, losses=("softmax",)):
    """Test scores by run after a command on a data set."""
    runs = tmp_path / f"runs of {name}"
    assert main(["--dataset", str(dataset), "--losses", *losses, "--runs", str(runs), *FAST, *flags]) == 0
    (path,) = runs.iterdir()
    return scores(path)


def parts_of(data, *names):
    return {name: (data.parts[name].images, data.parts[name].labels) for name in names}


@any_network
@pytest.mark.usefixtures("undrawn")
@pytest.mark.slow
def test_a_folder_a_table_and_arrays_give_the_numbers_of_the_named_set(tmp_path):
    data = few_digits()
    parts = parts_of(data, "train", "validation", "test")
    write_folder(tmp_path / "folder", parts, NAMES)
    write_npz(tmp_path / "arrays.npz", parts)
    table = write_table(tmp_path / "table", parts, NAMES)
    found = {dataset.name: run(tmp_path, dataset, dataset.name) for dataset in (tmp_path / "folder", table)}
    found["arrays"] = run(tmp_path, tmp_path / "arrays.npz", "arrays")
    assert found["folder"].keys() == {"raw_pixels", "softmax"}
    assert found["folder"] == found["images.csv"] == found["arrays"]
    assert read(tmp_path / "folder").content == read(table).content == read(tmp_path / "arrays.npz").content


@any_network
@pytest.mark.usefixtures("undrawn")
@pytest.mark.slow
def test_idx_files_give_the_numbers_of_the_same_images_in_a_folder(tmp_path):
    parts = parts_of(few_digits(), "train", "test")
    write_folder(tmp_path / "folder", parts, NAMES)
    write_idx(tmp_path / "idx", parts)
    assert run(tmp_path, tmp_path / "folder", "folder") == run(tmp_path, tmp_path / "idx", "idx")
    assert read(tmp_path / "folder").content == read(tmp_path / "idx").content


@any_network
@pytest.mark.slow
def test_train_and_test_folders_of_other_classes_are_judged_among_the_test_classes(tmp_path):
    data = few_digits().hold_out([7, 8, 9])
    write_folder(tmp_path / "digits", parts_of(data, "train"), data.class_names)
    write_folder(tmp_path / "digits", {"test": (data.unseen.images, data.unseen.labels)}, data.unseen_names)
    found = run(tmp_path, tmp_path / "digits", "digits", losses=("softmax", "triplet_only"))
    assert found["softmax"].keys() == found["raw_pixels"].keys()
    assert 0.2 < found["softmax"]["unseen_map_at_r"] < 1
    assert found["softmax"]["unseen_mean_average_precision"] is None
    path = tmp_path / "runs of digits" / "digits"
    pictures = {file.name for file in (path / "softmax" / "seed-0").glob("*.png")}
    assert {"tsne_test.png", "distances.png", "roc.png", "neighbors.png"} <= pictures
    assert not pictures & {"confusion.png", "mistakes.png"}
    assert "test classes unseen" in (path / "SUMMARY.md").read_text(encoding="utf-8")
    metrics = json.loads((path / "softmax" / "seed-0" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["judged_names"] == ["7", "8", "9"]


@any_network
@pytest.mark.usefixtures("undrawn")
@pytest.mark.slow
def test_queries_ask_the_gallery_where_a_table_says_so(tmp_path):
    data = few_digits().hold_out([7, 8, 9])
    parts = parts_of(data, "train") | {"query": (data.unseen.images, data.unseen.labels)}
    names = data.class_names
    table = write_table(tmp_path / "market", {"train": parts["train"]}, names)
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["camera"] = 0
    write_folder(tmp_path / "market", {"test": parts["query"]}, data.unseen_names)
    for number, label in enumerate(data.unseen.labels.tolist()):
        name = data.unseen_names[label]
        asked = "query" if number % 4 == 0 else "gallery"
        rows.append({"path": f"test/{name}/{number}.png", "label": name, "split": asked, "camera": number % 3})
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "label", "split", "camera"])
        writer.writeheader()
        writer.writerows(rows)
    found = run(tmp_path, table, "market")
    assert 0 < found["softmax"]["unseen_mean_average_precision"] <= 1
    assert 0.4 < found["softmax"]["unseen_recall_at_1"] <= 1


@any_network
@pytest.mark.usefixtures("undrawn")
@pytest.mark.slow
def test_some_classes_of_a_folder_of_one_level_are_held_out(tmp_path):
    data = few_digits()
    write_folder(tmp_path / "digits", {"": (data.train.images, data.train.labels)}, NAMES)
    flags = ("--protocol", "open", "--splits", "2", "--unseen", "0.2")
    runs = tmp_path / "runs of open"
    assert main(["--dataset", str(tmp_path / "digits"), "--losses", "softmax", "--runs", str(runs), *FAST, *flags]) == 0
    folders = sorted(path.name for path in (runs / "digits-open" / "softmax").iterdir())
    assert folders == ["split-0-seed-0", "split-1-seed-0"]
    for folder in folders:
        metrics = json.loads((runs / "digits-open" / "softmax" / folder / "metrics.json").read_text(encoding="utf-8"))
        assert len(metrics["held_out"]) == 2
        with np.load(runs / "digits-open" / "softmax" / folder / "embeddings.npz") as file:
            judged = np.isin(data.train.labels, [NAMES.index(name) for name in metrics["held_out"]])
            assert len(file["unknown_labels"]) == judged.sum()  # All of them, none of which is trained on.


@any_network
@pytest.mark.usefixtures("undrawn")
def test_other_images_under_the_same_name_are_another_data_set(tmp_path, capsys):
    data = few_digits()
    write_npz(tmp_path / "own.npz", parts_of(data, "train", "test"))
    run(tmp_path, tmp_path / "own.npz", "own")
    images, labels = data.train.images.copy(), data.train.labels
    images[0, 0, 0] += 1
    write_npz(tmp_path / "own.npz", parts_of(data, "train", "test") | {"train": (images, labels)})
    runs = tmp_path / "runs of own"
    command = ["--dataset", str(tmp_path / "own.npz"), "--losses", "softmax", "--runs", str(runs), *FAST]
    assert main(command) == 2
    assert "(other images, or in another size, than own has now)" in capsys.readouterr().err
