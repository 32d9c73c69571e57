"""What the user sees while it runs: the plan, live progress with time left, the table of results."""

import contextlib
import errno
import os
import re

import keras
import rich.progress
from rich import box
from rich.console import Console
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lab.backends import backend
from lab.machine import device
from lab.protocols import PROTOCOLS

BAR = 10  # Characters.
INDENT = 11  # Of the facts of a plan, behind their names.


class _Console(Console):
    """Tells of an output that nobody reads any more by `BrokenPipeError`, and prints no more."""

    def __init__(self, **options):
        # What cannot go back on a line gets lines that stay, as a file does.
        super().__init__(
            highlight=False,
            soft_wrap=True,
            emoji=False,  # A path may have :dog: in it.
            force_terminal=False if os.environ.get("TERM") == "dumb" else None,
            **options,
        )
        if not self.file.isatty():
            self.width = 120  # Not 80: in a file or a pipe nothing need be cut.
        elif not self.width:  # As with COLUMNS=0.
            self.width = 80

    def __exit__(self, *error):  # Now it is written.
        try:
            super().__exit__(*error)
        except OSError as error:
            if error.errno == errno.EIO:  # The terminal was closed.
                raise BrokenPipeError from None
            error.filename = "standard output"
            raise

    def on_broken_pipe(self):
        with contextlib.suppress(SystemExit):  # Which ends like a loss that failed.
            super().on_broken_pipe()
        raise BrokenPipeError


class Terminal:
    """Prints the plan, the progress and the results; plain lines where the output is no terminal."""

    def __init__(self):
        self.console = _Console()

    def say(self, text):
        self.console.print(text, markup=False)

    def track(self, items, total, what):
        """Gives items one after the other; a terminal shows meanwhile what is done to how many of a total."""
        if not self.console.is_terminal:
            return items
        return rich.progress.track(items, what, total, console=self.console, transient=True)

    def error(self, text):
        """Prints a message of the program, not of Python, to standard error."""
        with contextlib.suppress(OSError):  # Of where it would be printed.
            _Console(stderr=True).print(f"main.py: {text}", markup=False)

    def plan(self, data, settings, precision_reason, path):
        """Says what is about to happen, before anything takes long, on the `Dataset` of the first split."""
        first = settings[0]
        losses = ", ".join(dict.fromkeys(s.name for s in settings))
        sizes = " + ".join(f"{len(split):,} {name}" for name, split in data.parts.items())
        seeds, splits = len({s.seed for s in settings}), len({s.split for s in settings})
        protocol = PROTOCOLS[first.protocol].plan.format(unseen=len(data.unseen_names), splits=_count(splits, "split"))
        facts = {
            "data": f"{data.name}: {sizes} images, {data.num_classes} classes",
            "losses": f"{losses}; {_count(seeds, 'seed')}",
            "protocol": protocol,
            "network": f"{first.model}, {first.embedding_dim}-dimensional embedding",
            "training": first.training,
            "precision": f"{first.precision}: {precision_reason}",
            "device": f"{device()}; {backend().title}",
            "results": str(path),
        }
        if first.quick:
            self.say("QUICK: a first look, with fewer images or epochs, not a result")
        for name, fact in facts.items():
            if fact:
                lines = wrapped(fact, self.console.width - INDENT)
                self.say(f"{name:{INDENT}}" + f"\n{'':{INDENT}}".join(lines))

    def displaced(self, results, asked):
        """Says which runs that ended will not be compared with the `RunFolder`s asked for, and how to keep theirs."""
        for reason, paths in results.others({folder.path for folder in asked}).items():
            self.say(
                f"Of the runs in {results.path}, {len(paths)} will be left out of the comparison, {reason}. Their "
                "files stay; a comparison of them does if this command is given another place with --runs"
            )

    def results(self, results):
        """Prints the table of `Results`: as many scores of a row as fit, the best of each column with a star."""
        best = {name: results.best(name) for name in results.protocol.short}
        names = [f"{row.name} ({row.failures} FAILED)" if row.failed else row.name for row in results.rows]
        columns = _columns(results, best)
        table, count = _fitting_table(names, list(columns.values()), self.console)
        title = "\n".join(wrapped(f"{results.title}, test images", self.console.width))
        self.console.print(Text(title, "bold"))
        self.console.print(table, soft_wrap=False)
        self.left_out(results)
        if missing := list(columns)[count:]:
            where = f"all scores are in {results.path}/SUMMARY.md, the times of a run in its metrics.json"
            self.say(f"No room for {', '.join(missing)}: {where}.")
        star = "* the best mean of its column, which may be chance. " if any(best.values()) else ""
        self.say(f"{star}All scores: {results.path}/SUMMARY.md. Pictures: {results.path}/comparison_*.png")

    def left_out(self, results):
        """Says which folders are not compared, and why."""
        for reason, paths in results.left_out.items():
            self.say(f"Left out, {reason}: {', '.join(map(str, paths))}")


def _count(number, noun):
    return f"{number} {noun}{'s' * (number > 1)}"


def wrapped(text, width):
    """Lines that are broken at spaces, and within a longer word after an underscore, a comma and the like."""
    lines = [""]
    for word in text.split():
        space = " " if lines[-1] else ""
        for piece in [word] if len(word) <= width else _pieces(word):
            if lines[-1] and len(lines[-1] + space + piece) > width:
                lines.append(piece)
            else:
                lines[-1] += space + piece
            space = ""
    return lines


def _pieces(word):
    return re.findall(r"[^_,=/]*[_,=/]|[^_,=/]+", word)


def _columns(results, best):
    """The scores of a table and the training time: dict from a title to its header and its cells."""
    scores = {name: results.protocol.scores[name] for name in best}
    columns = {
        score.title: (
            score.short,
            [_marked(results.cell(row, name), row.key in best[name], any(best.values())) for row in results.rows],
        )
        for name, score in scores.items()
    }
    seconds = [[run.training.train_seconds for run in row.runs if run.training] for row in results.rows]
    spent = [Text(f"{sum(found) / len(found):.0f}" if found else "–") for found in seconds]
    return columns | {"training seconds": ("train\ns", spent)}


def _marked(text, best, is_starred):
    """A cell, the best of its column with a star; every line as wide as the star makes the first, if there are any."""
    first, *rest = text.replace(" ±", "\n±").split("\n")
    blank = " " * is_starred
    lines = [f"{first}*" if best else first + blank, *(line + blank for line in rest)]
    return Text("\n".join(lines), "bold green" if best else "")


def _fitting_table(names, columns, console):
    """A table with as many columns, from the left, as the console has room for beside names, and how many these are."""
    least = max(len(piece) for name in names for word in name.split(" ") for piece in _pieces(word))
    for count in range(len(columns), -1, -1):
        table = _table(names, columns[:count], least)
        spare = console.width - Measurement.get(console, console.options.update(width=10_000), table).maximum
        if spare >= 0:
            break
    return _table(names, columns[:count], max(least, least + spare)), count


def _table(names, columns, width):
    """A table of columns, each a header and its cells, beside names that are wrapped to a width."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("loss", no_wrap=True)
    for header, _ in columns:
        table.add_column(header, justify="right", no_wrap=True)
    for name, *cells in zip(names, *(cells for _, cells in columns), strict=True):
        table.add_row(Text("\n".join(wrapped(name, width))), *cells)
    return table


def progress_line(name, detail, share, time, width):
    """Name of a run, detail, a bar and a time in a line; where that is too wide the bar goes first, then the detail."""
    done = round(BAR * share)
    bar = f"{'━' * done}{'─' * (BAR - done)} {share:4.0%}".replace("%", " %")
    for parts in ((name, detail, bar, time), (name, detail, time), (name, time)):
        line = "  ".join(filter(None, parts))
        if len(line) <= width:
            return line
    return "\n".join([*wrapped(name, width), time])


class LiveProgress(keras.callbacks.Callback, contextlib.AbstractContextManager):
    """A line that follows the runs, with the time left by an `Estimate`, and lines that stay for what is finished."""

    def __init__(self, console, estimate):
        super().__init__()
        self.console, self.estimate = console, estimate
        self.name, self.detail = "starting", ""
        self.live = Live(console=console, get_renderable=self.line_now, transient=True, refresh_per_second=4)

    def __enter__(self):
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *error):
        self.live.stop()

    def line_now(self):
        """The line of this moment."""
        left, elapsed = self.estimate.left, self.estimate.elapsed
        if left is None:
            return Text(progress_line(self.name, self.detail, 0, f"{_clock(elapsed)} so far", self.console.width))
        share = elapsed / (elapsed + left) if left > 0 else 1
        return Text(progress_line(self.name, self.detail, share, f"{_clock(left)} left", self.console.width))

    def start(self, name):
        self.name, self.detail = name, ""
        self.estimate.begin()

    def wait(self, name):
        """Nothing is done but to wait, which has a name."""
        if not (name == self.name or self.console.is_terminal):
            self.line(name)
        self.name, self.detail = name, ""

    def on_epoch_begin(self, epoch, logs=None):
        self.before = epoch * self.params["steps"]

    def on_train_batch_end(self, batch, logs=None):
        # Keras counts whole calls of several steps.
        self.estimate.train(self.before + min(batch + 1, self.params["steps"]))

    def on_epoch_end(self, epoch, logs=None):
        number = epoch + 1
        self.detail = f"epoch {number}, MAP@R {logs['val_map_at_r']:.3f}"
        if not self.console.is_terminal:
            scores = f"loss {logs['loss']:.4f}, validation MAP@R {logs['val_map_at_r']:.4f}"
            self.line(f"  {self.name} epoch {number}: {scores}")

    def on_train_end(self, logs=None):
        if not self.estimate.current.reports:  # It went on after its last epoch.
            self.estimate.train(self.params["epochs"] * self.params["steps"])

    def stage(self, name):
        self.detail = name
        self.estimate.stage(name)

    def finish(self, line, stages=None):
        """Ends a run, which may have stopped early, with a line that stays; `stages` as `Estimate.end` has them."""
        self.estimate.end(stages)
        self.line(line)

    def line(self, text):
        self.console.print(text, markup=False)


def _clock(seconds):
    """Seconds as minutes and seconds, or with hours."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
