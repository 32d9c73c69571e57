"""What a worker of a cluster does with a run: its process, what it tells of it, and when it ends it."""

import json
import sys
import threading
import time
import types

import pytest

from lab import worker
from lab.worker import Task

# In place of a run: it does what its job says, in the folder of the run.
RUN = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1], "center", "seed-0")
os.chdir(folder)
exec(sys.stdin.buffer.readline())
"""


@pytest.fixture(autouse=True)
def as_worker(monkeypatch, tmp_path):
    """This process is a worker with three cores for each run."""
    this = types.SimpleNamespace(local_directory=str(tmp_path), state=types.SimpleNamespace(nthreads=3))
    monkeypatch.setitem(sys.modules, "distributed", types.SimpleNamespace(get_worker=lambda: this))
    monkeypatch.setattr(worker, "SCRIPT", RUN)
    monkeypatch.setattr(worker, "BEAT", 0.01)


def task(job, **files):
    found = {"center/seed-0/config.json": b"{}"} | {f"center/seed-0/{name}": text for name, text in files.items()}
    return Task("center/seed-0", found, ("training.backup", "tsne-*.backup"), f"{job}\n".encode(), "jax")


def until(happened):
    while not (found := happened()):
        time.sleep(0.01)
    return found


@pytest.fixture
def running():
    """Function that has a run done in a thread, and gives it and the list that its outcome is going to be in."""
    threads = []

    def start(job):
        outcomes = []
        threads.append(threading.Thread(target=lambda: outcomes.append(worker.run("a", task(job)))))
        threads[0].start()
        return threads[0], outcomes

    yield start
    worker.stop(["a"])
    threads[0].join()


def test_a_run_leaves_its_lines_and_its_files_but_none_to_go_on_from(tmp_path):
    job = "print('ä'); print('b'); open('.claim', 'w'); open('tsne-1.backup', 'w'); open('metrics.json', 'w')"
    outcome = worker.run("a", task(job))
    assert (outcome.status, outcome.lines, outcome.errors) == (0, ["ä", "b"], "")
    assert outcome.files == {"config.json": b"{}", "metrics.json": b""}
    assert list(tmp_path.iterdir()) == []


def test_a_run_goes_on_from_what_it_is_given():
    outcome = worker.run("a", task("print(open('training.backup').read())", **{"training.backup": b"epoch 3"}))
    assert outcome.lines == ["epoch 3"]


def test_a_run_has_its_share_of_the_cores_and_the_backend_of_the_command():
    outcome = worker.run("a", task("import json; print(json.dumps(dict(os.environ)))"))
    environment = json.loads(outcome.lines[0])
    assert environment["KERAS_BACKEND"] == "jax"
    assert [environment[name] for name in worker.THREADS] == ["3"] * 5


@pytest.mark.parametrize(("job", "status"), [("sys.exit('main.py: no')", 1), ("os.kill(os.getpid(), 9)", -9)])
def test_how_a_process_ended_is_told(job, status):
    outcome = worker.run("a", task(job))
    assert outcome.status == status
    assert outcome.errors == ("main.py: no\n" if status == 1 else "")


def test_who_looks_gets_what_is_new(running):
    keep = "open('.new', 'w').write('state'); os.replace('.new', 'training.backup')"
    running(f"print('1'); print('2', end='', flush=True); {keep}; time.sleep(100)")
    lines, backups = until(lambda: (news := worker.look({"a": (0, {})})) and news["a"][1] and news["a"])
    ((name, (time_then, content)),) = backups.items()
    assert (lines, name, content) == (["1"], "training.backup", b"state")  # Of a line that is not whole nothing.
    assert worker.look({"a": (1, {name: time_then}), "another": (0, {})}) == {"a": ([], {})}


def test_a_run_that_begins_or_ends_at_this_moment_has_nothing_new(tmp_path, monkeypatch):
    monkeypatch.setitem(worker.folders, "a", (tmp_path, task("pass")))
    assert worker.look({"a": (0, {})}) == {}  # It has printed nothing yet.
    (tmp_path / "lines").write_text("begun\n", encoding="utf-8")
    (tmp_path / "center" / "seed-0").mkdir(parents=True)
    (tmp_path / "center" / "seed-0" / "training.backup").symlink_to("gone")  # As one removed while it is looked for.
    assert worker.look({"a": (0, {})}) == {}


def test_a_run_that_is_stopped_ends(running):
    thread, outcomes = running("print('begun'); time.sleep(100)")
    until(lambda: worker.look({"a": (0, {})}).get("a", ([],))[0])
    worker.stop(["a"])
    thread.join()
    assert outcomes[0].status is None
    assert outcomes[0].lines == ["begun"]


def test_a_run_that_nobody_looks_at_any_more_ends(running, monkeypatch):
    monkeypatch.setattr(worker, "SILENCE", 0.5)
    thread, outcomes = running("time.sleep(100)")
    thread.join()
    assert outcomes[0].status is None
