"""Tuning: what is tried, for whom, and what it is judged by."""

import dataclasses

import numpy as np
import pytest

from data import load_dataset, part_of
from losses import LOSSES
from run_folder import RunFolder
from training import Settings
from tuning import FACTORS, best_trial, candidates, draw_trials, run_trial

NOTHING_TO_TUNE = {"softmax", "adacos"}


class Silent:
    """Stands for the terminal."""

    def batches(self, count):
        pass

    def epoch(self, number, logs):
        pass


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
    with pytest.raises(ValueError, match="takes no number"):
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


def test_a_trial_needs_no_test_images_and_keeps_the_best_validation_score(tmp_path):
    data = dataclasses.replace(part_of(load_dataset("digits"), 500, 100), test=None)
    settings = Settings(
        dataset="digits", loss="triplet_only", seed=0, epochs=2, embedding_dim=8, overrides={"margin": 0.4}
    )
    metrics = run_trial(settings, data, RunFolder(tmp_path / "trial-0"), "command", Silent())
    header, *epochs = (tmp_path / "trial-0" / "history.csv").read_text().splitlines()
    column = header.split(",").index("val_map_at_r")
    scores = [float(line.split(",")[column]) for line in epochs]
    assert metrics["validation_map_at_r"] == pytest.approx(max(scores))
    assert metrics["overrides"] == {"margin": 0.4}
    assert RunFolder(tmp_path / "trial-0").metrics == metrics


def test_a_trial_that_goes_wrong_is_kept_as_failed(tmp_path):
    data = part_of(load_dataset("digits"), 500, 100)
    settings = Settings(dataset="digits", loss="triplet_only", seed=0, epochs=1, learning_rate=1e30)
    metrics = run_trial(settings, data, RunFolder(tmp_path / "trial-0"), "command", Silent())
    assert metrics["status"] == "failed"
    assert "diverged" in metrics["failure"]


def test_the_best_trial_has_the_best_validation_score_of_those_that_did_not_fail():
    trials = [
        {"status": "tuned", "validation_map_at_r": 0.5},
        {"status": "tuned", "validation_map_at_r": 0.7},
        {"status": "failed"},
    ]
    assert best_trial(trials) is trials[1]
    assert best_trial(trials[2:]) is None
