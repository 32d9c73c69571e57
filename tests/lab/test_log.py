"""What is told while a command runs, its times, and how it ends."""

import contextlib
import errno
import io
import itertools
import signal
import sys
import threading
import types

import keras
import pytest
from support.runs import make_run, write_run
from support.small_network import few_digits, small_model, small_settings

from lab.backup import BACKUP
from lab.claims import Claim, Lost
from lab.dashboard import NoDashboard
from lab.errors import InputError
from lab.estimate import Estimate
from lab.health import Health
from lab.log import ENDING, History, Log
from lab.results import gather
from lab.run_folder import ConflictError, RunFolder
from lab.sources.idx import SourceError
from lab.training import train
from main import main
from visualize import CAPTIONS, Picture

SETTINGS = small_settings()


@pytest.fixture(autouse=True)
def heeded_sighup():
    """As in a terminal: whoever runs the tests, as by `nohup`, may ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def log():
    return Log("python main.py", tensorboard=False)


@pytest.mark.parametrize("kind", [InputError, SourceError, ConflictError])
def test_bad_input_ends_the_command_with_one_message_and_status_2(log, kind, capsys):
    with log:
        raise kind("--perplexity 5000 [too many]\nGive fewer")
    assert log.status == 2
    output = capsys.readouterr()
    assert output.err == "main.py: --perplexity 5000 [too many]\nGive fewer\n"
    assert output.out == ""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "a/roc.png"),
            "a/roc.png: No space left on device. Make room",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "a/roc.png"), "a/roc.png: Disk quota exceeded. Make room"),
        (OSError(errno.ENOSPC, "No space left on device"), "runs/digits: No space left on device. Make room"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "a: Permission denied. Make it writable"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "a: Read-only file system. Make it writable"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "a"),
            "a: No such file or directory. It was moved",
        ),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a"), "a: Not a directory. It was moved"),
        (OSError(errno.EXDEV, "Invalid cross-device link", "a"), "a: Invalid cross-device link. Runs that ended"),
        (MemoryError(), "there is not enough memory. Close other programs"),
        (RuntimeError("can't start new thread"), "there is not enough memory. Close other programs"),
        (OSError(errno.ENOMEM, "Cannot allocate memory", "a"), "there is not enough memory. Close other programs"),
    ],
    ids=repr,
)
def test_what_the_system_refuses_ends_the_command_with_one_line_and_status_3(log, error, told, capsys):
    log.place = "runs/digits"
    with log:
        raise error
    assert log.status == 3
    output = capsys.readouterr()
    assert output.err.startswith(f"main.py: {told}")
    assert output.err.endswith("Runs that ended are kept: the same command, without --overwrite, goes on from there.\n")
    assert output.err.count("\n") == 1
    assert output.out == ""


def test_memory_that_is_refused_is_said_although_a_library_fails_at_cleaning_up_after_it(log, capsys):
    """As `np.savez` does: it closes a file whose memory could not grow."""
    with log:
        try:
            raise MemoryError
        finally:
            try:
                raise ValueError("I/O operation on closed file.")
            except ValueError as error:
                raise error from None  # So does Keras.
    assert log.status == 3
    assert capsys.readouterr().err.startswith("main.py: there is not enough memory. Close other programs")


class NobodyReads(io.StringIO):
    def write(self, text):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_where_nobody_reads_what_is_printed_the_command_ends_without_a_word(log, monkeypatch, capsys):
    redirected, log.terminal.console.file = [], NobodyReads()
    monkeypatch.setattr("os.dup2", lambda *numbers: redirected.append(numbers))
    monkeypatch.setattr("sys.stdout", types.SimpleNamespace(fileno=lambda: 1))
    with log:
        log.say("a line")
        raise AssertionError("not reached")
    assert log.status == 141
    assert [number for _, number in redirected] == [1]  # What is left to print leads nowhere.
    assert capsys.readouterr().err == ""


def test_ctrl_c_ends_the_command_with_a_message_and_status_130(log, capsys):
    with log:
        raise KeyboardInterrupt
    assert log.status == 130
    output = capsys.readouterr()
    assert output.out == "Interrupted. Runs that ended are kept; --summarize, with the same --runs, draws them.\n"
    assert output.err == ""


@pytest.mark.parametrize("error", [ValueError("axes"), OSError("a fault"), TypeError("x"), SystemExit(3)], ids=repr)
def test_any_other_exception_passes_as_itself_and_is_not_shown_as_bad_input(log, error, capsys):
    with pytest.raises(type(error)) as caught, log:
        raise error
    assert caught.value is error
    assert log.status == 0
    output = capsys.readouterr()
    assert output.out == output.err == ""


@pytest.mark.parametrize("error", [ValueError("a fault in drawing"), OSError("a fault in drawing")], ids=repr)
def test_a_fault_in_drawing_is_no_bad_input(tmp_path, monkeypatch, capsys, error):
    def faulty(results):
        raise error

    write_run(tmp_path / "digits")
    monkeypatch.setattr("main.comparison_pictures", faulty)
    with pytest.raises(type(error), match="a fault in drawing"):
        main(["--summarize", "--no-tensorboard", "--runs", str(tmp_path)])
    assert "a fault" not in capsys.readouterr().err


def test_a_command_that_ends_well_has_status_0(log):
    with log as given:
        assert given is log
    assert log.status == 0


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_the_command_with_a_status_of_its_own(log, capsys, number):
    before = signal.getsignal(number)
    with log:
        signal.raise_signal(number)
    assert log.status == {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}[number.name]
    assert (
        capsys.readouterr().out
        == "Interrupted. Runs that ended are kept; --summarize, with the same --runs, draws them.\n"
    )
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_so(log):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with log:
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert log.status == 0


def test_a_terminal_that_was_closed_is_told_nothing_more(log, monkeypatch, capsys):
    def closed(text):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(log.terminal.console, "_file", types.SimpleNamespace(write=closed, isatty=lambda: False))
    with log, log.following(Estimate(1, 10), "Go on with the same command."):
        signal.raise_signal(signal.SIGHUP)
    assert log.status == 129
    assert capsys.readouterr() == ("", "")


def test_an_output_without_room_is_named(log, monkeypatch, capsys):
    def full(text):
        raise OSError(errno.ENOSPC, "No space left on device")

    log.place = "runs/digits"
    monkeypatch.setattr(log.terminal.console, "_file", types.SimpleNamespace(write=full, isatty=lambda: False))
    with log:
        log.say("a line")
    assert log.status == 3
    assert capsys.readouterr().err.startswith("main.py: standard output: No space left on device. Make room there")


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_that_python_dropped_is_heeded_at_the_next_stage(log, name, status):
    with log, log.following(Estimate(1, 10), ""):
        log.begin("softmax seed 0")
        with contextlib.suppress(KeyboardInterrupt):  # As it does while it cleans up an object.
            signal.raise_signal(getattr(signal, name))
        log.stage("scoring")
        pytest.fail("went on")
    assert log.status == status


def test_an_epoch_is_told_when_it_is_kept(log, folder):
    settings = small_settings("center")
    model, health, kept = small_model(settings, few_digits()), Health(few_digits().validation, settings), []
    with log.following(Estimate(1, 4), ""):
        folder.start(settings, log.command)
        log.begin(settings.title)
        backup = log.backup(folder)
        tell = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(backup.epochs))
        train(model, few_digits().train, health, backup=backup, telling=[tell])
    assert kept == [*range(1, settings.epochs + 1)]


def test_of_a_signal_that_python_drops_nothing_is_said_and_of_all_else_what_ever_was(monkeypatch):
    class Cleaned:
        def __init__(self, up):
            self.up = up

        def __del__(self):
            self.up()

    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    log = Log("python main.py", tensorboard=False)
    with log:
        Cleaned(lambda: signal.raise_signal(signal.SIGINT))
        assert told == []
        Cleaned(lambda: 1 / 0)
        assert [dropped.exc_type for dropped in told] == [ZeroDivisionError]
        log.heed()
        pytest.fail("went on")
    assert log.status == 130
    assert sys.unraisablehook == told.append


def test_outside_the_main_thread_signals_are_left_alone(log):
    def command():
        with log:
            pass

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=command)
    thread.start()
    thread.join()
    assert log.status == 0
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_signals_end_what_is_followed_alone(log, capsys, name, status):
    after = []
    with log:
        with log.following(Estimate(2, 10), "Go on with the same command."):
            log.progress.line("begun")
            signal.raise_signal(getattr(signal, name))
        after.append("compared")
    assert after == ["compared"]
    assert log.status == status
    assert capsys.readouterr().out == "begun\nGo on with the same command.\n"


def test_whatever_else_happens_while_it_is_followed_passes(log, capsys):
    with pytest.raises(ValueError, match="a fault"), log.following(Estimate(2, 10), "Go on with the same command."):
        raise ValueError("a fault")
    assert log.status == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("status", "losses", "said"),
    [
        (0, ("raw_pixels", "softmax"), "Drawing the comparison."),
        (2, ("raw_pixels", "softmax"), "Drawing the comparison."),
        (130, ("raw_pixels", "softmax"), "Drawing what there is."),
        (130, ("raw_pixels",), None),
        (143, (), None),
        (2, ("raw_pixels",), None),
    ],
)
def test_what_is_drawn_is_said_and_after_a_bad_end_nothing_without_a_loss(log, tmp_path, capsys, status, losses, said):
    for loss in losses:
        write_run(tmp_path / "digits", loss)
    (tmp_path / "digits").mkdir(exist_ok=True)
    log.status = status
    log.compare(gather(tmp_path / "digits"), lambda results: [Picture("comparison_roc.png", b"roc")], CAPTIONS)
    output = capsys.readouterr().out
    assert output.startswith(f"{said}\n" if said else "")
    assert bool(output) == (tmp_path / "digits" / "comparison_roc.png").exists() == bool(said)


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "digits" / "softmax" / "seed-0")


def test_a_run_begins_with_its_settings_and_the_command_in_its_folder(log, folder):
    folder.path.mkdir(parents=True)
    (folder.path / "metrics.json").write_text("", encoding="utf-8")
    with log.following(Estimate(1, 10), ""):
        folder.start(SETTINGS, log.command)
        log.begin(SETTINGS.title)
        assert log.progress.name == "softmax seed 0"
        log.begin("softmax trial-3")
        assert log.progress.name == "softmax trial-3"
    assert [path.name for path in folder.path.iterdir()] == ["config.json"]
    assert folder.settings() == SETTINGS
    assert '"command": "python main.py"' in (folder.path / "config.json").read_text(encoding="utf-8")


def test_the_times_of_a_run_are_those_of_its_stages_and_of_all_of_it(log, folder, monkeypatch):
    clock = itertools.accumulate([100.0, 5.0, 2.0, 1.0, 0.5, *[1000.0] * 5])
    with log.following(Estimate(1, 10), ""):
        monkeypatch.setattr("lab.log.time", types.SimpleNamespace(perf_counter=lambda: next(clock)))
        folder.start(SETTINGS, log.command)
        log.begin(SETTINGS.title)
        for stage in ("embedding", "scoring", "t-SNE"):
            log.stage(stage)
        assert log.times() == ({"embedding": 2.0, "scoring": 1.0, "t-SNE": 0.5}, 8.5)
        folder.start(SETTINGS, log.command)
        log.begin(SETTINGS.title)  # The next run begins anew.
        assert log.times() == ({}, 1000.0)


def test_a_run_shown_in_tensorboard_has_its_times_to_the_end(log, folder, monkeypatch):
    shown, run = [], make_run()
    monkeypatch.setattr(NoDashboard, "run", lambda self, *arguments: shown.append(arguments))
    with log.following(Estimate(1, 10), ""):
        folder.start(run.settings, log.command)
        log.begin(run.settings.title)
        log.stage("scoring")
        log.run(folder, run, ["picture"], "data")
        timed = run.timed(*log.times())
    assert shown == [(folder, run, ["picture"], "data")]
    assert list(timed.stages) == ["scoring", "TensorBoard"]
    assert timed.total_seconds >= sum(timed.stages.values()) > 0
    assert (timed.scores, timed.training) == (run.scores, run.training)


def test_a_run_ends_with_a_line_saved_with_its_times(log, folder, capsys, monkeypatch):
    monkeypatch.setattr(log, "times", lambda: ({}, 2.0))
    with log.following(Estimate(2, 10), ""):
        for run in (make_run("raw_pixels"), make_run(), make_run("center", failure="diverged: the loss is nan.")):
            folder.start(run.settings, log.command)
            log.begin(run.settings.title)
            assert log.end(folder, run) == run.timed({}, 2.0)
            assert folder.metrics()["status"] == ("failed" if run.failure else "finished")
            assert run.failure or folder.load().total_seconds == 2.0
    assert capsys.readouterr().out.splitlines() == [
        "raw pixels: 5-NN 50.00% · nearest mean 50.00% · MAP@R 0.500",
        "softmax seed 0: 5-NN 50.00% · nearest mean 50.00% · MAP@R 0.500 (1 s training, 1 s the rest)",
        "center seed 0: FAILED, diverged: the loss is nan.",
    ]


def test_the_estimate_is_told_of_runs_and_of_raw_pixels_apart(log, folder):
    with log.following(Estimate(2, 4), ""):
        estimate, progress = log.progress.estimate, log.progress
        progress.set_params({"steps": 4})
        for run in (make_run("raw_pixels"), make_run(), make_run("center", failure="diverged")):
            folder.start(run.settings, log.command)
            log.begin(run.settings.title)
            if run.role != "baseline":
                progress.on_epoch_begin(0)
                progress.on_train_batch_end(3)
            log.stage("drawing")
            assert log.end(folder, run).scores == run.scores
    assert (len(estimate.untrained), len(estimate.trained), estimate.current) == (1, 2, None)
    assert [list(run.seconds()) for run in estimate.trained] == [["drawing"]] * 2


def test_the_estimate_counts_batches_though_keras_counts_whole_calls(log, folder):
    with log.following(Estimate(1, 40), ""):
        progress = log.progress
        progress.set_params({"steps": 20})
        folder.start(SETTINGS, log.command)
        log.begin(SETTINGS.title)
        for epoch in (0, 1):
            progress.on_epoch_begin(epoch)
            for batch in (7, 15, 23):  # The last call of eight steps ends beyond the epoch.
                progress.on_train_batch_end(batch)
    assert [batches for _, batches in progress.estimate.current.reports] == [8, 16, 20, 28, 36, 40]


@pytest.mark.parametrize("tensorboard", [False, True])
def test_each_epoch_of_a_training_is_told_everywhere(folder, capsys, tensorboard):
    log, settings = Log("command", tensorboard), small_settings("center")
    model, health = small_model(settings, few_digits()), Health(few_digits().validation, settings)
    with log.following(Estimate(1, 4), ""):
        folder.start(settings, log.command)
        log.begin(settings.title)
        train(model, few_digits().train, health, log.callbacks(folder, health), telling=[log.progress])
        assert log.progress.estimate.current.reports[-1][1] == 2 * (500 // 240)
    header, *rows = (folder.path / "history.csv").read_text(encoding="utf-8").splitlines()
    columns = {"softmax", "center", "head_accuracy", "learning_rate", "val_loss", "val_softmax", "val_center"}
    assert columns | {"val_map_at_r", "val_center_accuracy", "val_spread"} <= set(header.split(","))
    assert len(rows) == 2
    scores = [float(row.split(",")[header.split(",").index("val_map_at_r")]) for row in rows]
    lines = capsys.readouterr().out.splitlines()
    for number, (line, score) in enumerate(zip(lines, scores, strict=True), 1):
        assert line.startswith(f"  center seed 0 epoch {number}: loss ")
        assert line.endswith(f", validation MAP@R {score:.4f}")
    assert len(list(folder.path.glob("*tfevents*"))) == int(tensorboard)


def test_a_run_that_was_done_before_is_said_to_be_skipped_and_if_it_failed_how(log, tmp_path, capsys):
    done = make_run("triplet", overrides={"margin": 0.5})
    log.skip(done.settings, RunFolder(write_run(tmp_path / "digits", "triplet", overrides={"margin": 0.5})))
    failed = make_run("center", failure="diverged: the loss is nan.", split=2, protocol="open")
    path = write_run(tmp_path / "digits", "center", failure=failed.failure, split=2, protocol="open")
    log.skip(failed.settings, RunFolder(path))
    assert capsys.readouterr().out.splitlines() == [
        "skipping triplet (margin=0.5) seed 0: done before with these settings (--overwrite repeats it)",
        "skipping center split 2, seed 0: FAILED before with these settings, diverged: the loss is nan. "
        "(--overwrite repeats it)",
    ]


@pytest.fixture
def results(tmp_path):
    for loss in ("raw_pixels", "softmax"):
        write_run(tmp_path / "digits", loss)
    return gather(tmp_path / "digits")


def test_results_are_told_as_tables_pictures_and_lines(log, results, capsys):
    log.results(results, [Picture("comparison_tsne.png", b"new")], CAPTIONS)
    assert (results.path / "comparison_tsne.png").read_bytes() == b"new"
    assert "| softmax |" in (results.path / "SUMMARY.md").read_text(encoding="utf-8")
    assert "comparison_tsne.png" in (results.path / "SUMMARY.md").read_text(encoding="utf-8")
    assert "softmax" in (results.path / "results.csv").read_text(encoding="utf-8")
    output = capsys.readouterr().out
    assert output.splitlines()[0].rstrip() == "digits, test images"
    assert f"All scores: {results.path}/SUMMARY.md. Pictures: {results.path}/comparison_*.png" in output
    assert "tensorboard" not in output


def test_where_to_look_with_tensorboard_is_said_at_the_end(results, capsys):
    Log("command", tensorboard=True).results(results, [], CAPTIONS)
    assert capsys.readouterr().out.endswith(f"TensorBoard: tensorboard --logdir {results.path}\n")


def test_without_a_run_that_ended_it_is_said_why_and_nothing_is_written(log, tmp_path, capsys):
    path = write_run(tmp_path / "digits")
    (path / "metrics.json").unlink()
    results = gather(tmp_path / "digits")
    log.results(results, [], CAPTIONS)
    assert capsys.readouterr().out == f"Left out, unfinished, or damaged since: {path}\n"
    assert [inside.name for inside in results.path.iterdir()] == ["softmax"]


def test_a_run_that_another_command_has_taken_over_ends_with_a_line_and_the_next_goes_on(log, folder, capsys):
    folder.path.mkdir(parents=True)
    claim = Claim(folder.path)
    assert claim.take()
    with log.following(Estimate(2, 10), ""):
        with log.holding(claim):
            log.begin("center seed 0")
            claim.file.unlink()
            other = Claim(folder.path)
            assert other.take()
            log.stage("scoring")
            raise AssertionError  # Not reached.
        log.begin("triplet seed 0")
    assert claim.is_lost
    assert log.status == 0
    assert "center seed 0 is left to another command, which took this one for dead\n" in capsys.readouterr().out
    other.check()
    other.release()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, None])
def test_however_a_run_ends_its_folder_is_given_back(log, folder, error):
    folder.path.mkdir(parents=True)
    claim = Claim(folder.path)
    assert claim.take()
    with contextlib.suppress(*[error or ()]), log.holding(claim):
        if error:
            raise error
    assert list(folder.path.iterdir()) == []
    log.heed()  # Nothing is held any more.


def test_between_two_batches_no_file_is_looked_at_but_what_is_known_is_heeded(log, folder, monkeypatch):
    folder.start(SETTINGS, log.command)
    claim = Claim(folder.path)
    assert claim.take()
    with log.following(Estimate(1, 10), ""), log.holding(claim):
        heed, *_ = log.callbacks(folder, None)
        with monkeypatch.context() as patch:
            patch.setattr("lab.claims.read_json", None)
            heed.on_train_batch_end(0, {})
        claim.is_lost = True
        with pytest.raises(Lost):
            heed.on_train_batch_end(1, {})


def test_a_run_that_is_lost_writes_nothing_more(log, folder):
    folder.start(SETTINGS, log.command)
    claim, model, data = Claim(folder.path), small_model(SETTINGS, few_digits()), few_digits()
    assert claim.take()
    health = Health(data.validation, SETTINGS)

    def lose(epoch, logs):
        claim.file.write_text('{"token": "another"}', encoding="utf-8")

    with log.following(Estimate(1, 10), ""), log.holding(claim):
        log.begin(SETTINGS.title)
        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=lose), *log.callbacks(folder, health)]
        train(model, data.train, health, callbacks, log.backup(folder))
    next(callback for callback in callbacks if isinstance(callback, History)).on_train_end()
    assert claim.is_lost
    assert not (folder.path / BACKUP).exists()
    assert (folder.path / "history.csv").read_text(encoding="utf-8") == ""
