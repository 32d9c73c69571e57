"""How long a study will still take, from what its runs have taken so far."""

import dataclasses
import time

SCORING = 0.5  # Of embeddings and all that follows, as a share of that of the pixels, which are longer vectors.
COMPARED = 0.4  # Drawing a loss in the comparison, as a share of drawing all pictures of a run.


class Estimate:
    """The seconds left of a study, whose runs tell of themselves while they go.

    Args:
        runs: Number of the runs to train.
        batches: Batches of a run.
        pixels: How many times the raw pixels are to be measured.
        measured: Dicts from the stages of raw pixels measured before to their seconds.
        compared: Number of the losses that are compared at the end.
        clock: Function that gives the seconds since some moment.
    """

    def __init__(self, runs, batches, pixels=0, measured=(), compared=0, clock=time.perf_counter):
        self.runs, self.batches, self.pixels, self.compared, self.clock = runs, batches, pixels, compared, clock
        self.measured = list(measured)
        self.trained, self.untrained, self.current = [], [], None  # `_Times`
        self.begun = clock()

    @property
    def elapsed(self):
        return self.clock() - self.begun

    def expect(self, runs, pixels, commands=1):
        """So much is still to do, what comes next included, and so many commands, with this one, do their share."""
        self.runs = len(self.trained) + max(min(runs, 1), runs / commands)
        self.pixels = len(self.untrained) + pixels

    def begin(self):
        """A run begins: one to train, or raw pixels."""
        self.current = _Times(begun=self.clock())

    def train(self, batches):
        """So many batches of the run are trained. The first report of a run comes after tracing, and is no measure."""
        self.current.reports.append((self.clock(), batches))

    def stage(self, name):
        """A stage of what follows the training begins."""
        self.current.stages.append((self.clock(), name))

    def end(self, stages=None):
        """The run ends; it was of raw pixels if it trained nothing.

        Of pixels measured before, `stages` has the seconds that they took then.
        """
        run, self.current = self.current, None
        run.end = self.clock()
        if run.reports:
            self.trained.append(run)
        else:
            self.untrained.append(run)
            self.measured.append(stages or run.seconds())

    @property
    def left(self):
        """The seconds left; None as long as too little is known."""
        current = self.current  # Asked by another thread, which draws the line.
        known = [run for run in (*self.trained, current) if run and run.reports]
        pixels = _mean(run.end - run.begun for run in self.untrained)
        batch = _batch_seconds(known, default=0 if self.trained else None)  # One call may have had all batches.
        if (self.runs and batch is None) or (self.pixels and pixels is None):
            return None
        set_up, after = _mean(run.reports[0][0] - run.begun for run in known) or 0, self._after(current)
        whole = set_up + self.batches * (batch or 0) + after
        seconds = (self.runs - len(self.trained)) * whole + (self.pixels - len(self.untrained)) * (pixels or 0)
        if current and current.reports:
            at, batches = current.reports[-1]
            rest = (self.batches - batches) * _batch_seconds([current], default=batch) + after
            seconds -= whole - max(0, rest - (self.clock() - at))
        elif current:
            expected = pixels or 0 if current.stages else set_up
            seconds -= min(self.clock() - current.begun, expected)
        drawing = _mean(run.seconds().get("drawing", 0) for run in self._whole()) or 0
        return seconds + self.compared * COMPARED * drawing

    def _whole(self):
        """The runs that ended well: one that failed has nothing to measure, and is drawn at once."""
        return [run for run in self.trained if not run.stages or "scoring" in run.seconds()]

    def _after(self, current):
        """Seconds from the last batch of a run to its end: as of the runs before, or as the raw pixels let expect."""
        ended = [run.end - run.reports[-1][0] for run in self._whole()]
        if ended:
            return _mean(ended)
        alike = (seconds.get("t-SNE", 0) + SCORING * seconds.get("scoring", 0) for seconds in self.measured)
        so_far = self.clock() - current.reports[-1][0] if current and current.reports and current.stages else 0
        return max(so_far, _mean(alike) or 0)


@dataclasses.dataclass
class _Times:
    """Moments of a run: its begin, those of so many batches trained, those of stages that began, its end."""

    begun: float
    reports: list = dataclasses.field(default_factory=list)
    stages: list = dataclasses.field(default_factory=list)
    end: float | None = None

    def seconds(self):
        """Dict from the stages to their seconds."""
        ends = (*(at for at, _ in self.stages[1:]), self.end)
        return {name: end - at for (at, name), end in zip(self.stages, ends, strict=False)}


def _batch_seconds(runs, default):
    """Seconds of a batch by all reports but the first of each run; the default without any."""
    spans = [(run.reports[-1][0] - run.reports[0][0], run.reports[-1][1] - run.reports[0][1]) for run in runs]
    seconds, batches = map(sum, zip(*spans, strict=True)) if spans else (0, 0)
    return seconds / batches if batches else default


def _mean(values):
    values = list(values)
    return sum(values) / len(values) if values else None
