"""Runs that workers do: who has which, what comes back, and what becomes of those whose worker is gone."""

import collections
import concurrent.futures
import errno
import pickle
import types

import pytest

from lab.claims import CLAIM
from lab.dispatch import Job, _Dispatcher
from lab.errors import InputError
from lab.faults import Fault, as_fault
from lab.log import Log
from lab.run_folder import RunFolder
from lab.settings import Settings
from lab.turns import Turns
from lab.worker import Outcome, look, run, stop

FILES = {"metrics.json": b'{"status": "finished"}', "history.csv": b"epoch\n"}
DONE = Outcome(0, ["epoch 1", "it ended"], "", FILES)


class FakeCluster:
    """Workers by their addresses, and what each is to answer; all that was sent, looked at and stopped."""

    def __init__(self, *addresses):
        self.addresses, self.client = list(addresses), self
        self.sent, self.news, self.stopped = collections.defaultdict(list), {}, []

    def is_lost(self, error):
        return isinstance(error, OSError) and error.errno is None

    def workers(self):
        return dict.fromkeys(self.addresses, "host")

    def submit(self, what, name, task, workers, **options):
        assert what is run
        future = concurrent.futures.Future()
        self.sent[workers[0]].append((name, task, future))
        return future

    def run(self, what, about, workers, on_error):
        if what is stop:
            self.stopped += about
            return {}
        assert what is look
        return {w: {name: self.news.pop(w) for name in about if name == self.sent[w][-1][0] and w in self.news}
                for w in workers}  # fmt: skip

    def task(self, address):
        return self.sent[address][-1][1]

    def end(self, address, outcome=DONE):
        self.sent[address][-1][2].set_result(outcome)


class FakeStudy:
    """Raw pixels, and softmax with two seeds."""

    def __init__(self, path):
        settings = [Settings("digits", "softmax", seed, 2) for seed in (0, 1)]
        self.asked = {RunFolder(path / s.folder): s for s in (settings[0].of_pixels(), *settings)}
        self.splits = {None: types.SimpleNamespace(source="digits")}

    def baseline(self, split):
        return next((settings, folder) for folder, settings in self.asked.items())

    def turns(self, log):
        asked = {folder: (s.title, s) for folder, s in self.asked.items()}
        return Turns(asked, lambda folder: folder.metrics() is not None, log, {self.baseline(None)[1]})


@pytest.fixture
def dispatcher(tmp_path, monkeypatch):
    monkeypatch.setattr("lab.dispatch.POLL", 0)
    log = Log("python main.py --cluster local:2", tensorboard=False)
    progress = types.SimpleNamespace(
        name="", estimate=types.SimpleNamespace(expect=lambda *_, **__: None), line=log.say, wait=log.say
    )
    log.progress = progress
    options = types.SimpleNamespace(command=log.command, tensorboard=False, same={"backend": "jax"})
    dispatcher = _Dispatcher(FakeCluster("a", "b"), FakeStudy(tmp_path), options, log)
    yield dispatcher
    dispatcher.close()
    assert not list(tmp_path.rglob(f"{CLAIM}*"))


@pytest.fixture
def trained(dispatcher):
    """The same, where the raw pixels are done, and both workers train."""
    list(dispatcher.round())
    dispatcher.cluster.end("a" if dispatcher.cluster.sent["a"] else "b")
    list(dispatcher.round())
    list(dispatcher.round())
    return dispatcher


def titles(dispatcher):
    return {run.address: run.settings.title for run in dispatcher.runs}


def test_the_raw_pixels_come_first_and_go_with_the_runs(dispatcher, tmp_path):
    list(dispatcher.round())
    ((address, title),) = titles(dispatcher).items()
    assert title == "raw pixels"
    assert dispatcher.cluster.task(address).backend == "jax"  # As of the command, though the pixels depend on none.
    assert dispatcher.cluster.task(address).files == {}
    dispatcher.cluster.end(address)
    assert list(dispatcher.round()) == []
    list(dispatcher.round())
    assert sorted(titles(dispatcher).values()) == ["softmax seed 0", "softmax seed 1"]
    assert dispatcher.cluster.task("a").files["raw_pixels/metrics.json"] == FILES["metrics.json"]


def test_what_a_run_leaves_is_kept_and_its_worker_gets_the_next(trained, tmp_path, capsys):
    trained.cluster.news["a"] = (["epoch 1"], {"training.backup": (5, b"state")})
    list(trained.round())
    folder = tmp_path / trained.cluster.task("a").folder
    assert (folder / "training.backup").read_bytes() == b"state"
    assert trained.runs[0].times == {"training.backup": 5} or trained.runs[1].times == {"training.backup": 5}
    trained.cluster.end("a")
    trained.cluster.end("b", Outcome(0, [], "", FILES))
    assert sorted(s.seed for s in trained.round()) == [0, 1]
    assert {path.name: path.read_bytes() for path in folder.glob("[mht]*")} == FILES
    assert capsys.readouterr().out.splitlines()[-2:] == ["epoch 1", "it ended"]  # Each line once.
    assert trained.turns.left() == []


def test_the_run_of_a_worker_that_is_gone_goes_on_with_another(trained, tmp_path, capsys):
    trained.cluster.news["a"] = ([], {"training.backup": (5, b"state")})
    list(trained.round())
    left, title = trained.cluster.task("a").folder, titles(trained)["a"]
    trained.cluster.addresses.remove("a")
    list(trained.round())
    assert f"{title} goes on elsewhere: its worker a is gone" in capsys.readouterr().out
    trained.cluster.end("b")
    list(trained.round())
    list(trained.round())
    assert trained.cluster.task("b").folder == left
    assert trained.cluster.task("b").files[f"{left}/training.backup"] == b"state"


def test_a_run_that_another_command_has_taken_over_is_stopped_and_left_to_it(trained, tmp_path, capsys):
    folder = tmp_path / trained.cluster.task("a").folder
    (folder / CLAIM).write_text('{"token": "another"}', encoding="utf-8")
    trained.cluster.end("a")
    name, title = trained.cluster.sent["a"][-1][0], titles(trained)["a"]
    assert list(trained.round()) == []
    assert trained.cluster.stopped == [name]
    assert f"{title} is left to another command" in capsys.readouterr().out
    assert not (folder / "metrics.json").exists()
    (folder / CLAIM).unlink()


def test_a_run_whose_connection_was_lost_for_a_moment_is_stopped_and_given_again(trained, capsys):
    name, _, future = trained.cluster.sent["a"][-1]
    assert future.cancel()  # As Dask has it, when it has connected anew.
    title = titles(trained)["a"]
    assert list(trained.round()) == []
    assert trained.cluster.stopped == [name]
    assert f"{title} is to go on: the connection to the scheduler was lost" in capsys.readouterr().out
    list(trained.round())
    assert sorted(titles(trained)) == ["a", "b"]


def test_a_look_that_finds_no_scheduler_is_left_to_the_next_round_to_tell(trained, monkeypatch):
    def gone(*_, **__):
        raise OSError("Timed out trying to connect to the scheduler")

    monkeypatch.setattr(trained.cluster, "run", gone)
    assert list(trained.round()) == []
    assert sorted(titles(trained)) == ["a", "b"]


def test_a_run_whose_worker_heard_nothing_for_too_long_is_given_again(trained):
    trained.cluster.end("a", Outcome(None, [], "", {}))
    list(trained.round())
    list(trained.round())
    assert sorted(titles(trained)) == ["a", "b"]


@pytest.mark.parametrize(
    ("outcome", "kind", "message"),
    [
        (Outcome(2, [], "noise\nmain.py: no such folder\n", {}), InputError, "worker a on host: no such folder"),
        (Outcome(3, [], "main.py: /x: No space left\n", {}), Fault, "worker a on host: /x: No space left"),
        (Outcome(-9, [], "", {}), Fault, "worker a on host: the process of .* was ended by signal 9, as for want of"),
        (Outcome(143, [], "", {}), Fault, r"worker a on host: the process of .* was ended by signal 15\. Runs that"),
        (Outcome(1, [], "Traceback\nKeyError: 1\n", {}), RuntimeError, "on worker a on host:\nTraceback\nKeyError: 1"),
    ],
)
def test_a_process_that_ends_badly_ends_the_command_as_it_would_have(trained, outcome, kind, message):
    trained.cluster.end("a", outcome)
    with pytest.raises(kind, match=message) as raised:
        list(trained.round())
    assert (as_fault(raised.value, None) == str(raised.value)) == (kind is Fault)


def test_a_worker_that_does_not_find_the_code_is_told_where_to_start(trained):
    trained.cluster.sent["a"][-1][2].set_exception(ModuleNotFoundError("No module named 'lab'"))
    with pytest.raises(InputError, match=r"worker a on host: No module named 'lab'\. Start it in the folder of this"):
        list(trained.round())


def test_a_scheduler_that_does_not_find_the_code_is_told_where_to_start(trained):
    error = RuntimeError("Error during deserialization of the task graph")
    error.__cause__ = ModuleNotFoundError("No module named 'lab'")
    trained.cluster.sent["a"][-1][2].set_exception(error)
    with pytest.raises(InputError, match=r"the scheduler: No module named 'lab'\. Start it in the folder of this"):
        list(trained.round())


def test_all_that_is_not_done_is_stopped_in_the_end(trained):
    trained.close()
    assert sorted(trained.cluster.stopped) == sorted(sent[-1][0] for sent in trained.cluster.sent.values())
    assert all(sent[-1][2].cancelled() for sent in trained.cluster.sent.values())


def test_what_could_not_be_sent_is_given_back(dispatcher, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunFolder, "start", full)
    with pytest.raises(OSError, match="No space left"):
        list(dispatcher.round())  # The fixture looks for claims that are left.


def test_an_order_is_opened_by_the_same_code_and_packages_alone(monkeypatch):
    options, settings = types.SimpleNamespace(command="c", tensorboard=True), Settings("digits", "softmax", 0, 2)
    job = pickle.loads(Job.of(options, settings).pickled())
    assert (job.command, job.tensorboard, job.opened()[1]) == ("c", True, settings)
    monkeypatch.setattr("lab.dispatch.source_code", lambda: "0" * 64)
    with pytest.raises(InputError, match=r"it has code 000000000000, not \w{12}. Give it the code and the packages of"):
        job.opened()
