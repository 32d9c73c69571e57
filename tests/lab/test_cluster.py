"""A study that is shared out among the workers of a cluster ends as that of one process, or with a line."""

import os
import pathlib
import subprocess
import sys
import types

import psutil
import pytest
from dask.system import CPU_COUNT
from support.same_results import differences

from lab.claims import CLAIM
from lab.cluster import Cluster, _gpus
from lab.faults import Fault
from lab.worker import ROOT, THREADS

LOSSES, SEEDS = ("softmax", "center", "triplet"), 2
SMALL = "--dataset digits --epochs 3 --embedding-dim 2 --precision float32 --no-tensorboard"
FLAGS = (*SMALL.split(), "--losses", *LOSSES, "--seeds", str(SEEDS))
TITLES = ["raw pixels", *(f"{loss} seed {seed}" for loss in LOSSES for seed in range(SEEDS))]


def start(path, *flags):
    """A command over six runs; alone, it takes as many threads as one of three workers."""
    threads = dict.fromkeys(THREADS, str(max(1, CPU_COUNT // 3)))
    return subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), *FLAGS, "--runs", str(path), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        env=os.environ | threads | {"KERAS_HOME": f"{path}-keras"},
    )


def output_of(command):
    output, errors = command.communicate(timeout=3600)
    assert (command.returncode, errors) == (0, "")
    return output.splitlines()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    path = tmp_path_factory.mktemp("alone")
    output_of(start(path))
    return path


def kill_one_that_has_trained_an_epoch(command):
    """Kills the worker of a run whose first epoch is kept here."""
    for worker in psutil.Process(command.pid).children():
        for run in worker.children():
            if list(pathlib.Path(run.cmdline()[-1]).glob("*/*/training.backup")):
                worker.kill()
                return


def check(path, lines, alone):
    for title in TITLES:
        assert len([line for line in lines if line.startswith(f"{title}: 5-NN")]) == 1
    assert list(differences(alone, path)) == []
    assert not [*path.rglob(f"{CLAIM}*"), *path.rglob("*.backup")]


@pytest.mark.long
def test_where_a_worker_is_killed_each_run_is_trained_once_and_the_results_are_those_of_one_process(alone, tmp_path):
    command, first = start(tmp_path, "--cluster", "local:3"), []
    for line in command.stdout:
        first.append(line)
        if " epoch 2: " in line:
            kill_one_that_has_trained_an_epoch(command)
            break
    lines = [*first, *output_of(command)]
    assert len([line for line in lines if "goes on elsewhere: its worker " in line]) == 1
    assert len([line for line in lines if ": goes on after epoch " in line]) == 1
    check(tmp_path, lines, alone)


@pytest.mark.long
def test_two_commands_with_workers_of_their_own_share_one_folder(alone, tmp_path):
    commands = [start(tmp_path, "--cluster", "local:3") for _ in range(2)]
    check(tmp_path, [line for command in commands for line in output_of(command)], alone)


@pytest.mark.parametrize(
    ("visible", "found"), [("0,2", ["0", "2"]), ("0, 2", ["0", "2"]), ("GPU-1a", ["GPU-1a"]), ("", []), ("-1", [])]
)
def test_workers_of_this_machine_share_the_gpus_that_are_visible(visible, found, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert _gpus() == found


@pytest.mark.parametrize(
    ("status", "error", "lost"),
    [
        ("running", OSError("Timed out trying to connect to tcp://127.0.0.1:8786"), True),
        ("closed", AttributeError("'NoneType' object has no attribute 'identity'"), True),  # As a closed client has it.
        ("connecting", RuntimeError("ConnectionPool is closed"), True),
        ("running", KeyError("workers"), False),  # A fault of our own.
        ("running", OSError(28, "No space left on device"), False),
    ],
)
def test_a_scheduler_that_is_gone_ends_the_command_with_a_line_and_nothing_else_does(status, error, lost):
    def sync(*_, **__):
        raise error

    scheduler = types.SimpleNamespace(address="tcp://127.0.0.1:8786", identity=None)
    client = types.SimpleNamespace(scheduler=scheduler, status=status, sync=sync)
    with pytest.raises(Fault if lost else type(error)) as told:
        Cluster(client, []).workers()
    assert ("the scheduler at tcp://127.0.0.1:8786 is gone" in str(told.value)) is lost
