"""What a terminal of any width shows: the plan, the table of results, the progress."""

import io
import re
import types

import pytest
from rich.console import Console
from support.pseudo_terminal import in_terminal, plain
from support.runs import write_run
from support.small_network import few_digits

from lab.estimate import Estimate
from lab.results import gather
from lab.settings import Settings
from lab.terminal import LiveProgress, Terminal, progress_line, wrapped
from losses import LOSSES

WIDTHS = (40, 60, 80, 120)
LONG = ("softmax", "center", "intra_enhanced_triplet", "std_triplet_class_center", "exponential_triplet_class_center")


@pytest.fixture
def terminal():
    """Function that makes a `Terminal` of some width; what it prints is in its console's file."""

    def make(width):
        made = Terminal()
        made.console = Console(
            width=width, force_terminal=True, file=io.StringIO(), highlight=False, soft_wrap=True, color_system=None
        )
        return made

    return make


def shown(terminal):
    return plain(terminal.console.file.getvalue())


@pytest.fixture
def results(tmp_path):
    """Function that gives the `Results` of runs of some losses, of a data set or a protocol."""

    def make(losses=LONG, seeds=(0,), **settings):
        write_run(tmp_path / "digits", "raw_pixels")
        for loss in losses:
            for seed in seeds:
                write_run(tmp_path / "digits", loss, seed=seed, score=0.9876 - seed / 100, **settings)
        return gather(tmp_path / "digits")

    return make


def table_lines(text):
    """The lines of a printed table, without its title."""
    return re.split("All scores|No room", text)[0].splitlines()[1:]


def name_lines(text):
    """What stands in the first column of a printed table, line by line."""
    found = (re.match(r" ([a-z]\w*)", line) for line in table_lines(text))
    return [match[1] for match in found if match]


@pytest.mark.parametrize("width", range(40, 121, 8))
def test_no_name_vanishes_or_splinters_at_any_width(width, terminal, results):
    made = terminal(width)
    made.results(results(LOSSES))
    lines = iter(name_lines(shown(made)))
    for name in ("loss", "raw_pixels", *LOSSES):
        found = ""
        while found != name:
            found += next(lines)
            assert name.startswith(found)
            assert found == name or found.endswith("_")
    assert not list(lines)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)], ids=["one seed", "three seeds"])
def test_a_table_is_as_wide_as_the_terminal_at_most_and_its_first_columns_stay(width, seeds, terminal, results):
    made = terminal(width)
    made.results(results(seeds=seeds))
    text = shown(made)
    assert max(map(len, table_lines(text))) <= width
    head = text[: text.index("─")]
    order = ["nearest", "MAP@R", "head", "5-NN", "intra/", "R@1", "R-pre-", "train"]
    there = [name for name in order if name in head]
    assert there == order[: len(there)]
    assert len(there) >= {40: 2, 60: 4, 80: 7, 120: 8}[width]
    titles = ["nearest mean", "MAP@R", "head", "5-NN", "intra/inter", "Recall@1", "R-precision", "training seconds"]
    missing = titles[len(there) :]
    if missing:
        (line,) = re.findall(r"^No room for .*$", text, re.MULTILINE)
        assert line.startswith(f"No room for {', '.join(missing)}: all scores are in ")
    else:
        assert "No room" not in text


def test_the_best_of_a_column_has_a_star_where_there_are_several_seeds(terminal, results):
    made = terminal(120)
    write = results(losses=("softmax",), seeds=(0, 1))
    write_run(write.path, "center", seed=0, score=0.5)
    write_run(write.path, "center", seed=1, score=0.5)
    made.results(gather(write.path))
    assert "98.26*" in shown(made)
    assert "* the best mean of its column, which may be chance. All scores:" in shown(made)


def test_the_scores_of_several_seeds_stand_above_their_intervals(terminal, results):
    made = terminal(60)
    made.results(results(losses=("softmax",), seeds=(0, 1)))
    (row,) = [line for line in shown(made).splitlines() if line.startswith(" softmax")]
    following = shown(made).splitlines()[shown(made).splitlines().index(row) + 1]
    assert "98.26" in row
    assert following.index("± ") > row.index("98.26") - 3


@pytest.mark.parametrize("width", WIDTHS)
def test_a_plan_of_all_losses_wraps_at_words_below_its_first_word(width, terminal, tmp_path):
    made = terminal(width)
    settings = [Settings("digits", loss, seed=0, epochs=2, augment=("shift", "erase")) for loss in LOSSES]
    made.plan(few_digits(), settings, "this processor has no fast bfloat16", tmp_path.relative_to("/"))
    lines = shown(made).splitlines()
    assert max(len(line) for line in lines if not line.startswith("results")) <= width
    names = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert names == ["data", "losses", "network", "training", "precision", "device", "results"]
    assert all(line.startswith(" " * 11) and line[11] != " " for line in lines if line.startswith(" "))
    plan = " ".join(line[11:] for line in lines).replace("_ ", "_")
    assert f"{', '.join(LOSSES)}; 1 seed" in plan
    assert "2 epochs, adamw at a rate of 0.004; of each image, at random: shift, erase" in plan


def test_text_is_broken_at_spaces_and_a_longer_word_after_underscores_commas_and_the_like():
    assert wrapped("softmax, center, triplet", 16) == ["softmax, center,", "triplet"]
    assert wrapped("exponential_triplet_class_center", 20) == ["exponential_triplet_", "class_center"]
    assert wrapped("center (center_weight=0.01)", 12) == ["center", "(center_", "weight=0.01)"]
    changes = ["a_softmax", "(annealing=500,", "0.1,2,0,", "margin=3)"]
    assert wrapped("a_softmax (annealing=500,0.1,2,0, margin=3)", 16) == changes
    assert wrapped("", 5) == [""]
    assert wrapped("unbreakable", 5) == ["unbreakable"]


def test_the_bar_goes_first_and_then_the_detail_but_the_name_and_the_time_stay():
    name, detail = "exponential_triplet_class_center seed 0", "epoch 3, MAP@R 0.951"
    lines = {width: progress_line(name, detail, 0.42, "2:10 left", width) for width in range(40, 121)}
    assert lines[120] == f"{name}  {detail}  ━━━━──────  42 %  2:10 left"
    assert lines[80] == f"{name}  {detail}  2:10 left"
    assert lines[60] == f"{name}  2:10 left"
    assert lines[40] == "exponential_triplet_class_center seed 0\n2:10 left"
    for width, line in lines.items():
        assert max(map(len, line.split("\n"))) <= width
        assert line.startswith(name)
        assert line.endswith("2:10 left")


def test_the_line_shows_something_at_once_then_what_is_measured_and_the_time_left():
    now = [0.0]
    console = Console(width=80, force_terminal=True, file=io.StringIO())
    progress = LiveProgress(console, Estimate(2, 30, pixels=1, clock=lambda: now[0]))
    assert progress.line_now().plain == "starting  ──────────   0 %  0:00 so far"
    progress.start("raw pixels")
    now[0] = 5
    progress.stage("t-SNE")
    assert progress.line_now().plain == "raw pixels  t-SNE  ──────────   0 %  0:05 so far"
    now[0] = 15
    progress.finish("raw pixels: done")
    progress.start("softmax seed 0")
    assert progress.line_now().plain.startswith("softmax seed 0  ")
    progress.set_params({"steps": 30})
    progress.on_epoch_begin(0)
    for batch, now[0] in ((9, 20), (19, 25)):
        progress.on_train_batch_end(batch)
    progress.on_epoch_end(0, {"val_map_at_r": 0.9})
    # Of this run 10 batches and what follows, of the next 5 + 30 * 0.5 seconds and that: 10 seconds, as t-SNE took.
    line = progress.line_now().plain
    assert line == "softmax seed 0  epoch 1, MAP@R 0.900  ━━━━──────  36 %  0:45 left"
    now[0] = 10_000
    assert progress.line_now().plain.endswith("0:30 left")
    progress.wait("waiting for center seed 0")
    assert progress.line_now().plain.startswith("waiting for center seed 0  ━")
    assert console.file.getvalue() == "raw pixels: done\n"


def test_a_path_is_shown_as_it_is(capsys):
    Terminal().say("images:dog:[b]1.png")
    assert capsys.readouterr().out == "images:dog:[b]1.png\n"


def test_long_times_have_hours():
    console = Console(width=80, force_terminal=True, file=io.StringIO())
    estimate = types.SimpleNamespace(left=3725.4, elapsed=1.0)
    assert LiveProgress(console, estimate).line_now().plain.endswith("  1:02:05 left")


def test_where_the_output_is_no_terminal_there_are_no_lines_but_for_each_epoch_and_what_is_waited_for(capsys):
    with LiveProgress(Console(file=None, force_terminal=False), Estimate(1, 4)) as progress:
        progress.start("softmax seed 0")
        progress.on_epoch_end(0, {"loss": 0.5, "val_map_at_r": 0.9})
        assert capsys.readouterr().out == "  softmax seed 0 epoch 1: loss 0.5000, validation MAP@R 0.9000\n"
        for name in ("waiting for a, b", "waiting for a, b", "waiting for b"):
            progress.wait(name)
    assert capsys.readouterr().out == "waiting for a, b\nwaiting for b\n"


SHOW = """
import fcntl, pathlib, struct, sys, termios, time
from lab.startup import hidden_start_up_noise
with hidden_start_up_noise():
    from lab.estimate import Estimate
    from lab.results import gather
    from lab.terminal import LiveProgress, Terminal
results = gather(pathlib.Path(sys.argv[1]))
for width in (40, 60, 80, 120):
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    print(f"== {width}")
    terminal = Terminal()
    terminal.results(results)
    print("-- progress")
    with LiveProgress(terminal.console, Estimate(1, 4)) as progress:
        progress.start("exponential_triplet_class_center seed 0")
        progress.stage("t-SNE")
        time.sleep(0.4)
        progress.finish("done")
"""


@pytest.mark.slow
def test_a_real_terminal_shows_the_same_at_each_width(results):
    text, status = in_terminal("-c", SHOW, str(results(LONG).path))
    assert status == 0, text
    parts = re.split(r"== (\d+)\n", plain(text))
    assert [int(width) for width in parts[1::2]] == list(WIDTHS)
    for width, part in zip(WIDTHS, parts[2::2], strict=True):
        table, progress = part.split("-- progress\n")
        assert "".join(name_lines(table)) == "lossraw_pixels" + "".join(LONG)
        assert max(map(len, table_lines(table))) <= width
        assert "No room" in table or width > 60
        assert "exponential_triplet_class_center seed 0" in progress
        assert "so far" in progress
        assert ("t-SNE" in progress) == (width > 40)
        assert "done\n" in progress
