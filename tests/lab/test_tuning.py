"""Tuning: what is tried, for whom, and what it is judged by."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from support.small_network import few_digits, small_settings

from lab import tuning
from lab.backup import BACKUP
from lab.claims import Claim
from lab.errors import InputError
from lab.estimate import Estimate
from lab.log import Log
from lab.options import parse_options
from lab.run_folder import RunFolder
from lab.tuning import FACTORS, candidates, draw_trials, run_trial, tune
from losses import LOSSES

NOTHING_TO_TUNE = {"softmax", "adacos"}


def test_weights_and_numbers_are_tried_around_their_defaults():
    assert candidates("center") == {
        "center_weight": pytest.approx((0.0025, 0.005, 0.01, 0.02, 0.04)),
        "center_rate": pytest.approx((0.125, 0.25, 0.5, 1.0, 2.0)),
    }


def test_the_weight_of_a_loss_alone_and_what_makes_it_another_loss_are_left_alone():
    assert candidates("arcface").keys() == {"scale", "margin"}
    assert candidates("triplet_only").keys() == {"margin"}


def test_whole_numbers_stay_whole():
    assert candidates("a_softmax") == {"margin": (1, 2, 3, 4, 5)}
    found = candidates("exponential_triplet")
    assert (found["positives"], found["negatives"]) == ((1, 2, 3, 4, 5), (2, 4, 8, 16, 32))


@pytest.mark.parametrize("loss", sorted(LOSSES.keys() - NOTHING_TO_TUNE))
def test_every_loss_is_tried_with_its_defaults_first_and_then_with_values_it_accepts(loss):
    trials = draw_trials(loss, 6, num_classes=10, embedding_dim=4)
    assert trials[0] == {}
    assert all(trial for trial in trials[1:])
    assert len({tuple(trial.items()) for trial in trials}) == len(trials)
    possible = np.prod([len(values) for values in candidates(loss).values()])
    assert len(trials) == 6 or possible < 7
    for overrides in trials:
        LOSSES[loss](10, 4, **overrides)
        assert all(value in candidates(loss)[name] for name, value in overrides.items())


@pytest.mark.parametrize("loss", sorted(NOTHING_TO_TUNE))
def test_a_loss_without_numbers_is_refused(loss):
    with pytest.raises(InputError, match="takes no number"):
        candidates(loss)


def test_trials_are_spread_over_all_values():
    trials = draw_trials("center", 8, 10, 4)[1:]
    for name, values in candidates("center").items():
        tried = [trial[name] for trial in trials if name in trial]
        assert len(set(tried)) >= 3
        assert min(tried) < np.median(values) < max(tried)


def test_fewer_values_than_trials_are_each_tried_once():
    assert len(draw_trials("triplet_only", 50, 10, 4)) == len(FACTORS)


def test_values_that_the_loss_refuses_are_not_tried():
    rates = [trial.get("center_rate", 0.5) for trial in draw_trials("center", 50, 10, 4)]
    assert max(rates) == 1.0  # 2 would be out of range.
    assert len(rates) == 4 * 5


def test_the_same_arguments_draw_the_same_trials():
    assert draw_trials("arcface", 6, 10, 4) == draw_trials("arcface", 6, 10, 4)
    assert draw_trials("arcface", 6, 10, 4)[:3] == draw_trials("arcface", 3, 10, 4)


def one_trial(path, settings, data):
    """Carries out a trial; gives what it says and its folder."""
    log, folder = Log("command", tensorboard=False), RunFolder(path / "trial-0")
    with log.following(Estimate(1, 4), ""):
        return run_trial(settings, data, folder, log), folder


@pytest.mark.usefixtures("small_network")
def test_a_trial_needs_no_test_images_and_keeps_the_best_validation_score(tmp_path, capsys):
    settings = small_settings("triplet_only", overrides={"margin": 0.4})
    metrics, folder = one_trial(tmp_path, settings, dataclasses.replace(few_digits(), test=None))
    with open(folder.path / "history.csv", encoding="utf-8") as file:
        scores = [float(row["val_map_at_r"]) for row in csv.DictReader(file)]
    assert len(scores) == 2
    assert metrics["validation_map_at_r"] == pytest.approx(max(scores))
    assert metrics["best_epoch"] == int(np.argmax(scores)) + 1
    assert (metrics["dataset"], metrics["loss"], metrics["overrides"]) == ("digits", "triplet_only", {"margin": 0.4})
    assert (metrics["status"], metrics["failure"]) == ("tuned", None)
    assert folder.metrics() == metrics
    assert folder.settings() == settings
    assert "  triplet_only trial-0 epoch 2: loss" in capsys.readouterr().out


@pytest.mark.usefixtures("small_network")
def test_a_trial_that_goes_wrong_is_kept_as_failed(tmp_path):
    settings = small_settings("triplet_only", epochs=1, learning_rate=1e30)
    metrics, folder = one_trial(tmp_path, settings, few_digits())
    assert metrics["status"] == "failed"
    assert "diverged" in metrics["failure"]
    assert folder.metrics() == metrics


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """Function that tunes center loss by trials with given scores, None for one that fails or an exception to raise.

    It gives the log and the numbers of the trials that were made.
    """

    def carry_out(*scores, flags=()):
        def trial(settings, data, folder, log):
            number = int(folder.path.name.removeprefix("trial-"))
            score = scores[number]
            folder.start(settings, log.command)
            log.begin(settings.title)
            if isinstance(score, BaseException):
                raise score
            made.append(number)
            metrics = {"loss": "center", "overrides": settings.overrides, "status": "tuned", "failure": None}
            metrics |= {"status": "failed", "failure": "diverged"} if score is None else {"validation_map_at_r": score}
            (folder.path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
            return metrics

        made, path = [], str(tmp_path)
        monkeypatch.setattr(tuning, "run_trial", trial)
        log = Log("command", tensorboard=False)
        arguments = ["--dataset", "digits", "--tune", "center", "--trials", str(max(2, len(scores))), "--epochs", "1"]
        with log:
            tune(parse_options([*arguments, "--runs", path, *flags]), few_digits(), log)
        return log, made

    return carry_out


def test_the_flags_of_the_best_trial_are_printed_the_best_first(tuned, capsys):
    log, made = tuned(0.5, 0.6, None, 0.7)
    assert (log.status, made) == (0, [0, 1, 2, 3])
    best = draw_trials("center", 4, 10, 64)[3]
    flags = " ".join(f"--set center.{name}={value:g}" for name, value in best.items())
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == f"Best of 4 on the validation images: {flags}"
    ranked = [line.split(" ")[:3] for line in lines[-4:]]
    scores = [["validation", "MAP@R", score] for score in ("0.7000", "0.6000", "0.5000")]
    assert ranked[:3] == scores
    assert lines[-1].startswith("FAILED ")
    assert lines[-1].endswith(": diverged")


def test_if_the_defaults_are_best_that_is_said(tuned, capsys):
    tuned(0.5, 0.4)
    assert capsys.readouterr().out.endswith("Best of 2 on the validation images: the defaults\n")


def test_tuning_of_which_every_trial_failed_has_failed(tuned, capsys):
    log, _ = tuned(None, None)
    assert log.status == 1
    assert "every trial failed; see" in capsys.readouterr().err


def test_trials_that_are_done_are_not_made_again_unless_asked_for(tuned, capsys):
    _, made = tuned(0.5, 0.6)
    before = capsys.readouterr().out.splitlines()[-3:]
    _, again = tuned(0.1, 0.2)
    assert (made, again) == ([0, 1], [])
    assert capsys.readouterr().out.splitlines()[-3:] == before
    assert tuned(0.1, 0.2, flags=["--overwrite"])[1] == [0, 1]


def test_with_overwrite_a_trial_that_was_stopped_starts_over(tuned, tmp_path):
    tuned(0.5, KeyboardInterrupt())
    (folder,) = tmp_path.glob("**/trial-1")
    (folder / BACKUP).touch()
    tuned(0.5, KeyboardInterrupt())
    assert (folder / BACKUP).exists()
    tuned(0.5, KeyboardInterrupt(), flags=["--overwrite"])
    assert not (folder / BACKUP).exists()


def test_a_trial_that_another_command_is_at_is_waited_for(tuned, tmp_path, monkeypatch, capsys):
    other = Claim(tmp_path / "digits-tuning" / "center" / "trial-1")
    other.file.parent.mkdir(parents=True)
    assert other.take()
    monkeypatch.setattr("lab.turns.time.sleep", lambda seconds: other.release())
    log, made = tuned(0.5, 0.6, 0.7)
    assert (log.status, made) == (0, [0, 2, 1])
    output = capsys.readouterr().out
    assert "center trial-1 is being run by process" in output
    assert "\nwaiting for center trial-1\n" in output
    assert "Best of 3" in output


def test_more_trials_than_values_are_said_to_be_fewer(tuned, capsys):
    count = len(draw_trials("center", 50, 10, 64))
    log, made = tuned(*[0.5] * (count + 1))
    assert (log.status, len(made)) == (0, count)
    assert f"{count} trials instead of {count + 1}: there are no more values to try." in capsys.readouterr().out


def test_ctrl_c_keeps_the_trials_that_are_done_and_the_same_command_goes_on(tuned, capsys):
    log, made = tuned(0.5, KeyboardInterrupt(), 0.7)
    assert (log.status, made) == (130, [0])
    output = capsys.readouterr().out
    assert "Finished trials are kept" in output
    assert "Best of" not in output
    assert tuned(0.5, 0.6, 0.7)[1] == [1, 2]


def test_trials_with_other_settings_are_not_replaced(tuned, capsys):
    tuned(0.5, 0.6)
    log, made = tuned(0.5, 0.6, flags=["--embedding-dim", "8"])
    assert (log.status, made) == (2, [])
    assert "embedding-dim 64, now 8" in capsys.readouterr().err
