"""What would take gigabytes, or for ever, to read: every reader refuses it at once."""

import numpy as np
import pytest
from support import bombs
from support.bombs import GIGABYTES, KINDS, NPZ, gzip_of_zeros, little_memory
from support.idx_bytes import as_idx
from support.runs import make_run, write_run

from lab.backup import BACKUP, Backup
from lab.dashboard.comparison import write_comparison
from lab.errors import InputError
from lab.files import LONGEST_JSON, read_json, save_json
from lab.reading import read_bytes
from lab.recognition.trained import load_trained
from lab.results import gather
from lab.run_folder import ConflictError, RunFolder
from lab.sources import read
from lab.sources.cifar import load_cifar
from lab.sources.download import SourceError, keras_arrays
from lab.sources.idx import FILES, cache_folder, load_idx
from lab.sources.idx_file import open_idx
from lab.sources.images import BrokenImage, read_image

every_kind = pytest.mark.parametrize("make", KINDS)


@pytest.fixture
def folder(tmp_path):
    """Of a run of center loss, beside one of softmax."""
    write_run(tmp_path, "softmax")
    return RunFolder(write_run(tmp_path, "center"))


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """The folder of data sets; no program of a package registry is there."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("PATH", "")
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    return tmp_path / "keras" / "datasets"


def no_network(name):
    raise OSError("no network")


@every_kind
@pytest.mark.parametrize("name", ["config.json", "metrics.json", "embeddings.npz", "history.csv", BACKUP])
def test_in_place_of_a_file_of_a_run_anything_is_the_damage_of_that_run(folder, name, make):
    (folder.path / name).unlink(missing_ok=True)
    make(folder.path / name)
    with little_memory():
        results = gather(folder.path.parents[1])
        write_comparison(results, "")
        backup = Backup(folder.path)
        try:
            is_done = folder.is_done(make_run("center").settings, overwrite=False)
        except ConflictError:
            is_done = False
    assert backup.epochs == 0
    untouched = name == BACKUP  # What is compared is whole.
    assert [row.key for row in results.rows] == ["softmax", *["center"] * untouched]
    assert is_done is untouched


@pytest.mark.parametrize("make", NPZ)
def test_arrays_of_a_run_that_lie_are_its_damage(folder, make):
    make(folder.path / "embeddings.npz", "class_means")
    with little_memory():
        assert folder.load() is None


@pytest.mark.parametrize("make", NPZ)
def test_arrays_of_a_data_set_that_lie_are_refused(tmp_path, make):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((4, 2, 2), np.uint8), y_train=[0, 0, 1, 1])
    make(tmp_path / "a.npz", "x_train")
    if make is bombs.packed_npz:  # So many bytes are what it says: only the end is not as it should be.
        bombs.put(tmp_path / "a.npz", "x_train", bombs.npy((bombs.PARTS - 1, 1 << 20)), *[bytes(1 << 20)] * bombs.PARTS)
    with little_memory(), pytest.raises(InputError, match=r"a\.npz cannot be used"):
        read(tmp_path / "a.npz")


@every_kind
def test_in_place_of_a_trained_network_anything_is_refused(folder, make):
    make(folder.path / "embedder.keras")
    with little_memory(), pytest.raises(InputError, match=r"embedder\.keras is missing or damaged"):
        load_trained(folder.path)


def test_a_network_that_is_packed_is_refused(folder):
    np.savez(folder.path / "embedder.keras", config=0)
    (folder.path / "embedder.keras.npz").rename(folder.path / "embedder.keras")
    bombs.packed_npz(folder.path / "embedder.keras", "config")
    with (
        little_memory(),
        pytest.raises(InputError, match=r"or damaged \(config\.npy is packed\)"),
    ):
        load_trained(folder.path)


@every_kind
def test_in_place_of_a_data_set_anything_is_refused(tmp_path, make, keras_home):
    for name in ("a.npz", "b.csv", "c-train-images-idx3-ubyte", "d-train-images-idx3-ubyte.gz"):
        make(tmp_path / name)
        with little_memory(), pytest.raises(InputError):
            read(tmp_path / name)


@every_kind
def test_in_place_of_a_cached_file_anything_is_out_of_the_way_when_keras_is_asked(keras_home, make, monkeypatch):
    asked = []

    def from_keras(name):
        asked.append(list(cache_folder(name).glob("*.gz")))
        no_network(name)

    monkeypatch.setattr("lab.sources.idx.keras_arrays", from_keras)
    cache_folder("mnist").mkdir()
    make(cache_folder("mnist") / f"{FILES[0]}.gz")
    with little_memory(), pytest.raises(SourceError):
        load_idx("mnist", print)
    assert asked == [[path for path in asked[0] if make is bombs.loop]]  # Which is not there at all.


def test_of_a_cached_file_no_more_is_unpacked_than_the_set_has(keras_home, monkeypatch):
    monkeypatch.setattr("lab.sources.idx.keras_arrays", no_network)
    cache_folder("mnist").mkdir()
    gzip_of_zeros(cache_folder("mnist") / f"{FILES[0]}.gz")
    with pytest.raises(SourceError, match=r"damaged .*has more than 47,040,016 bytes"):
        load_idx("mnist", print)


def test_of_a_compressed_file_no_more_is_unpacked_than_its_first_bytes_say(tmp_path):
    gzip_of_zeros(tmp_path / "a.gz", as_idx(np.zeros((2, 3, 3), np.uint8)))
    with little_memory(), pytest.raises(InputError, match="goes on behind its end"):
        open_idx(tmp_path / "a.gz")


def test_a_pipe_in_place_of_a_download_of_keras_is_not_waited_for(keras_home):
    bombs.pipe(keras_home / "mnist.npz")
    with pytest.raises(OSError, match="no file"):
        keras_arrays("mnist")


@every_kind
def test_in_place_of_a_batch_of_cifar_anything_is_refused(keras_home, make, monkeypatch):
    monkeypatch.setattr("lab.sources.cifar.keras_arrays", no_network)
    (keras_home / "cifar-10-batches-py").mkdir()
    make(keras_home / "cifar-10-batches-py" / "data_batch_1")
    with little_memory(), pytest.raises(SourceError, match="cache: "):
        load_cifar("cifar10", print)


@pytest.mark.parametrize("field", ["a" * 200_000, '"' + "a\n" * 100_000, "a" * 2_000_000])
def test_a_field_without_end_is_refused(tmp_path, field):
    (tmp_path / "a.csv").write_text(f"path,label\n1.png,{field}", encoding="utf-8")
    with little_memory(), pytest.raises(InputError, match="is no CSV file"):
        read(tmp_path / "a.csv")


@every_kind
def test_in_place_of_an_image_anything_is_broken(tmp_path, make):
    make(tmp_path / "a.webp")
    with little_memory(), pytest.raises(BrokenImage):
        read_image(tmp_path / "a.webp", (8, 8, 3))


@pytest.mark.parametrize("values", ["[],", '"ab",', '"\\\\",{},'])
def test_json_of_more_values_than_any_of_ours_is_not_read(tmp_path, values):
    (tmp_path / "a.json").write_text(f'{{"a":[{values * (LONGEST_JSON // len(values) - 3)}0]}}', encoding="utf-8")
    size = (tmp_path / "a.json").stat().st_size
    assert 0.99 * LONGEST_JSON < size <= LONGEST_JSON
    with little_memory(size):
        assert read_json(tmp_path / "a.json") == {}


@pytest.mark.parametrize("name", ['"Smith", [{{{}}}]: \\, 1', "字形語音語字形語音語{}"])
def test_json_with_the_names_of_100_000_classes_is_read(tmp_path, name):
    names = [name.format(number) for number in range(100_000)]
    content = {"class_names": names, "judged_names": names, "test": {"map_at_r": 0.5}}
    save_json(tmp_path / "a.json", content)
    with little_memory((tmp_path / "a.json").stat().st_size):
        assert read_json(tmp_path / "a.json") == content


def test_json_longer_than_any_of_ours_is_not_read(tmp_path):
    bombs.zeros(tmp_path / "a.json")
    with little_memory():
        assert read_json(tmp_path / "a.json") == {}
    with pytest.raises(OSError, match="more than 9 bytes"):
        read_bytes(tmp_path / "a.json", 9)
    assert (tmp_path / "a.json").stat().st_size == GIGABYTES
