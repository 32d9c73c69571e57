"""The time left, against the truth of whole studies with invented durations."""

import pytest

from lab.estimate import COMPARED, Estimate

# Seconds, about as on two cores: of the stages of the raw pixels, of what comes before them, of setting up a run, of a
# batch under a cheap loss (see `SLOWER`), of the validation images after each epoch, and of all that follows.
MNIST = {
    "pixels": {"embedding": 0.1, "scoring": 12, "t-SNE": 10},
    "start": 5,
    "set_up": 4,
    "batches": (225, 6),
    "batch": 0.02,
    "validation": 1.0,
    "after": {"embedding": 1.5, "scoring": 5, "t-SNE": 9, "drawing": 4, "TensorBoard": 1},
    "comparison": 2.0,  # For each loss.
}
DIGITS = {
    "pixels": {"embedding": 0.1, "scoring": 0.5, "t-SNE": 7.7},
    "start": 0.5,
    "set_up": 3.5,
    "batches": (4, 15),
    "batch": 0.05,
    "validation": 0.1,
    "after": {"embedding": 0.1, "scoring": 0.3, "t-SNE": 4.5, "drawing": 3, "TensorBoard": 0.2},
    "comparison": 1.5,
}
QUICK = MNIST | {
    "pixels": {"embedding": 0.1, "scoring": 25, "t-SNE": 4},
    "batches": (41, 2),
    "after": {"embedding": 1, "scoring": 10, "t-SNE": 3, "drawing": 5, "TensorBoard": 2},
}
FLAT = MNIST | {"after": {"embedding": 1, "scoring": 5, "drawing": 4, "TensorBoard": 1}}  # Two dimensions: no maps.
SLOWER = (1.0, 1.4, 1.1, 1.8)  # A batch under one loss after another.
CALL = 8  # Batches between two reports.


class Study:
    """A study that is played: it tells an `Estimate` of itself, and asks it every second for the time left."""

    def __init__(self, runs, pixels=1, pixels_done=(), compared=None):
        self.now, self.asked = 100.0, []
        self.runs, self.compared = runs, runs if compared is None else compared
        self.estimate = Estimate(runs, 0, pixels, pixels_done, self.compared, clock=lambda: self.now)

    def wait(self, seconds):
        end = self.now + seconds
        while int(self.now) < int(end):
            self.now = int(self.now) + 1.0
            self.asked.append((self.now, self.estimate.left))
        self.now = end

    def stages(self, seconds):
        for name, duration in seconds.items():
            self.estimate.stage(name)
            self.wait(duration)
        self.estimate.end()

    def run_pixels(self, kind):
        self.estimate.begin()
        self.wait(kind["start"])
        self.stages(kind["pixels"])

    def run_loss(self, kind, slower=1.0, stages=True):
        steps, epochs = kind["batches"]
        self.estimate.batches = steps * epochs
        self.estimate.begin()
        self.wait(kind["set_up"])
        for epoch in range(epochs):
            for done in range(CALL, steps + CALL, CALL):
                self.wait(slower * kind["batch"] * (CALL - max(0, done - steps)))
                self.estimate.train(epoch * steps + min(done, steps))
            self.wait(kind["validation"])
        self.stages(kind["after"] if stages else {})

    def ratios(self, comparison=0.0):
        """Dict from the seconds since the begin to the estimate as a share of the truth, None where there is none."""
        end = self.now + comparison
        return {now - 100: None if left is None else left / (end - now) for now, left in self.asked}


def played(kind, losses, splits=1, pixels_done=()):
    study = Study(losses * splits, splits - len(pixels_done), pixels_done, compared=losses)
    for split in range(splits):
        if split >= len(pixels_done):
            study.run_pixels(kind)
        for number in range(losses):
            study.run_loss(kind, SLOWER[number % len(SLOWER)])
    return study.ratios(comparison=kind["comparison"] * losses)


@pytest.mark.parametrize(
    ("kind", "losses", "splits"),
    [(MNIST, 4, 1), (MNIST, 33, 1), (MNIST, 11, 5), (DIGITS, 4, 1), (DIGITS, 11, 5), (QUICK, 4, 1), (FLAT, 4, 1)],
    ids=["mnist", "all losses", "open", "digits", "open digits", "quick", "two dimensions"],
)
def test_the_time_left_is_right_within_a_factor_of_one_and_a_half_from_the_first_minute(kind, losses, splits):
    ratios = {second: ratio for second, ratio in played(kind, losses, splits).items() if second >= 60}
    assert ratios
    assert None not in ratios.values()
    assert min(ratios.values()) > 1 / 1.5
    assert max(ratios.values()) < 1.5


def test_a_study_that_goes_on_knows_of_the_raw_pixels_what_was_measured_before():
    ratios = played(MNIST, 4, pixels_done=[MNIST["pixels"]])
    assert ratios[7] is not None  # After the first batches.
    assert all(1 / 1.5 < ratio < 1.5 for second, ratio in ratios.items() if second >= 7)


def test_trials_which_end_with_their_training_are_estimated_by_their_batches():
    study = Study(12, pixels=0, compared=0)
    for _ in range(12):
        study.run_loss(MNIST, stages=False)
    ratios = study.ratios()
    assert all(1 / 1.5 < ratios[second] < 1.5 for second in range(10, len(ratios) - 5))


def test_nothing_is_said_before_anything_was_measured():
    study = Study(4)
    assert study.estimate.left is None
    study.run_pixels(MNIST)
    assert study.estimate.left is None
    study.estimate.begin()
    study.wait(3)
    study.estimate.train(8)
    assert study.estimate.left is None  # The first call traces the model.


def test_the_first_call_of_a_run_is_no_measure_of_a_batch():
    study = Study(1, pixels=0, compared=0)
    study.estimate.batches = 100
    study.estimate.begin()
    study.wait(50)
    study.estimate.train(8)
    study.wait(4)
    study.estimate.train(16)
    assert study.estimate.left == pytest.approx(84 * 0.5)


def test_runs_of_so_few_batches_that_one_call_has_them_all_are_estimated_after_the_first():
    study = Study(3, pixels=0, compared=0)
    study.estimate.batches = 4
    for _ in range(2):
        study.estimate.begin()
        study.wait(3)
        study.estimate.train(4)
        study.stages({"scoring": 2})
    assert study.estimate.left == pytest.approx(5)


def test_it_counts_down_between_two_reports_and_never_below_what_is_sure():
    study = Study(2, pixels=0, compared=0)
    study.estimate.batches = 450
    study.run_loss(MNIST | {"batches": (225, 2)})
    left = study.estimate.left
    study.estimate.begin()
    study.wait(2)
    assert study.estimate.left == pytest.approx(left - 2)
    study.wait(1000)  # Far longer than the first took to set up.
    assert study.estimate.left == pytest.approx(left - MNIST["set_up"] - CALL * MNIST["batch"])


def test_lost_raw_pixels_alone_have_no_estimate_until_they_are_measured():
    study = Study(0, pixels=2, compared=4)
    study.run_pixels(MNIST)
    assert study.estimate.left == pytest.approx(MNIST["start"] + sum(MNIST["pixels"].values()))
    study.estimate.begin()
    study.wait(3)
    assert study.estimate.left > 0
    study.stages(MNIST["pixels"])
    assert study.estimate.left == 0


def test_what_follows_the_first_training_is_expected_of_all_as_long_as_it_has_taken_already():
    study = Study(3, pixels=1, compared=0)
    study.run_pixels(DIGITS)
    study.estimate.batches = 10
    study.estimate.begin()
    for batches in (5, 10):
        study.wait(2)
        study.estimate.train(batches)
    whole = 2 + 10 * 0.4
    expected = (study.estimate.left - 2 * whole) / 3
    assert DIGITS["pixels"]["t-SNE"] < expected < sum(DIGITS["pixels"].values())
    study.estimate.stage("scoring")
    study.wait(5 * expected)
    assert study.estimate.left == pytest.approx(2 * whole + 2 * 5 * expected)


@pytest.mark.parametrize("failing", range(3))  # Of the last run nobody can expect it.
def test_a_run_that_fails_does_not_spoil_what_is_expected_of_the_others(failing):
    study = Study(4)
    study.run_pixels(MNIST)
    for number in range(4):
        study.run_loss(MNIST | {"after": {"drawing": 0.5}} if number == failing else MNIST)
    ratios = study.ratios(comparison=3 * MNIST["comparison"])
    assert min(ratio for second, ratio in ratios.items() if second >= 60) > 1 / 1.5
    assert max(ratio for second, ratio in ratios.items() if second >= 60) < 1.5


def test_what_others_do_of_a_study_is_not_waited_for():
    study = Study(12)
    study.run_pixels(MNIST)
    study.run_loss(MNIST)
    alone = study.estimate.left - COMPARED * 12 * MNIST["after"]["drawing"]
    for left, commands, share in ((11, 1, 1), (11, 2, 1 / 2), (9, 4, 9 / 44), (1, 4, 1 / 11), (0, 4, 0)):
        study.estimate.expect(left, 0, commands)
        assert study.estimate.left - COMPARED * 12 * MNIST["after"]["drawing"] == pytest.approx(share * alone)
    study.estimate.expect(0, 2)
    assert study.estimate.left > alone / 12
