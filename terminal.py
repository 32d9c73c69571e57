"""What the user sees while it runs: the plan, live progress with time left, the table of results."""

import contextlib
import os

import tensorflow as tf
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from options import loss_name
from run_folder import processor

AFTER_TRAINING = 0.4  # Time after training, as a share of the training time, for the estimate of what is left.
STAGES = 6


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

    def plan(self, data, settings, reason, dataset_path):
        """Says what is about to happen, before anything takes long."""
        first = settings[0]
        losses = ", ".join(dict.fromkeys(loss_name(s.loss, s.overrides) for s in settings))
        sizes = " + ".join(
            f"{len(split):,} {name}"
            for name, split in (("train", data.train), ("validation", data.validation), ("test", data.test))
        )
        seeds, splits = len({s.seed for s in settings}), len({s.split for s in settings})
        quick = "QUICK: a first look on part of the data, not a result\n" if first.quick else ""
        self.say(
            f"{quick}data       {data.name}: {sizes} images, {data.num_classes} classes\n"
            f"losses     {losses}; {_count(seeds, 'seed')}, {_count(first.epochs, 'epoch')}\n"
            f"{_protocol(data, splits)}"
            f"network    {first.model}, {first.embedding_dim}-dimensional embedding\n"
            f"precision  {first.precision}: {reason}\n"
            f"device     {device()}\n"
            f"results    {dataset_path}"
        )

    def skip(self, name, failure):
        """Says that a run was done before, and if it failed, how."""
        how = f"FAILED before with these settings, {failure}" if failure else "done before with these settings"
        self.say(f"skipping {name}: {how} (--overwrite repeats it)")

    def progress(self, runs, batches):
        """A `LiveProgress` over some runs of so many batches each."""
        return LiveProgress(self.console, runs, batches)

    def results(self, title, headers, rows):
        """Prints a table.

        Args:
            title: Its title.
            headers: Column names.
            rows: List of lists of `(text, whether it is the best of its column)`.
        """
        table = Table(
            title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=0
        )
        for number, header in enumerate(headers):
            table.add_column(header, justify="right" if number else "left", no_wrap=number > 0, overflow="fold")
        for row in rows:
            table.add_row(*(_marked(text, best) for text, best in row))
        self.console.print(table, soft_wrap=False)


def _count(number, noun):
    return f"{number} {noun}{'s' * (number > 1)}"


def _protocol(data, splits):
    """A line on the classes held out, if any are."""
    if "unknown" not in data.parts:
        return ""
    held_out = len(data.unknown_names)
    return f"protocol   open: {held_out} classes held out, in {_count(splits, 'split')}; the images are the first's\n"


def _marked(text, best):
    """A cell, the best of its column with a star; every line as wide as the star makes the first."""
    first, *rest = text.split("\n")
    lines = [f"{first}*" if best else f"{first} ", *(f"{line} " for line in rest)]
    return Text("\n".join(lines), "bold green" if best else "")


class LiveProgress(contextlib.AbstractContextManager):
    """One bar over all runs, with the time left, and a line for everything that is finished."""

    def __init__(self, console, runs, batches):
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

    def batches(self, count):
        self.bar.advance(self.task, count)

    def epoch(self, number, logs):
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


def device():
    """The processor, or the GPUs, that training runs on."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return ", ".join(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus)
    return f"{processor()}, {os.cpu_count()} cores"
