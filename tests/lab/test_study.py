"""What a command has to do: what is done, what is pending, and what is refused before anything is trained."""

import dataclasses
import json
import re
import types

import numpy as np
import pytest
from support.runs import write_run
from support.small_network import few_digits, small_settings

from lab.backup import BACKUP
from lab.checks import check_weights
from lab.claims import Claim
from lab.errors import InputError
from lab.log import Log
from lab.networks import weights_content
from lab.options import parse_options
from lab.run_folder import RunFolder
from lab.study import plan
from losses import center

LOSSES = ("softmax", "center")


@pytest.fixture
def planned(tmp_path):
    """Function that plans a command over two losses, as `make_run` makes their runs, on some training images."""

    def carry_out(*flags, images=slice(None)):
        arguments = ["--dataset", "digits", "--epochs", "2", "--optimizer", "adamw", "--precision", "float32"]
        arguments += ["--no-tensorboard", "--losses", *LOSSES, "--runs", str(tmp_path)]
        options = parse_options([*arguments, *flags])
        data = dataclasses.replace(few_digits(), train=few_digits().train[images])
        return plan(options, data, Log(options.command, tensorboard=False))

    return carry_out


@pytest.fixture
def folder(tmp_path):
    """The folder of the data set, in which everything is done."""
    for loss in ("raw_pixels", *LOSSES):
        write_run(tmp_path / "digits", loss)
    return tmp_path / "digits"


def losses(settings):
    return [s.loss for s in settings]


def taken(study):
    """Splits and losses of the runs that a command would carry out, one after the other."""
    log, found = Log("command", tensorboard=False), []
    with log.following(study.estimate(), ""):
        for settings, data, shown, claim in study.in_turn(log):
            assert data is study.splits[settings.split]
            assert claim.file.parent == study.folder(settings).path
            if settings.loss == "raw_pixels":
                assert shown is None
                write_run(study.path, "raw_pixels", protocol=settings.protocol, split=settings.split)
            else:
                np.testing.assert_array_equal(shown.queries, study.pixels(settings.split).selection().queries)
            found.append((settings.split, settings.loss))
            claim.release()
    return found


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_at_first_everything_is_pending(planned, tmp_path, capsys):
    study = planned()
    assert losses(study.pending(None)) == list(LOSSES)
    assert study.runs == 2
    assert study.path == tmp_path / "digits"
    assert study.path.is_dir()
    assert contents(tmp_path) == {}
    output = capsys.readouterr().out
    assert output.startswith("data       digits: 500 train + 100 validation + 400 test images, 10 classes\n")
    assert "losses     softmax, center; 1 seed\n" in output
    assert "skipping" not in output


def test_what_is_done_is_skipped_and_left_as_it_is(planned, folder, capsys):
    before = contents(folder)
    study = planned()
    assert study.pending(None) == []
    assert taken(study) == []
    assert study.runs == 0
    output = capsys.readouterr().out
    for loss in LOSSES:
        assert f"skipping {loss} seed 0: done before with these settings (--overwrite repeats it)\n" in output
    assert "skipping raw" not in output
    assert contents(folder) == before


def test_a_run_that_failed_before_is_skipped_and_that_is_said(planned, folder, capsys):
    write_run(folder, "center", failure="diverged: the loss is nan.")
    assert planned().pending(None) == []
    assert "skipping center seed 0: FAILED before with these settings, diverged" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [(), ("--overwrite",)])
def test_with_overwrite_a_training_starts_over(planned, folder, flags):
    kept = folder / "center" / "seed-0" / BACKUP
    kept.with_name("metrics.json").unlink()
    kept.touch()
    planned(*flags)
    assert kept.exists() == (not flags)


def test_with_overwrite_everything_is_pending_again(planned, folder):
    study = planned("--overwrite")
    assert losses(study.pending(None)) == list(LOSSES)
    assert taken(study) == [(None, "raw_pixels"), (None, "softmax"), (None, "center")]


def test_a_run_that_did_not_end_is_pending_alone(planned, folder):
    (folder / "center" / "seed-0" / "metrics.json").unlink()
    study = planned()
    assert losses(study.pending(None)) == ["center"]
    assert taken(study) == [(None, "center")]


@pytest.mark.parametrize("lost", ["metrics.json", "embeddings.npz"])
def test_a_lost_baseline_is_made_again_although_every_run_is_done(planned, folder, lost):
    (folder / "raw_pixels" / lost).unlink()
    study = planned()
    assert study.pending(None) == []
    assert taken(study) == [(None, "raw_pixels")]


def test_a_baseline_that_does_not_say_all_that_is_compared_is_made_again(planned, folder):
    path = folder / "raw_pixels" / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    del metrics["test"]["map_at_r"]
    path.write_text(json.dumps(metrics), encoding="utf-8")
    assert taken(planned()) == [(None, "raw_pixels")]


def test_the_baseline_of_a_split_is_that_of_its_runs(planned, tmp_path):
    study = planned("--protocol", "open")
    settings, folder = study.baseline(3)
    assert settings == study.pending(3)[0].of_pixels()
    assert settings.split == 3
    assert folder.path == tmp_path / "digits-open" / "raw_pixels" / "split-3"


def test_only_what_is_not_done_is_carried_out_the_raw_pixels_of_a_split_before_its_losses(planned, tmp_path):
    for split in (0, 1, 3):
        for loss in ("raw_pixels", *LOSSES):
            write_run(tmp_path / "digits-open", loss, protocol="open", split=split)
    (tmp_path / "digits-open" / "center" / "split-3-seed-0" / "metrics.json").unlink()
    study = planned("--protocol", "open")
    assert [losses(study.pending(split)) for split in (0, 2, 3)] == [[], list(LOSSES), ["center"]]
    assert study.runs == 5
    everything = ["raw_pixels", *LOSSES]
    assert taken(study) == [(split, loss) for split in (2, 3, 4) for loss in (["center"] if split == 3 else everything)]


def test_its_batches_are_those_of_the_longest_run(planned):
    study = planned()
    assert study.batches == 2 * (500 // 240)
    longer = dataclasses.replace(few_digits(), train=few_digits().train[np.resize(np.arange(500), 1000)])
    for splits in ({0: longer, 1: few_digits()}, {0: few_digits(), 1: longer}):
        assert dataclasses.replace(study, splits=splits).batches == 2 * (1000 // 240)


def test_each_run_has_a_folder_of_its_own(planned, tmp_path):
    study = planned("--seeds", "2")
    folders = [study.folder(settings).path for settings in study.settings]
    path = tmp_path / "digits"
    assert folders == [path / loss / f"seed-{seed}" for seed in (0, 1) for loss in LOSSES]


def test_other_settings_are_refused_before_anything_is_replaced(planned, folder):
    write_run(folder, "center", learning_rate=0.01)
    before = contents(folder)
    with pytest.raises(
        InputError, match=r"center/seed-0 holds a run with other settings \(learning-rate 0\.01, now 0\.004\)"
    ):
        planned()
    assert contents(folder) == before


def test_a_baseline_of_other_settings_is_refused(planned, folder):
    write_run(folder, "raw_pixels", perplexity=12.0)
    with pytest.raises(InputError, match=r"raw_pixels holds a run with other settings \(perplexity 12, now 30\)"):
        planned()


def test_embeddings_that_need_more_memory_than_there_is_are_refused_with_what_they_need(planned, tmp_path, monkeypatch):
    bytes_of_a_number, images, classes = 4 * 4, 500 + 100 + 400, 10
    monkeypatch.setattr("lab.checks.memory", lambda: 65_535 * bytes_of_a_number * (images + classes))
    planned("--embedding-dim", "65535")
    told = (
        r"^--embedding-dim 65536: embeddings of 1,000 images and 10 classes take 1\.1 GB, and this machine has 1\.1 GB"
        r"\. Give 65,535 or less$"
    )
    with pytest.raises(InputError, match=told):
        planned("--embedding-dim", "65536")


def test_what_is_no_run_is_refused(planned, tmp_path):
    (tmp_path / "digits" / "center" / "seed-0").mkdir(parents=True)
    (tmp_path / "digits" / "center" / "seed-0" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="center/seed-0 is not the folder of a run"):
        planned()


def test_a_value_that_a_loss_refuses_is_said_with_its_name_before_anything_is_made(planned, tmp_path):
    with pytest.raises(
        InputError, match=r"^center \(center_rate=2\): `center_rate` must be a finite number in \[0, 1\]"
    ):
        planned("--set", "center.center_rate=2")
    assert not (tmp_path / "digits").exists()


@pytest.mark.parametrize(
    ("dim", "perplexity", "images", "told"),
    [
        (16, 100, 500, "the film of the training shows only 100 validation images"),
        (2, 400, 500, "the map shows only 400 test images"),
        (2, 250, 240, "the map shows only 240 training images"),
    ],
)
def test_a_perplexity_not_below_the_number_of_points_is_refused(planned, tmp_path, dim, perplexity, images, told):
    # The film has t-SNE of the validation images, but of two-dimensional embeddings.
    flags = ("--embedding-dim", str(dim), "--perplexity")
    fewest = int(re.search(r"\d+", told)[0])
    with pytest.raises(InputError, match=f"^--perplexity {perplexity}: .* but {told}. Give a number below {fewest}$"):
        planned(*flags, str(perplexity), images=slice(images))
    assert not (tmp_path / "digits").exists()
    planned(*flags, str(fewest - 1), images=slice(images))


def test_fewer_images_than_a_map_is_judged_by_are_refused(planned, tmp_path):
    with pytest.raises(
        InputError, match=r"^digits: .* training images .* are 10 in all. Give it 11 or more: .* 70 in all"
    ):
        planned("--sampler", "shuffle", "--perplexity", "2", images=slice(10))
    assert not (tmp_path / "digits").exists()
    planned("--sampler", "shuffle", "--perplexity", "2", images=slice(11))


def test_the_split_with_the_fewest_images_counts_for_the_perplexity(planned):
    flags = ("--protocol", "open", "--embedding-dim", "2", "--perplexity")
    counts = [len(data.train) for data in planned(*flags, "30").splits.values()]
    assert counts[0] != min(counts) != counts[-1]
    with pytest.raises(InputError, match=f"the map shows only {min(counts)} training images"):
        planned(*flags, str(min(counts)))
    planned(*flags, str(min(counts) - 1))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    options = parse_options(["--dataset", "digits", "--no-tensorboard", "--runs", str(tmp_path)])
    options.path.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(InputError, match=f"^cannot write to --runs {options.path}"):
        plan(options, few_digits(), Log(options.command, tensorboard=False))


def test_a_study_has_failed_if_a_run_that_was_asked_for_has(planned, folder):
    study = planned()
    assert not study.has_failed()
    write_run(folder, "ring", failure="diverged")
    assert not study.has_failed()
    write_run(folder, "center", failure="diverged")
    assert study.has_failed()


def test_a_file_of_weights_that_is_another_one_where_a_run_is_trained_is_refused(tmp_path):
    file = tmp_path / "own.weights.h5"
    file.write_bytes(b"as where the command was given")
    settings = small_settings(weights=str(file), weights_content=weights_content(file))
    check_weights(settings)
    check_weights(small_settings(weights="imagenet"))
    file.write_bytes(b"as another host has it")
    with pytest.raises(InputError, match=r"own\.weights\.h5 holds other weights there than here\. Copy it"):
        check_weights(settings)


def test_it_says_how_an_interrupted_study_goes_on(planned):
    assert planned().interrupted == "Interrupted. Finished runs are kept; the same command goes on from there."
    assert (
        "Delete the folders of these: then the same command, without --overwrite" in planned("--overwrite").interrupted
    )


def test_a_fault_in_a_loss_is_no_bad_input(planned, monkeypatch):
    def broken(*sizes):
        raise ValueError("invalid literal for int()")

    monkeypatch.setattr(center, "sizes", broken)  # Called by its constructor.
    with pytest.raises(ValueError, match="invalid literal") as fault:
        planned()
    assert not isinstance(fault.value, InputError)


def test_the_time_left_is_estimated_for_what_is_to_be_done(planned, folder):
    (folder / "center" / "seed-0" / "metrics.json").unlink()
    estimate = planned().estimate()
    assert (estimate.runs, estimate.batches, estimate.pixels) == (1, 4, 0)
    assert estimate.measured == [{"scoring": 1.0}]  # Of the raw pixels, as `make_run` has it.
    assert estimate.compared == 2
    estimate = planned("--overwrite", "--seeds", "3").estimate()
    assert (estimate.runs, estimate.pixels, estimate.measured, estimate.compared) == (6, 1, [], 2)


def test_the_raw_pixels_of_a_split_are_read_if_they_are_done(planned, folder):
    study = planned()
    assert study.pixels(None) is study.folder(study.baseline(None)[0]).load()
    assert planned("--overwrite").pixels(None) is None


def test_a_damaged_run_is_done_again_alone_and_named(planned, folder, capsys):
    path = folder / "center" / "seed-0" / "embeddings.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    study = planned()
    assert losses(study.pending(None)) == ["center"]
    assert taken(study) == [(None, "center")]
    told = [line for line in capsys.readouterr().out.splitlines() if "again" in line]
    assert told == [f"center seed 0 is done again: what it left in {path.parent} is damaged"]


def test_an_unfinished_run_of_other_settings_is_refused_before_anything_is_replaced(planned, folder):
    path = write_run(folder, "center", learning_rate=0.01)
    (path / "metrics.json").unlink()
    before = contents(folder)
    with pytest.raises(InputError, match=r"other settings \(learning-rate 0\.01, now 0\.004\)"):
        planned()
    assert contents(folder) == before
    assert losses(planned("--overwrite").pending(None)) == list(LOSSES)


def test_a_file_where_the_folder_of_a_loss_is_to_be_is_refused(planned, tmp_path):
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "center").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="digits/center is a file, where the folder of a run is to be"):
        planned()


def test_two_commands_share_the_runs_and_none_is_given_to_both(planned, tmp_path, monkeypatch):
    monkeypatch.setattr("lab.turns.POLL", 0)
    write_run(tmp_path / "digits", "raw_pixels")
    commands, given, held, waited = [], [[], []], [None, None], []

    def end(number):
        if held[number]:
            settings, *_, claim = held[number]
            write_run(tmp_path / "digits", settings.loss, seed=settings.seed)
            claim.release()

    def wait(name):
        waited.append(name)
        end(0)

    for _ in given:
        study, log = planned("--seeds", "3"), Log("command", tensorboard=False)
        log.progress = types.SimpleNamespace(estimate=study.estimate(), wait=wait)
        commands.append(study.in_turn(log))
    for number in [0, 1, 1, 0, 1, 0, 1]:  # Who ends a run, and asks for the next.
        end(number)
        held[number] = next(commands[number], None)
        if held[number]:
            given[number].append((held[number][0].seed, held[number][0].loss))
    assert given == [
        [(0, "softmax"), (1, "center"), (2, "center")],
        [(0, "center"), (1, "softmax"), (2, "softmax")],
    ]
    assert waited == ["waiting for center seed 2"]
    assert next(commands[0], None) is None


@pytest.mark.parametrize("flags", [(), ("--overwrite",)])
def test_what_another_command_runs_with_other_settings_is_left_out_and_ends_the_command_with_status_2(
    planned, folder, flags, capsys
):
    study, path = planned(*flags, "--seeds", "2"), folder / "center" / "seed-1"
    other = dataclasses.replace(study.settings[-1], learning_rate=0.01)
    log = Log("command", tensorboard=False)
    with log, log.following(study.estimate(), ""):
        for settings, *_, claim in study.in_turn(log):
            if not path.exists():
                RunFolder(path).start(other, "python main.py")
                assert Claim(path, work=other.to_dict()).take()
            write_run(folder, settings.loss, seed=settings.seed)
            claim.release()
    told = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"center seed 1 is left out: .*other settings .*\(learning-rate 0\.01, now 0\.004\)", told)
    assert ("is at a run" in told) == bool(flags)
    assert log.status == 2
    assert all((folder / loss / "seed-1" / "metrics.json").exists() == (loss == "softmax") for loss in LOSSES)


def test_a_baseline_that_gets_lost_before_a_run_needs_it_is_made_again(planned, folder):
    (folder / "center" / "seed-0" / "metrics.json").unlink()
    study = planned()
    (folder / "raw_pixels" / "metrics.json").unlink()
    assert taken(study) == [(None, "raw_pixels"), (None, "center")]


def test_a_baseline_that_gets_lost_is_known_to_those_who_have_seen_it(planned, folder):
    study = planned()
    before = study.selection(None)
    (folder / "raw_pixels" / "metrics.json").unlink()
    assert study.pixels(None) is None
    assert study.selection(None) is before


def test_a_baseline_that_another_command_replaces_just_then_is_said(planned, folder):
    study = planned()
    (folder / "raw_pixels" / "metrics.json").unlink()
    with pytest.raises(InputError, match="raw_pixels has just been emptied by another command"):
        study.selection(None)
