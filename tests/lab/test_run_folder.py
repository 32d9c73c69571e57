"""Files appear whole or not at all, and a folder is neither replaced nor trusted by mistake."""

import csv
import dataclasses
import errno
import importlib
import json
import os
import platform
import re
import subprocess
import time
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from support.runs import ARRAYS, make_run

from lab import machine, processes
from lab.backup import BACKUP
from lab.claims import CLAIM, Claim
from lab.errors import InputError
from lab.figures.style import as_png
from lab.files import DIGEST_NAME, is_leftover, read_json, save_arrays, save_bytes, save_json, save_table, whole_file
from lab.machine import environment
from lab.run import StoredArrays
from lab.run_folder import ConflictError, RunFolder, clean
from lab.settings import Settings
from lab.turns import done_now, start_over
from visualize import Picture

SETTINGS = Settings("digits", "center", seed=0, epochs=6, learning_rate=0.001, overrides={"center_rate": 0.5})
COMMAND = "python main.py --losses center"


def changed(**changes):
    return dataclasses.replace(SETTINGS, **changes)


def names(path):
    """Everything in a folder, hidden files too."""
    return sorted(entry.name for entry in path.iterdir())


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old", encoding="utf-8")
    return path


def test_a_file_is_replaced_only_after_the_block(old):
    with whole_file(old) as temporary:
        temporary.write_text("new", encoding="utf-8")
        assert temporary.parent == old.parent  # Replacing is atomic only inside one file system.
        assert old.read_text(encoding="utf-8") == "old"
    assert old.read_text(encoding="utf-8") == "new"
    assert names(old.parent) == ["file.txt"]


@pytest.mark.parametrize("lasting", [True, False])
def test_a_file_is_on_the_disk_before_it_takes_the_place_of_the_old_one(old, monkeypatch, lasting):
    forced = []

    def fsync(file):
        forced.append((os.fstat(file).st_size, old.read_text(encoding="utf-8")))

    monkeypatch.setattr(os, "fsync", fsync)
    with whole_file(old, lasting) as temporary:
        temporary.write_text("newer", encoding="utf-8")
    assert forced == ([(5, "old")] if lasting else [])
    assert old.read_text(encoding="utf-8") == "newer"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(old, error):
    def write():
        with whole_file(old) as temporary:
            temporary.write_text("half of the n", encoding="utf-8")
            raise error

    with pytest.raises(error):
        write()
    assert old.read_text(encoding="utf-8") == "old"
    assert names(old.parent) == ["file.txt"]


def test_a_block_that_raises_before_it_writes_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="early"), whole_file(tmp_path / "file.txt"):
        raise ValueError("early")
    assert names(tmp_path) == []


@pytest.mark.parametrize("digest", [None, "", 0, "0123456789abcdef"])
def test_json_whose_digest_is_another_is_damaged_and_without_one_is_taken(tmp_path, digest):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": 1, DIGEST_NAME: digest}), encoding="utf-8")
    assert read_json(path) == {}
    path.write_text(json.dumps({"a": 1}), encoding="utf-8")
    assert read_json(path) == {"a": 1}


def test_json_round_trip(tmp_path):
    content = {"a": [1, 2.5, None, True], "b": {"c": "– é"}, "tiny": 1e-300, "third": 1 / 3}
    save_json(tmp_path / "x.json", content)
    assert read_json(tmp_path / "x.json") == content
    assert names(tmp_path) == ["x.json"]


def test_content_that_is_no_json_leaves_the_old_file(old):
    with pytest.raises(TypeError):
        save_json(old, {"a": np.float32(1)})
    assert old.read_text(encoding="utf-8") == "old"
    assert names(old.parent) == ["file.txt"]


def test_arrays_round_trip(tmp_path):
    arrays = {"floats": np.linspace(0, 1, 6, dtype="float32").reshape(2, 3), "labels": np.arange(3, dtype="int32")}
    save_arrays(tmp_path / "embeddings.npz", arrays)
    loaded = StoredArrays(tmp_path / "embeddings.npz")
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)
    assert names(tmp_path) == ["embeddings.npz"]


def test_table_round_trip(tmp_path):
    rows = [{"loss": 'a, "b"', "score": "0.5"}, {"loss": "two\nlines é", "score": ""}]
    save_table(tmp_path / "results.csv", rows, ("loss", "score"))
    with open(tmp_path / "results.csv", newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == rows
    assert (tmp_path / "results.csv").read_bytes().startswith(b"loss,score\n")
    assert names(tmp_path) == ["results.csv"]


def test_table_has_an_empty_cell_for_none(tmp_path):
    save_table(tmp_path / "results.csv", [{"loss": "center", "score": None}], ("loss", "score"))
    assert (tmp_path / "results.csv").read_text(encoding="utf-8") == "loss,score\ncenter,\n"


def test_figure_round_trip(tmp_path):
    figure = Figure(figsize=(3, 2), dpi=50)
    figure.add_subplot().plot([0, 1], [1, 0])
    save_bytes(tmp_path / "picture.png", as_png(figure))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = imread(tmp_path / "picture.png")
    assert picture.shape == (100, 150, 4)
    np.testing.assert_allclose(picture * 255, np.asarray(canvas.buffer_rgba()), atol=1e-3)
    assert names(tmp_path) == ["picture.png"]


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "center" / "seed-0")


@pytest.fixture
def finished(folder):
    folder.start(SETTINGS, COMMAND)
    folder.save(dataclasses.replace(make_run("center"), settings=SETTINGS))
    return folder


def write_settings(folder, **settings):
    """Puts settings as another version has kept them into the place of a folder's own."""
    save_json(folder.path / "config.json", {"settings": settings})


def test_a_missing_folder_is_not_done(folder):
    assert not folder.is_done(SETTINGS, overwrite=False)
    assert not folder.path.exists()


def test_an_empty_folder_is_not_done(folder):
    folder.path.mkdir(parents=True)
    assert not folder.is_done(SETTINGS, overwrite=False)


def test_an_unfinished_run_is_not_done_and_one_of_other_settings_is_kept(folder):
    folder.start(SETTINGS, COMMAND)
    assert not folder.is_done(SETTINGS, overwrite=False)
    assert not folder.is_done(changed(seed=1), overwrite=True)
    with pytest.raises(ConflictError, match=r"holds a run with other settings \(seed 0, now 1\)"):
        folder.is_done(changed(seed=1), overwrite=False)


def test_a_run_that_ended_well_or_badly_with_the_same_settings_is_done(finished):
    assert finished.is_done(SETTINGS, overwrite=False) is True
    failed = dataclasses.replace(make_run("center", failure="diverged"), settings=SETTINGS)
    save_json(finished.path / "metrics.json", failed.to_metrics())
    assert finished.is_done(SETTINGS, overwrite=False) is True


@pytest.mark.parametrize(
    ("metrics", "done"),
    [
        ({"status": "tuned", "failure": None, "validation_map_at_r": 0.5}, True),
        ({"status": "failed", "failure": "diverged"}, True),
        ({"status": "tuned", "failure": None, "validation_map_at_r": "much"}, False),
        ({"status": "failed", "failure": None}, False),
        ({"status": "lost"}, False),
    ],
)
def test_a_trial_that_ended_is_done_if_it_says_what_is_asked_of_it(tmp_path, metrics, done):
    trial = RunFolder(tmp_path / "center" / "trial-3")
    trial.start(SETTINGS, COMMAND)
    save_json(trial.path / "metrics.json", {"loss": "center", "overrides": {}} | metrics)
    assert trial.is_done(SETTINGS, overwrite=False) is done


def test_a_conflict_is_bad_input():
    assert issubclass(ConflictError, InputError)


def test_what_an_older_run_does_not_say_is_what_every_run_did_then(finished):
    kept = {name: value for name, value in SETTINGS.to_dict().items() if name not in ("sampler", "quick")}
    write_settings(finished, **kept)
    assert finished.is_done(SETTINGS, overwrite=False) is True
    with pytest.raises(ConflictError, match=r"\(sampler balanced, now shuffle\)"):
        finished.is_done(changed(sampler="shuffle"), overwrite=False)


def test_a_run_of_a_version_that_did_not_keep_what_its_weights_were_is_done(finished):
    write_settings(finished, **SETTINGS.to_dict() | {"weights": "w.h5"})
    assert finished.is_done(changed(weights="w.h5", weights_content="b"), overwrite=False)


def test_a_run_from_other_weights_of_the_same_file_is_refused(finished):
    write_settings(finished, **SETTINGS.to_dict() | {"weights": "w.h5", "weights_content": "a"})
    with pytest.raises(ConflictError, match=r"\(other weights than w\.h5 had then\)"):
        finished.is_done(changed(weights="w.h5", weights_content="b"), overwrite=False)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"epochs": 2}, "epochs 6, now 2"),
        ({"epochs": 1, "embedding_dim": 2}, "embedding-dim 64, now 2; epochs 6, now 1"),
        ({"learning_rate": 0.004}, "learning-rate 0.001, now 0.004"),
        ({"augment": ("shift", "flip")}, "augment none, now shift,flip"),
        ({"weights": "w.h5", "weights_content": "b"}, "weights none, now w.h5"),
        ({"content": "b"}, "other images, or in another size, than digits has now"),
        ({"overrides": {}}, "center_rate 0.5, now the default 0.5"),
        ({"overrides": {"center_rate": 0.25}}, "center_rate 0.5, now 0.25"),
        (
            {"overrides": {"center_weight": 0.1}},
            "center_rate 0.5, now the default 0.5; center_weight the default 0.01, now 0.1",
        ),
        (
            {"label_smoothing": 0.1, "overrides": {"center_rate": 0.5, "label_smoothing": 0.2}},
            "label-smoothing 0, now 0.1; label_smoothing the default 0, now 0.2",
        ),
        (
            {"sampler": "shuffle", "overrides": {"center_rate": 1.0}},
            "sampler balanced, now shuffle; center_rate 0.5, now 1",
        ),
    ],
)
def test_other_settings_are_said_in_the_words_of_the_command_line(finished, change, told):
    with pytest.raises(ConflictError) as error:
        finished.is_done(changed(**change), overwrite=False)
    assert str(error.value) == (
        f"{finished.path} holds a run with other settings ({told}). "
        "Keep it and choose another place with --runs, or give this command again with --overwrite."
    )


def test_settings_of_another_version_are_said_in_words(finished):
    write_settings(finished, **SETTINGS.to_dict() | {"new_recipe": "of a later version", "warm_up": True})
    with pytest.raises(ConflictError, match=r"does not know \(new-recipe of a later version; warm-up on\)\. Keep it"):
        finished.is_done(SETTINGS, overwrite=False)


@pytest.mark.parametrize("change", [{"seed": None}, {"recipe": "of a later version"}])
def test_a_run_whose_settings_this_version_does_not_know_is_replaced_only_if_asked(finished, change):
    kept = SETTINGS.to_dict() | change
    write_settings(finished, **{name: value for name, value in kept.items() if value is not None or name != "seed"})
    with pytest.raises(ConflictError, match=r"settings that this version does not know.*--overwrite"):
        finished.is_done(SETTINGS, overwrite=False)
    assert not finished.is_done(SETTINGS, overwrite=True)


@pytest.mark.parametrize("kept", ["null", "[]", '"center"', "3"])
def test_settings_of_another_kind_are_those_of_no_run(finished, kept):
    (finished.path / "config.json").write_text(f'{{"settings": {kept}}}', encoding="utf-8")
    assert finished.settings() is finished.load() is None
    assert finished.is_damaged()
    assert not finished.is_done(SETTINGS, overwrite=True)


@pytest.mark.parametrize("timing", [None, [], "soon"])
def test_times_of_another_kind_are_those_of_no_run(finished, timing):
    metrics = read_json(finished.path / "metrics.json")
    save_json(finished.path / "metrics.json", metrics | {"timing": timing})
    assert finished.load() is None


def test_a_foreign_folder_is_refused_with_the_way_out(folder):
    folder.path.mkdir(parents=True)
    (folder.path / "thesis.tex").write_text("years of work", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(ConflictError, match=rf"^{re.escape(str(folder.path))} .*config\.json.*--runs"):
            folder.is_done(SETTINGS, overwrite)
    assert names(folder.path) == ["thesis.tex"]


def test_overwriting_is_never_done(finished):
    assert not finished.is_done(SETTINGS, overwrite=True)
    assert not finished.is_done(changed(seed=1), overwrite=True)
    assert {"config.json", "embeddings.npz", "metrics.json"} <= {*names(finished.path)}  # Asking deletes nothing.


every_damage = pytest.mark.parametrize("content", [b"", b'{"settings": {"loss"', b"\xff\xfe", b"[]", b"{}"])


@every_damage
def test_damaged_metrics_are_those_of_an_unfinished_run(finished, content):
    (finished.path / "metrics.json").write_bytes(content)
    assert finished.metrics() is None
    assert not finished.is_done(SETTINGS, overwrite=False)


@every_damage
@pytest.mark.parametrize("left", [["history.csv"], [BACKUP], ["metrics.json", "embeddings.npz"]])
def test_a_damaged_config_makes_a_damaged_run_which_is_done_again_beside_what_is_of_the_user(folder, content, left):
    folder.path.mkdir(parents=True)
    (folder.path / "config.json").write_bytes(content)
    for name in [*left, "notes.txt"]:
        (folder.path / name).write_text("", encoding="utf-8")
    assert folder.settings() is None
    assert folder.is_damaged()
    assert not folder.is_done(SETTINGS, overwrite=False)
    folder.start(SETTINGS, COMMAND)
    assert not folder.is_damaged()
    assert {*names(folder.path)} == {"config.json", "notes.txt"} | ({*left} & {BACKUP})


@every_damage
def test_without_any_file_of_a_run_a_damaged_config_is_foreign(folder, content):
    folder.path.mkdir(parents=True)
    (folder.path / "config.json").write_bytes(content)
    assert not folder.is_damaged()
    with pytest.raises(ConflictError, match="not the folder of a run"):
        folder.is_done(SETTINGS, overwrite=True)


def test_a_file_half_written_by_a_dead_process_alone_is_no_foreign_folder(folder, dead):
    folder.path.mkdir(parents=True)
    (folder.path / f".partial-{dead}-config.json").write_text("{", encoding="utf-8")
    assert not folder.is_done(SETTINGS, overwrite=False)


@every_damage
def test_a_run_with_a_damaged_config_whose_metrics_are_of_other_settings_is_kept(finished, content):
    (finished.path / "config.json").write_bytes(content)
    assert not finished.is_done(SETTINGS, overwrite=False)
    with pytest.raises(ConflictError, match=r"holds a run with other settings \(epochs 6, now 3\)"):
        finished.is_done(changed(epochs=3), overwrite=False)


@pytest.mark.parametrize("name", ["config.json", "metrics.json"])
def test_one_changed_digit_is_found(finished, name):
    path = finished.path / name
    content = path.read_text(encoding="utf-8")
    assert finished.is_done(SETTINGS, overwrite=False)
    path.write_text(content.replace('"epochs": 6', '"epochs": 3'), encoding="utf-8")
    assert read_json(path) == {}
    assert not finished.is_done(SETTINGS, overwrite=False)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["embeddings.npz", "tsne_test.png", "training.backup"])
def test_a_folder_where_a_run_writes_a_file_is_refused_before_it_is_trained(finished, name, overwrite):
    (finished.path / "metrics.json").unlink()
    (finished.path / name).unlink(missing_ok=True)
    (finished.path / name).mkdir()
    with pytest.raises(ConflictError, match=rf"{name} is a folder, where a file is to be written\. Move it away"):
        finished.is_done(SETTINGS, overwrite)


def test_a_pipe_and_a_link_where_a_run_writes_a_file_are_removed_and_what_the_link_leads_to_stays(finished, tmp_path):
    (tmp_path / "mine").write_text("", encoding="utf-8")
    for name in ("history.csv", "distances.png"):
        (finished.path / name).unlink(missing_ok=True)
    os.mkfifo(finished.path / "history.csv")
    (finished.path / "distances.png").symlink_to(tmp_path / "mine")
    finished.start(SETTINGS, COMMAND)
    assert names(finished.path) == ["config.json"]
    assert (tmp_path / "mine").exists()


def test_a_folder_gives_back_settings_and_metrics(finished):
    assert finished.settings() == SETTINGS
    assert finished.metrics()["status"] == "finished"


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PK")])
def test_a_finished_run_without_its_arrays_is_to_be_done_again(finished, damage):
    damage(finished.path / "embeddings.npz")
    assert finished.load() is None
    assert finished.is_damaged()
    assert not finished.is_done(SETTINGS, overwrite=False)


def test_a_missing_folder_has_no_settings_no_metrics_and_no_run(folder):
    assert folder.settings() is None
    assert folder.metrics() is None
    assert folder.load() is None


def test_starting_removes_what_the_last_run_left_and_nothing_else(finished):
    left = ("history.csv", "roc.png", "neighbors_2.png", "tsne_test.csv", "embedder.keras", "events.out.tfevents.1.v2")
    for name in (*left, "projector_config.pbtxt", BACKUP, "notes.txt", "roc_for_the_talk.png"):
        (finished.path / name).write_text("of the last run", encoding="utf-8")
    finished.start(changed(seed=1), COMMAND)
    assert names(finished.path) == ["config.json", "notes.txt", "roc_for_the_talk.png", BACKUP]
    assert names(finished.path.parent) == ["seed-0"]
    assert finished.settings() == changed(seed=1)


def test_config_holds_what_a_result_depends_on(folder):
    folder.start(SETTINGS, COMMAND, "/images/birds")
    config = read_json(folder.path / "config.json")
    assert config == {"settings": SETTINGS.to_dict(), "command": COMMAND, "source": "/images/birds", **environment()}
    assert config.keys() == {"settings", "command", "source", "versions", "git_commit", "machine"}


FILM = SimpleNamespace(frames=["one"], arrays={"epochs": np.arange(3)})


def test_a_run_is_saved_with_its_pictures_its_film_and_its_maps_as_tables(folder):
    pictures = [
        Picture("roc.png", b"of the result"),
        Picture("training.gif", b"of the film"),
        Picture("tsne_over_training.png", b"of a moment", epoch=1),  # For TensorBoard alone.
    ]
    folder.start(SETTINGS, COMMAND)
    (folder.path / BACKUP).write_bytes(b"of the training")  # Which is over.
    folder.save(make_run("center"), pictures, FILM)
    assert names(folder.path) == [
        *("config.json", "embeddings.npz", "metrics.json", "roc.png"),
        *("training.gif", "training.npz", "tsne_test.csv", "tsne_train.csv"),
    ]
    assert (folder.path / "roc.png").read_bytes() == b"of the result"
    np.testing.assert_array_equal(StoredArrays(folder.path / "training.npz")["epochs"], FILM.arrays["epochs"])
    for name, indices in (("test", "tsne_indices"), ("train", "tsne_train_indices")):
        with open(folder.path / f"tsne_{name}.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["image"]) for row in rows] == ARRAYS[indices].tolist()
        assert [row["class"] for row in rows] == [str(label) for label in ARRAYS[f"tsne_{name}_labels"]]
        points = [[float(row["x"]), float(row["y"])] for row in rows]
        np.testing.assert_allclose(points, ARRAYS[f"tsne_{name}"], atol=1e-4)


def test_a_failed_run_is_saved_with_its_film_and_no_results(folder):
    folder.start(SETTINGS, COMMAND)
    folder.save(make_run("center", failure="collapsed"), [Picture("training.gif", b"of the film")], FILM)
    assert names(folder.path) == ["config.json", "metrics.json", "training.gif", "training.npz"]


def test_a_run_that_could_not_be_saved_whole_does_not_count(folder):
    folder.start(SETTINGS, COMMAND)
    with pytest.raises(TypeError):
        folder.save(make_run("center"), [Picture("roc.png", content=None)])
    assert not (folder.path / "metrics.json").exists()
    assert folder.load() is None
    assert not folder.is_done(SETTINGS, overwrite=False)


def test_a_run_is_read_again_only_if_its_files_changed(folder):
    run = make_run("center")
    folder.start(run.settings, COMMAND)
    folder.save(run)
    first = folder.load()
    assert folder.load() is first
    metrics = folder.path / "metrics.json"
    save_json(metrics, make_run("center", score=0.25).to_metrics())
    os.utime(metrics, ns=(0, 1))
    assert folder.load().scores["map_at_r"] == 0.25
    metrics.unlink()
    assert folder.load() is None


def test_environment_names_versions_and_machine():
    facts = environment()
    modules = ("tensorflow", "keras", "numpy", "scipy", "sklearn", "matplotlib", "tensorboard")
    found = {name: importlib.import_module(name).__version__ for name in modules}
    found = {"python": platform.python_version(), "scikit-learn": found.pop("sklearn")} | found
    assert facts["versions"] == found
    assert facts["machine"].keys() == {"system", "processor", "cores", "devices"}
    assert facts["machine"]["cores"] == os.cpu_count()
    assert facts["machine"]["devices"] == 1
    assert facts["machine"]["processor"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A Git repository with one commit, as if the code were in it."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "machine.py"))
    (tmp_path / "machine.py").write_text("", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "machine.py")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "commit", "-qm", "one")
    return tmp_path


def git(path, *arguments):
    return subprocess.run(["git", *arguments], cwd=path, check=True, capture_output=True, text=True).stdout.strip()


def test_environment_names_the_commit_and_whether_it_was_changed(repository):
    commit = git(repository, "rev-parse", "HEAD")
    assert environment()["git_commit"] == commit
    (repository / "machine.py").write_text("# changed", encoding="utf-8")
    assert environment()["git_commit"] == f"{commit}-dirty"


def test_environment_outside_a_repository_or_without_git_has_no_commit(repository, monkeypatch):
    (repository / ".git").rename(repository / "elsewhere")
    assert environment()["git_commit"] is None
    monkeypatch.setenv("PATH", "")
    assert environment()["git_commit"] is None


@pytest.mark.parametrize("place", ["center", "center/seed-0"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_or_a_link_to_nothing_where_a_folder_is_to_be_is_refused_and_stays(tmp_path, place, overwrite):
    folder, path = RunFolder(tmp_path / "center" / "seed-0"), tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(ConflictError, match=rf"^{re.escape(str(path))} is a file, where the folder of a run is to be"):
        folder.is_done(SETTINGS, overwrite)
    assert path.read_text(encoding="utf-8") == "mine"
    path.unlink()
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(ConflictError, match=r"is a link to nothing, where .* Move it away"):
        folder.is_done(SETTINGS, overwrite)
    assert path.is_symlink()


def test_a_folder_elsewhere_that_a_link_leads_to_is_the_folder_of_the_run(finished):
    path = finished.path.rename(finished.path.with_name("elsewhere"))
    finished.path.symlink_to(path)
    assert finished.is_done(SETTINGS, overwrite=False)


def test_what_a_dead_process_left_is_removed_and_what_is_of_a_living_one_or_of_the_user_stays(finished, dead):
    path = finished.path.parents[1]
    for place in (path, finished.path.parent, finished.path):
        (place / f".partial-{dead}-roc.png").write_text("of an older version", encoding="utf-8")
        (place / f".partial-{os.getpid()}-roc.png").write_text("written now", encoding="utf-8")
        (place / ".partial-notes").write_text("mine", encoding="utf-8")
    for name, files in {"1": ["config.json", "roc.png"], "2": ["config.json", "notes.txt"]}.items():
        old = finished.path.with_name(f".old-{dead}-seed-{name}")
        old.mkdir()
        for file in files:
            (old / file).write_text("", encoding="utf-8")
    before = names(finished.path)
    clean(path)
    left = [".partial-notes", f".partial-{os.getpid()}-roc.png"]
    assert names(path) == sorted([*left, "center"])
    assert names(finished.path.parent) == sorted([*left, f".old-{dead}-seed-2", "seed-0"])
    assert names(finished.path.parent / f".old-{dead}-seed-2") == ["notes.txt"]
    assert names(finished.path) == [name for name in before if name != f".partial-{dead}-roc.png"]


def test_what_a_run_would_go_on_from_is_removed_if_it_was_stopped_at_its_very_end(finished):
    unfinished = finished.path.with_name("seed-1")
    unfinished.mkdir()
    for path in (finished.path, unfinished):
        (path / BACKUP).write_bytes(b"of the training")
    clean(finished.path.parents[1])
    assert BACKUP not in names(finished.path)
    assert names(unfinished) == [BACKUP]


def test_files_of_a_process_in_another_place_are_left_over_after_a_day(tmp_path, dead, monkeypatch):
    with whole_file(tmp_path / "roc.png") as written:
        written.write_text("", encoding="utf-8")
    path = tmp_path / written.name.replace(f"-{os.getpid()}-", f"-{dead}-")
    path.write_text("", encoding="utf-8")
    assert is_leftover(path)
    # A container of this host's name, in which another process has that number, or none.
    monkeypatch.setattr("lab.files.place", lambda: f"{processes.place()} of a container")
    assert not is_leftover(path)
    os.utime(path, (0, time.time() - 25 * 60 * 60))
    assert is_leftover(path)


def test_files_for_the_time_being_have_names_of_their_own_in_one_process(tmp_path):
    with whole_file(tmp_path / "a.csv") as one, whole_file(tmp_path / "a.csv") as other:
        assert one != other
        assert not is_leftover(one)
        one.write_text("one", encoding="utf-8")
        other.write_text("other", encoding="utf-8")
    assert names(tmp_path) == ["a.csv"]


def test_an_error_of_the_system_names_the_file_that_is_written(tmp_path):
    with pytest.raises(OSError, match="No space") as caught, whole_file(tmp_path / "a.csv"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "a.csv")
    with pytest.raises(FileNotFoundError) as caught:
        save_json(tmp_path / "gone" / "config.json", {})
    assert caught.value.filename == str(tmp_path / "gone" / "config.json")


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000])
def test_json_nested_without_end_is_damaged(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    assert read_json(tmp_path / "a.json") == {}


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    assert read_json(tmp_path / "config.json") == {}


def claimed(folder):
    claim = Claim(folder.path)
    assert claim.take()
    return claim


def test_a_folder_with_nothing_but_what_a_process_works_with_is_empty(folder):
    folder.path.mkdir(parents=True)
    (folder.path / ".partial-0123abcd-1-89abcdef-config.json").write_text("", encoding="utf-8")
    claim = claimed(folder)
    assert not folder.is_done(SETTINGS, overwrite=False)
    claim.release()
    assert not folder.is_done(SETTINGS, overwrite=False)


def test_what_is_to_be_replaced_is_done_as_soon_as_another_run_ended_there(finished):
    is_done = done_now({finished: SETTINGS}, overwrite=True)
    assert done_now({finished: SETTINGS}, overwrite=False)(finished)
    assert not is_done(finished)
    finished.start(SETTINGS, COMMAND)
    assert not is_done(finished)
    finished.save(dataclasses.replace(make_run("center"), settings=SETTINGS))
    assert is_done(finished)
    finished.start(changed(seed=1), COMMAND)
    assert not is_done(finished)
    finished.save(dataclasses.replace(make_run("center"), settings=changed(seed=1)))
    with pytest.raises(ConflictError, match="seed 1, now 0"):
        is_done(finished)


def test_a_training_that_another_command_is_at_does_not_start_over(folder):
    other = RunFolder(folder.path.with_name("seed-1"))
    for each in (folder, other):
        each.start(SETTINGS, COMMAND)
        (each.path / BACKUP).touch()
    claim = claimed(folder)
    start_over([folder, other, RunFolder(folder.path.with_name("seed-2"))])
    assert names(folder.path) == [CLAIM, "config.json", BACKUP]
    assert names(other.path) == ["config.json"]
    assert names(folder.path.parent) == ["seed-0", "seed-1"]
    claim.release()


def test_the_claim_of_a_dead_process_is_removed_and_that_of_a_living_one_stays(finished, dead):
    other = RunFolder(finished.path.with_name("seed-1"))
    other.path.mkdir()
    for place in (finished.path, finished.path.parent, finished.path.parents[1]):
        save_json(place / CLAIM, Claim(place).own | {"process": dead})
    claim = claimed(other)
    clean(finished.path.parents[1])
    assert len(list(finished.path.parents[1].rglob(CLAIM))) == 1
    assert names(other.path) == [CLAIM]
    claim.release()
