"""A run is ready for use, or a line says why not, and what to give instead."""

import json
import re
import shutil

import keras
import numpy as np
import pytest
from support.runs import write_run

from lab.errors import InputError
from lab.recognition.trained import load_trained

pytestmark = pytest.mark.xdist_group("recognition")  # They share what takes long to make.


@pytest.fixture
def copy(closed, tmp_path):
    """A copy of the folder of a run, to damage."""
    return shutil.copytree(closed[0], tmp_path / "runs" / "digits" / "center" / "seed-0")


def refusal(path):
    with pytest.raises(InputError) as error:
        load_trained(path)
    message = str(error.value)
    assert message.startswith("--embed: ")
    assert "\n" not in message
    return message


def test_a_run_knows_its_images_its_classes_and_its_data_set(closed, run):
    folder, data = closed
    assert run.image_shape == data.image_shape
    assert run.class_names == data.class_names
    assert run.means.shape == (10, 8)
    assert run.source == "digits"
    assert run.title == "center on digits, seed 0"
    assert run.rates == json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["recognition"]


def test_images_are_embedded_in_parts_as_all_at_once(closed, run, monkeypatch):
    folder, data = closed
    monkeypatch.setattr("lab.recognition.trained.AT_A_TIME", 7)
    shown = []
    found = run.embed(data.test.images[:20], lambda items, total, what: shown.append(total) or items)
    with np.load(folder / "embeddings.npz") as file:
        np.testing.assert_allclose(found, file["test_embeddings"][:20], rtol=1e-5, atol=1e-5)
    assert shown == [3]


@pytest.mark.parametrize("inside", [".", "digits", "digits/center"])
def test_of_a_folder_above_the_runs_one_of_them_is_named(inside, copy):
    above = copy.parents[2] / inside
    assert refusal(above) == f"--embed: {above} is not the folder of a run. Give one, such as {copy}"


def test_of_a_file_in_the_folder_of_a_run_this_is_named(copy):
    assert refusal(copy / "embedder.keras").endswith(f"Give one, such as {copy}")


def test_what_has_no_run_is_said(tmp_path):
    assert refusal(tmp_path / "absent") == f"--embed: there is no folder {tmp_path / 'absent'}"
    assert "it has no config.json" in refusal(tmp_path)


def test_the_raw_pixels_a_failed_run_and_a_trial_have_no_network(tmp_path):
    assert "raw pixels" in refusal(write_run(tmp_path, "raw_pixels"))
    assert "FAILED, diverged: NaN" in refusal(write_run(tmp_path, "center", failure="diverged: NaN"))
    trial = write_run(tmp_path, "triplet", name="trial-3")
    (trial / "metrics.json").write_text('{"status": "tuned"}', encoding="utf-8")
    assert "trial of --tune" in refusal(trial)


def test_an_unfinished_run_and_one_of_another_version_are_said(copy):
    (copy / "metrics.json").unlink()
    assert "unfinished, or damaged since" in refusal(copy)
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config["settings"]["tomorrow"] = 1
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert "settings that this version does not know" in refusal(copy)


@pytest.mark.parametrize("content", [None, b"", b"no network", "half"])
def test_a_network_that_is_missing_or_damaged_is_said(content, copy):
    file = copy / "embedder.keras"
    whole = file.read_bytes()
    file.unlink()
    if content is not None:
        file.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    assert re.search(r"embedder\.keras is missing or damaged \(.+\)\. Train it again", refusal(copy))


def test_a_network_for_images_that_files_do_not_hold_is_said(copy):
    images = keras.Input((28, 28, 4))
    keras.Model(images, keras.layers.Dense(8)(keras.layers.Flatten()(images))).save(copy / "embedder.keras")
    assert "takes images of 4 channels; files are read as grey or colour" in refusal(copy)


def test_damaged_embeddings_and_those_of_another_run_are_said(copy, opened):
    shutil.copy(opened[0] / "embeddings.npz", copy)
    assert "damaged, or of another run" in refusal(copy)
    (copy / "embeddings.npz").write_bytes(b"damaged")
    assert "unfinished, or damaged since" in refusal(copy)
    np.savez(copy / "embeddings.npz", other=np.zeros(1))
    assert "unfinished, or damaged since" in refusal(copy)
