"""The form of the command line: its help, its versions, its near misses, and that they need nothing heavy."""

import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
import sys

import pytest
from support.pseudo_terminal import ROOT

from lab import VERSION, backends, batches, flags, optimizer, protocols, recipes, sources
from lab.flag_checks import loss_names
from lab.flags import make_parser
from lab.settings import Settings
from losses import LOSSES
from models import EMBEDDING_INITS, MODELS

HEAVY = ("keras", "tensorflow", "numpy", "scipy", "sklearn", "matplotlib", "rich")


def ended(arguments, capsys):
    """Status and output of a command line that ends at once."""
    with pytest.raises(SystemExit) as exit_:
        make_parser().parse_args(arguments)
    return exit_.value.code, capsys.readouterr()


def test_the_names_are_those_of_the_registries():
    assert tuple(recipes.EPOCHS) == tuple(sources.SOURCES)
    assert tuple(protocols.PROTOCOLS) == (*flags.PROTOCOLS, "unseen")  # Which the data set chooses.
    assert tuple(MODELS) == flags.MODELS
    assert tuple(EMBEDDING_INITS) == flags.EMBEDDING_INITS
    assert tuple(batches.SAMPLERS) == flags.SAMPLERS
    assert tuple(batches.AUGMENTATIONS) == flags.AUGMENTATIONS
    assert tuple(optimizer.OPTIMIZERS) == tuple(recipes.LEARNING_RATES)
    assert loss_names() == tuple(LOSSES)
    assert {name: backend.title for name, backend in backends.BACKENDS.items()} == flags.BACKENDS


OPEN = {"dataset", "epochs", "sweep", "precision", "model", "perplexity", "augment", "optimizer", "learning_rate"}


def test_what_is_not_given_is_as_the_settings_have_it():
    given = vars(make_parser().parse_args([]))
    defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
    shared = given.keys() & defaults.keys() - OPEN
    assert len(shared) >= 8
    assert {name: given[name] for name in shared} == {name: defaults[name] for name in shared}


def test_help_is_in_groups_and_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, output = ended(["--help"], capsys)
    assert (status, output.err) == (0, "")
    groups = re.findall(r"^(\w.*):$", output.out, re.MULTILINE)
    assert groups == ["what to train", "how", "what is shown", "results", "use a trained run", "other jobs"]
    assert max(map(len, output.out.splitlines())) <= 80
    for flag in make_parser()._option_string_actions:
        assert re.search(rf"^  (-h, )?{flag}\b", output.out, re.MULTILINE), flag
    assert "exponential_triplet_class_center" not in output.out  # `--list` names every loss.
    assert "several commands at once share the runs of one folder" in " ".join(output.out.split())


def test_the_version_is_said_with_those_of_what_it_stands_on(capsys):
    keras, tensorflow = (importlib.metadata.version(name) for name in ("keras", "tensorflow"))
    line = f"main.py {VERSION} (Python {platform.python_version()}, Keras {keras}, TensorFlow {tensorflow})\n"
    assert ended(["--version"], capsys) == (0, (line, ""))
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_version_of_the_backend_is_that_of_the_one_in_use(capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert ended(["--version"], capsys)[1].out.endswith(f", JAX {importlib.metadata.version('jax')})\n")


def test_an_empty_backend_is_none_as_for_keras(capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "")
    assert ", TensorFlow " in ended(["--version"], capsys)[1].out
    assert make_parser().parse_args([]).losses


def test_a_backend_that_does_not_train_is_refused_before_it_is_loaded(capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    told = "main.py: KERAS_BACKEND: unknown backend numpy. Valid: tensorflow, jax, torch\n"
    assert ended([], capsys)[1].err.startswith(told)


def test_a_package_that_is_not_there_has_no_version(capsys, monkeypatch):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", nothing)
    assert ended(["--version"], capsys)[1].out.endswith(", Keras not found, TensorFlow not found)\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--seed 3", "unknown flag --seed. Did you mean --seeds?"),
        ("--seed=3", "unknown flag --seed. Did you mean --seeds?"),
        ("--epoch 3", "unknown flag --epoch. Did you mean --epochs?"),  # Not guessed.
        ("--losses center --embeding_dim 2", "unknown flag --embeding_dim. Did you mean --embedding-dim?"),
        ("--qqq", "unknown flag --qqq."),
        ("digits", "digits belongs to no flag"),
        ("--quick digits", "digits belongs to no flag"),
        (
            "--dataset fashion-mnist",
            "argument --dataset: unknown dataset fashion-mnist. Did you mean fashion_mnist? "
            "Valid: mnist, fashion_mnist, digits, cifar10, cifar100, or the path of a folder, a .csv or a .npz",
        ),
        ("--dataset=", "argument --dataset: must name a data set, or its path. Received nothing"),
        ("--tune=", "argument --tune: must not be empty"),
        ("--sweep=", "argument --sweep: must not be empty"),
        ("--weights=", "argument --weights: must not be empty"),
        ("--sampler zzz", "argument --sampler: unknown sampler zzz. Valid: balanced, shuffle"),
    ],
)
def test_what_is_no_flag_or_name_is_refused_with_the_one_that_was_meant(arguments, message, capsys):
    status, output = ended(arguments.split(), capsys)
    assert (status, output.err) == (2, f"main.py: {message}\nSee python main.py --help\n")


def test_a_path_may_begin_with_the_home_of_a_user():
    names = ("dataset", "runs", "to", "gallery")
    given = [f"--{name}=~/{name}" for name in ("runs", "to", "gallery")]
    found = make_parser().parse_args(["--embed", "run", "image.png", *given])
    found.dataset = make_parser().parse_args(["--dataset=~/dataset"]).dataset
    assert [getattr(found, name) for name in names] == [pathlib.Path.home() / name for name in names]
    nobody = "~nobody-of-that-name/x"
    assert make_parser().parse_args(["--dataset", nobody]).dataset == pathlib.Path(nobody)
    assert make_parser().parse_args(["--weights=~/a.h5"]).weights == str(pathlib.Path.home() / "a.h5")


@pytest.mark.parametrize(
    ("arguments", "status"), [("--help", 0), ("--version", 0), ("--seed 3", 2), ("--losses sofmax", 2)]
)
def test_what_is_answered_at_once_imports_nothing_heavy(arguments, status):
    command = [sys.executable, "-X", "importtime", "main.py", *arguments.split()]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in process.stderr.splitlines()}
    assert process.returncode == status
    assert "argparse" in imported
    assert not imported & {*HEAVY}


def test_a_name_of_undecodable_bytes_is_refused(capsys):
    status, output = ended(["--runs", os.fsdecode(b"caf\xe9")], capsys)
    message = "caf\\udce9 is not in UTF-8. Rename it, or give a link to it that has another name"
    assert (status, output.err) == (2, f"main.py: {message}\nSee python main.py --help\n")


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_an_answer_that_nobody_reads_ends_without_a_word(flag):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as nobody:
        process = subprocess.run([sys.executable, "main.py", flag], cwd=ROOT, stdout=nobody, stderr=subprocess.PIPE)
    assert (process.stderr, process.returncode) == (b"", 0)
