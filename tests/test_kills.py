"""A study that fails again and again ends as an undisturbed one: nothing is lost, nothing made twice.

It is killed, or the system refuses something: memory, room on a disk, any writing. That is said in a line.
"""

import collections
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf
from support.same_results import differences
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ROOT = pathlib.Path(__file__).parents[1]
FLAGS = ("--dataset=digits", "--epochs=4", "--tsne-iterations=300", "--embedding-dim=8", "--perplexity=5")
SIGNALS = {"SIGKILL": -9, "SIGTERM": 143}
REMEDIES = {
    "ENOSPC": "No space left on device. Make room there",
    "EROFS": "Read-only file system. Make it writable",
    "MemoryError": "there is not enough memory. Close other programs",
    "ResourceExhaustedError": "there is not enough memory. Close other programs",
}
STATUS = SIGNALS | dict.fromkeys(REMEDIES, 3)
KEPT = "Runs that ended are kept: the same command, without --overwrite, goes on from there.\n"

# The moments of a run in their order; the last is of one that starts again.
# Maps are made beside the scores: when they are waited for, as the stage has it, none may be left to be written.
MAP = "write tsne-*.backup"
OF_PIXELS = "write config.json", MAP, "stage t-SNE", "write embeddings.npz", "write metrics.json"
OF_A_LOSS = (
    *("write config.json", "epoch 0", "epoch 1", "epoch 2", "append history", "append events", "write training.backup"),
    *("write embedder.keras", "write weights.weights.h5", "stage embedding", "stage scoring", MAP, "stage t-SNE"),
    *("stage drawing", "stage TensorBoard", "write projector_*", "write *tfevents*"),
    *("write embeddings.npz", "write training.npz", "write tsne_*.csv", "write roc.png", "write training.gif"),
    *("write metrics.json", "remove history.csv"),
)
AT_ITS_END = "remove training.backup", "remove tsne-*.backup", "write results.csv", "write SUMMARY.md"
OF_ALL = "write comparison_*.png", "write results.csv"


def kill(run, at, signal="SIGKILL", delay=0.0):
    """What `Killer` takes; a stage has begun a moment before a signal comes."""
    begun = at.startswith("stage") and signal in SIGNALS
    return {"run": run, "at": at, "signal": signal, "delay": delay or (0.02 if begun else 0.0)}


def fifty_kills(runs, chance):
    """At every moment at least one, and one at any time of each run; SIGKILL and SIGTERM by chance."""
    twice = [at for at in OF_A_LOSS if at != MAP]  # The others are made meanwhile.
    moments = [*OF_A_LOSS, *chance.sample(twice, 5 * len(runs) - len(OF_A_LOSS))]
    chance.shuffle(moments)
    planned = [(None, "load"), *(("raw pixels", at) for at in OF_PIXELS)]
    for number, run in enumerate(runs):
        mine = sorted(moments[number :: len(runs)], key=OF_A_LOSS.index)
        planned += [(run, at) for at in (*mine, "run", AT_ITS_END[number % len(AT_ITS_END)])]
    planned += [(None, at) for at in OF_ALL]
    return [
        kill(run, at, chance.choice(list(SIGNALS)), chance.uniform(0.1, 3) if at == "run" else 0.0)
        for run, at in planned
    ]


class Study:
    """A study of some losses and seeds that was killed so often, and the same undisturbed."""

    def __init__(self, folder, flags, kills):
        self.folder, self.kills = folder, kills
        plan = {"folder": str(folder), "arguments": [*FLAGS, *flags], "kills": kills}
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        command = [sys.executable, str(ROOT / "tests" / "support" / "killed.py"), str(folder / "plan.json")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        told = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert told.returncode == 0, told.stderr
        self.commands = [json.loads(line) for line in told.stdout.splitlines()]
        self.journal = [json.loads(line) for line in (folder / "journal").read_text(encoding="utf-8").splitlines()]

    def assert_nothing_is_lost(self):
        assert [status for _, status, _ in self.commands] == [*(STATUS[kill["signal"]] for kill in self.kills), 0]
        self.assert_each_refusal_is_said_in_a_line()
        # One at any time may come after a run has ended.
        assert {at for _, what, at in self.journal if what == "missed"} <= {*AT_ITS_END}
        self.assert_no_run_is_done_twice()
        self.assert_no_part_is_done_twice()
        self.assert_ends_as_undisturbed()

    def assert_each_refusal_is_said_in_a_line(self):
        with open(self.folder / "killed.txt", encoding="utf-8") as file:
            lines = list(file)
        assert not [line for line in lines if "Traceback" in line]
        told = [line for line in lines if line.startswith("main.py: ")]
        remedies = [REMEDIES[kill["signal"]] for kill in self.kills if kill["signal"] in REMEDIES]
        for line, remedy in zip(told, remedies, strict=True):
            assert remedy in line
            assert line.endswith(KEPT)

    def assert_no_run_is_done_twice(self):
        for (_, _, before), (_, _, after) in zip(self.commands, self.commands[1:], strict=False):
            assert before.items() <= after.items()

    def assert_no_part_is_done_twice(self):
        """No epoch and no map begins again that has ended, or that a later epoch follows."""
        ended, begun = set(), collections.defaultdict(list)
        for run, what, part in self.journal:
            if what == "begins":
                assert (run, part) not in ended
                if isinstance(part, int):
                    begun[run].append(part)
            elif what == "ended":
                ended.add((run, part))
        for run, epochs in begun.items():
            assert epochs == sorted(epochs), run
            assert {*epochs} == {*range(4)}, run

    def assert_ends_as_undisturbed(self):
        undisturbed, killed = self.folder / "undisturbed", self.folder / "killed"
        assert list(differences(undisturbed, killed)) == []
        assert names(undisturbed) == names(killed)  # Nothing is left over.
        for path in [*undisturbed.rglob("*.h5"), *undisturbed.rglob("*.keras")]:
            other = killed / path.relative_to(undisturbed)
            for (name, mine), (theirs, value) in zip(weights(path).items(), weights(other).items(), strict=True):
                assert name == theirs
                np.testing.assert_array_equal(mine, value, err_msg=f"{path} {name}")
        for path in {path.parent for path in undisturbed.rglob("*tfevents*")}:
            assert events(path) == events(killed / path.relative_to(undisturbed)), path


def names(folder):
    """The names in each folder; those of events have the time in theirs, and each command has its own."""
    return {
        (path.parent.relative_to(folder), "events" if "tfevents" in path.name else path.name)
        for path in folder.rglob("*")
    }


def weights(path):
    """Dict from the names of the weights in a file to their values."""
    content, found = path.read_bytes(), {}
    if path.suffix == ".keras":
        content = zipfile.ZipFile(path).read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    assert found
    return found


def events(path):
    """Dict from a tag to the steps and values in the events of a folder; not of texts, which have times in them."""
    found = EventAccumulator(str(path), {"tensors": 0}).Reload()
    return {
        tag: [(event.step, tf.make_ndarray(event.tensor_proto).tolist()) for event in found.Tensors(tag)]
        for tag in found.Tags()["tensors"]
        if found.SummaryMetadata(tag).plugin_data.plugin_name != "text"
    }


@pytest.mark.slow
def test_a_study_that_is_killed_ends_as_an_undisturbed_one(tmp_path):
    run = "center seed 0"
    kills = [
        kill(None, "load", "SIGTERM"),
        kill("raw pixels", "write embeddings.npz"),
        kill(run, "epoch 1", "SIGTERM"),
        kill(run, "write training.backup"),
        kill(run, "stage t-SNE", "MemoryError"),
        kill(run, "stage TensorBoard", "ENOSPC"),
        kill(run, "write metrics.json", "EROFS"),
        kill(run, "remove training.backup"),
    ]
    Study(tmp_path, ["--losses", "center"], kills).assert_nothing_is_lost()


@pytest.mark.long
def test_a_study_that_is_killed_fifty_times_ends_as_an_undisturbed_one(tmp_path):
    losses = "softmax", "center", "triplet"
    kills = fifty_kills([f"{loss} seed {seed}" for seed in (0, 1) for loss in losses], random.Random(0))
    assert len(kills) == 50
    Study(tmp_path, ["--losses", *losses, "--seeds", "2"], kills).assert_nothing_is_lost()


@pytest.mark.long
@pytest.mark.parametrize("first", [0, 2])  # Where one refuses memory, the other refuses to write.
def test_a_study_that_is_refused_something_at_every_moment_ends_as_an_undisturbed_one(tmp_path, first):
    run = "center seed 0"
    planned = [(None, "load"), *(("raw pixels", at) for at in OF_PIXELS)]
    planned += [(run, at) for at in (*OF_A_LOSS, *AT_ITS_END)] + [(None, at) for at in OF_ALL]
    kinds = list(REMEDIES) * len(planned)
    kills = [kill(*at, kind) for at, kind in zip(planned, kinds[first:], strict=False)]
    Study(tmp_path, ["--losses", "center"], kills).assert_nothing_is_lost()
