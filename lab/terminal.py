"""What the user sees while it runs: the plan, live progress with time left, the table of results."""

import contextlib

import keras
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from lab.machine import device
from lab.protocols import PROTOCOLS

AFTER_TRAINING = 0.4  # Time after training, as a share of the training time, for the estimate of what is left.
STAGES = 5


class Terminal:
    """Prints the plan, the progress and the results; plain lines where the output is no terminal."""

    def __init__(self):
        self.console = Console(highlight=False, soft_wrap=True)
        if not self.console.is_terminal:
            self.console.width = 120  # Not 80: in a file or a pipe nothing need be cut.

    def say(self, text):
        self.console.print(text, markup=False)

    def error(self, text):
        """Prints a message of the program, not of Python, to standard error."""
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"main.py: {text}", markup=False)

    def plan(self, data, settings, precision_reason, path):
        """Says what is about to happen, before anything takes long, on the `Dataset` of the first split."""
        first = settings[0]
        losses = ", ".join(dict.fromkeys(s.name for s in settings))
        sizes = " + ".join(
            f"{len(split):,} {name}"
            for name, split in (("train", data.train), ("validation", data.validation), ("test", data.test))
        )
        seeds, splits = len({s.seed for s in settings}), len({s.split for s in settings})
        protocol = PROTOCOLS[first.protocol].plan.format(unseen=len(data.unseen_names), splits=_count(splits, "split"))
        protocol = f"protocol   {protocol}\n" if protocol else ""
        quick = "QUICK: a first look on part of the data, not a result\n" if first.quick else ""
        self.say(
            f"{quick}data       {data.name}: {sizes} images, {data.num_classes} classes\n"
            f"losses     {losses}; {_count(seeds, 'seed')}, {_count(first.epochs, 'epoch')}\n"
            f"{protocol}"
            f"network    {first.model}, {first.embedding_dim}-dimensional embedding\n"
            f"precision  {first.precision}: {precision_reason}\n"
            f"device     {device()}\n"
            f"results    {path}"
        )

    def results(self, results):
        """Prints the table of `Results`: the scores of a row, the best of each column with a star."""
        protocol = results.protocol
        best = {name: results.best(name) for name in protocol.short}
        table = Table(
            title=f"{results.title}, test images", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
            pad_edge=False, padding=0,
        )  # fmt: skip
        table.add_column("loss", overflow="fold")
        for header in (*(protocol.scores[name].short for name in best), "train\ns"):
            table.add_column(header, justify="right", no_wrap=True, overflow="fold")
        for row in results.rows:
            name = f"{row.name} ({row.failures} FAILED)" if row.failed else row.name
            cells = [_marked(results.cell(row, score).replace(" ±", "\n±"), row.key in best[score]) for score in best]
            seconds = [run.training.train_seconds for run in row.runs if run.training]
            spent = f"{sum(seconds) / len(seconds):.0f}" if seconds else "–"
            table.add_row(_marked(name), *cells, _marked(spent))
        self.console.print(table, soft_wrap=False)
        self.left_out(results)
        star = "* the best loss of its column. " if any(best.values()) else ""
        self.say(f"{star}All scores: {results.path}/SUMMARY.md. Pictures: {results.path}/comparison_*.png")

    def left_out(self, results):
        """Says which folders are not compared, and why."""
        for reason, paths in results.left_out.items():
            self.say(f"Left out, {reason}: {', '.join(map(str, paths))}")


def _count(number, noun):
    return f"{number} {noun}{'s' * (number > 1)}"


def _marked(text, best=False):
    """A cell, the best of its column with a star; every line as wide as the star makes the first."""
    first, *rest = text.split("\n")
    lines = [f"{first}*" if best else f"{first} ", *(f"{line} " for line in rest)]
    return Text("\n".join(lines), "bold green" if best else "")


class LiveProgress(keras.callbacks.Callback, contextlib.AbstractContextManager):
    """One bar over so many runs of so many batches, with the time left, and a line for everything that is finished."""

    def __init__(self, console, runs, batches):
        super().__init__()
        self.console = console
        self.after_training = max(STAGES, round(AFTER_TRAINING * batches))
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self.per_run = batches + self.after_training
        self.finished = 0
        self.task = self.bar.add_task("", total=max(1, runs) * self.per_run)

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *error):
        self.bar.stop()

    def start(self, name):
        self.name, self.detail = name, ""
        self._show()

    def on_epoch_begin(self, epoch, logs=None):
        self.done = 0

    def on_train_batch_end(self, batch, logs=None):
        done = min(batch + 1, self.params["steps"])  # Keras counts whole calls of several steps.
        self.bar.advance(self.task, done - self.done)
        self.done = done

    def on_epoch_end(self, epoch, logs=None):
        number = epoch + 1
        self.detail = f"epoch {number}, MAP@R {logs['val_map_at_r']:.3f}"  # Short: 80 columns must do.
        self._show()
        if not self.console.is_terminal:
            scores = f"loss {logs['loss']:.4f}, validation MAP@R {logs['val_map_at_r']:.4f}"
            self.line(f"  {self.name} epoch {number}: {scores}")

    def stage(self, name):
        self.detail = name
        self.bar.advance(self.task, self.after_training / STAGES)
        self._show()

    def finish(self, line):
        """Ends a run, which may have stopped early, with a line that stays."""
        self.finished += 1
        self.bar.update(self.task, completed=self.finished * self.per_run)
        self.line(line)

    def line(self, text):
        self.console.print(text, markup=False)

    def _show(self):
        self.bar.update(self.task, description=f"{self.name}  {self.detail}")
