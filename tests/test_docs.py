"""What the documents beside the README say: papers and numbers of the losses, commands, the citation, the tour."""

import csv
import importlib.metadata
import json
import math
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.cli import NbClientApp
from support.runs import make_run, write_run

from evaluation.significance import compare
from lab import VERSION
from lab.options import parse_options
from losses import LOSSES

ROOT = pathlib.Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LOSSES_README = (ROOT / "losses" / "README.md").read_text(encoding="utf-8")
TOUR = ROOT / "docs" / "tour.ipynb"

# A line a loss: its name, its file, its paper, its numbers.
LINES = {
    name: (file, paper, numbers)
    for name, file, paper, numbers in re.findall(
        r"^\| \[(\w+)\]\((\w+\.py)\) \| (.*) \| (.*) \|$",
        LOSSES_README.split("## Papers and sensible values")[1].split("\n## ")[0],
        re.MULTILINE,
    )
}
WITHOUT_LINK = {"softmax", "exponential_triplet"}
NUM_CLASSES = 10


def referred(text):
    """The losses that a cell refers to, as in "as triplet"."""
    found = re.match(r"as (\w+)(?: and (\w+))?", text)
    return [name for name in found.groups() if name] if found else []


def own_numbers(loss):
    """Dict from each number in a loss's line to its default and its range, as text."""
    numbers = re.findall(r"`(\w+)` = (.+?) in ([\[({].+?[\])}]): ", LINES[loss][2])
    return {name: (default, limits) for name, default, limits in numbers}


def numbers(loss):
    """The same with those of the lines that it refers to."""
    found = {}
    for other in referred(LINES[loss][2]):
        found |= numbers(other)
    return found | own_numbers(loss)


def documented(loss):
    """Dict from each number of a loss that its line has to have to its default."""
    terms, options = LOSSES[loss].terms, LOSSES[loss].options()
    known = {f"{term}_weight" for term in terms} if len(terms) == 1 else {"softmax_weight", "label_smoothing"}
    return {
        name: default for name, default in options.items() if name not in known and not isinstance(default, bool | str)
    }


def as_numbers(default):
    return [float(part) for part in default.split(", ")]


def ends(limits):
    """Values at both ends of a range in the table: those that it allows, and those that it does not."""
    if limits == "{1, 2, …}":
        return [1, 2], [0, 1.5]
    low, high = (
        {"−1": -1, "π": math.pi, "C": NUM_CLASSES, "∞": 1e9}.get(end) or float(end) for end in limits[1:-1].split(", ")
    )
    below, above = math.nextafter(low, -math.inf), math.nextafter(low, math.inf)
    allowed, refused = ([low], [below]) if limits[0] == "[" else ([above], [low])
    if "∞" in limits:
        return [*allowed, high], [*refused, math.inf]
    if limits[-1] == "]":
        return [*allowed, high], [*refused, math.nextafter(high, math.inf)]
    return [*allowed, math.nextafter(high, -math.inf)], [*refused, high]


def fitting(value, default):
    """A value in each place of a default of several numbers."""
    if not isinstance(default, tuple):
        return [value]
    return [(*default[:place], value, *default[place + 1 :]) for place in range(len(default))]


def test_the_table_of_papers_has_a_line_for_every_loss_in_their_order():
    assert list(LINES) == list(LOSSES)
    for file, paper, text in LINES.values():
        assert (ROOT / "losses" / file).exists()
        assert {*referred(paper), *referred(text)} <= LINES.keys()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_paper_is_linked_by_arxiv_or_doi_and_named_as_in_the_file_of_the_loss(loss):
    file, paper, _ = LINES[loss]
    links = re.findall(r"\]\(([^)]+)\)", paper)
    assert links or referred(paper) or loss in WITHOUT_LINK
    for link in links:
        assert re.fullmatch(
            r"https://(arxiv\.org/abs/\d{4}\.\d{5}|doi\.org/10\.\d{4}/[\w.-]+"
            r"|papers\.nips\.cc/paper/\d{4}/hash/[0-9a-f]{32}-Abstract\.html)",
            link,
        )
    source = " ".join((ROOT / "losses" / file).read_text(encoding="utf-8").split())
    for cited in re.split(r"; |, after ", paper) if links else []:
        authors, _, rest = cited.partition(", ")
        assert authors.removeprefix("code of ") in source
        assert rest.rpartition(", ")[2] in source  # Where it was published, and when.


@pytest.mark.parametrize("loss", LOSSES)
def test_the_numbers_in_the_table_are_those_of_the_loss_with_their_defaults(loss):
    expected = documented(loss)
    assert own_numbers(loss).keys() <= expected.keys()
    found = {name: as_numbers(default) for name, (default, _) in numbers(loss).items() if name in expected}
    assert found == {name: list(value) if isinstance(value, tuple) else [value] for name, value in expected.items()}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_ranges_in_the_table_are_those_that_the_constructors_hold(loss):
    for name, default in documented(loss).items():
        allowed, refused = ends(numbers(loss)[name][1])
        for value in (value for end in allowed for value in fitting(end, default)):
            LOSSES[loss](NUM_CLASSES, 4, **{name: value})
        for value in (value for end in refused for value in fitting(end, default)):
            with pytest.raises(ValueError, match=name):
                LOSSES[loss](NUM_CLASSES, 4, **{name: value})


def test_one_seed_crowns_no_loss():
    assert "**" not in LOSSES_README


def commands():
    """Every command in CONTRIBUTING.md, without its comment."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", CONTRIBUTING, re.DOTALL | re.MULTILINE)
    return [line.partition("#")[0].strip() for language, text in blocks if not language for line in text.splitlines()]


def command(start):
    (found,) = [line for line in commands() if line.startswith(start)]
    return found


def test_every_command_for_contributors_is_checked_here():
    checked = ["python3 -m venv", "python -m pytest", ".ci/run", "python main.py", "python tests/support", "jupyter"]
    assert all(line.startswith(tuple(checked)) for line in commands())


def test_setting_up_installs_a_list_of_requirements_that_is_there():
    assert (
        (ROOT / shlex.split(command("python3 -m venv"))[-1])
        .read_text(encoding="utf-8")
        .startswith("-r requirements.txt")
    )


def test_the_tests_of_one_loss_are_found():
    arguments = shlex.split(command("python -m pytest tests/losses"))[1:]
    found = subprocess.run(
        [sys.executable, *arguments, "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    collected = [line for line in found.stdout.splitlines() if "::" in line]
    assert "tests/losses/test_arcface.py" in {line.partition("::")[0] for line in collected}
    assert all("arcface" in line.lower() for line in collected)


def test_what_a_change_must_pass_can_be_run():
    assert os.access(ROOT / command(".ci/run"), os.X_OK)


def test_runs_before_and_after_a_change_are_compared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in commands():
        if line.startswith("python main.py"):
            options = parse_options(shlex.split(line)[2:])
            write_run(options.path, "center")
    _, script, before, after = shlex.split(command("python tests/support"))
    compared = subprocess.run([sys.executable, ROOT / script, before, after], stdout=subprocess.PIPE, text=True)
    assert (compared.returncode, compared.stdout) == (0, "the same\n")


def test_the_outputs_of_the_tour_can_be_made_anew():
    program, subcommand, flag, notebook = shlex.split(command("jupyter"))
    scripts = importlib.metadata.entry_points(group="console_scripts").names
    assert {program, f"{program}-{subcommand}"} <= scripts
    assert flag.removeprefix("--") in NbClientApp.flags
    assert ROOT / notebook == TOUR


def test_the_example_of_the_style_is_code_of_the_project():
    (file,) = re.findall(r"example from\s+\[.*?\]\((.*?)\)", CONTRIBUTING)
    (example,) = re.findall(r"```python\n(.*?)```", CONTRIBUTING, re.DOTALL)
    assert f"\n{example}\n" in (ROOT / file).read_text(encoding="utf-8")


def test_the_citation_has_the_version_and_the_licence_of_the_project():
    citation = dict(re.findall(r"^([\w-]+): (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == VERSION
    title, notice, *_ = (ROOT / "LICENSE").read_text(encoding="utf-8").replace("\n\n", "\n").splitlines()
    assert title == f"{citation['license']} License"
    (author,) = re.findall(
        r"^authors:\n  - name: (.+)\n(?! )", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert notice.endswith(author)
    assert citation["title"] == (ROOT / "README.md").read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def test_the_comparison_without_margin_runs_as_the_reference_study_has_it(tmp_path, monkeypatch, capsys):
    (snippet,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "runs/reference/README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    folder = pathlib.Path("runs/fashion_mnist")
    names = make_run().scores
    write_run(folder, "raw_pixels", dataset="fashion_mnist")
    for loss, gains in {
        "normalized_softmax": (0, 0, 0),
        "cosface": (0.125, 0.25, 0.375),
        "arcface": (0.0, -0.125, -0.25),
        "a_softmax": (0.25, 0.5, 0.0),
    }.items():
        for seed, gain in enumerate(gains):
            scores = dict.fromkeys(names, 0.0) | {"map_at_r": 0.5 + gain}
            write_run(folder, loss, dataset="fashion_mnist", seed=seed, score=scores)
    exec(snippet, {})
    printed = re.findall(r"'(\w+)': Comparison\(.*?mean=([-\d.]+)", capsys.readouterr().out)
    assert printed == [("cosface", "0.25"), ("arcface", "-0.125"), ("a_softmax", "0.25")]


def column(dataset, score, percent, reference="normalized_softmax", losses=("cosface", "arcface", "a_softmax")):
    """The cells of the comparison of some losses with a reference by one score, from a study's results."""
    scores = {}
    with open(ROOT / "runs" / "reference" / dataset / "results.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            value = float(row[score]) * (100 if percent else 1)
            scores.setdefault(row["loss"], {})[row["seed"]] = {0: value}
    found = compare(scores[reference], {loss: scores[loss] for loss in losses})
    digits = 2 if percent else 4
    cells = {
        loss: f"{one.difference.mean:+.{digits}f} ± {one.difference.half_width:.{digits}f}".replace("-", "−")
        for loss, one in found.items()
    }
    return [f"**{cells[loss]}**" if found[loss].distinguishable else cells[loss] for loss in losses]


def test_the_comparison_without_margin_is_that_of_the_results():
    text = (ROOT / "runs/reference/README.md").read_text(encoding="utf-8").split("## Margin or normalisation?")[1]
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:5]
    columns = [
        column(dataset, score, percent)
        for dataset in ("mnist", "fashion_mnist")
        for score, percent in (("center_accuracy", True), ("map_at_r", False), ("tar_at_far_1e-3", True))
    ]
    assert [row[1:] for row in table] == [list(row) for row in zip(*columns, strict=True)]


def test_the_comparison_at_91_and_95_percent_is_that_of_the_results():
    text = (ROOT / "runs/reference/README.md").read_text(encoding="utf-8").split("## At 95 % on Fashion-MNIST")[1]
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:7]
    compared = {"reference": "softmax", "losses": [row[0] for row in table]}
    columns = [
        column(dataset, score, percent, **compared)
        for score, percent in (("center_accuracy", True), ("map_at_r", False), ("tar_at_far_1e-3", True))
        for dataset in ("fashion_mnist", "fashion_mnist-best")
    ]
    assert compared["losses"] == ["center", "triplet", "triplet_center", "cosface", "contrastive"]
    assert [row[1:] for row in table] == [list(row) for row in zip(*columns, strict=True)]


def pictures(cell):
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def draws(cell):
    return cell.cell_type == "code" and re.search(r"^(plt\.)?show\(", cell.source, re.MULTILINE)


@pytest.mark.parametrize("start", [".", "docs"])
def test_the_tour_finds_the_project_from_where_it_is_started(start, tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    (tmp_path / "main.py").touch()
    monkeypatch.chdir(tmp_path / start)
    first = next(cell for cell in nbformat.read(TOUR, 4).cells if cell.cell_type == "code")
    exec(first.source, {})
    assert pathlib.Path.cwd() == tmp_path


def test_every_link_of_the_tour_is_there():
    texts = [cell.source for cell in nbformat.read(TOUR, 4).cells if cell.cell_type == "markdown"]
    targets = [target for text in texts for target in re.findall(r"\]\(([^)]+)\)", text)]
    assert targets
    assert all((TOUR.parent / target).exists() for target in targets)


def test_the_tour_is_kept_as_it_ran_and_is_small():
    cells = [cell for cell in nbformat.read(TOUR, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, 1 + len(cells)))
    assert sum(len(pictures(cell)) for cell in cells) == sum(bool(draws(cell)) for cell in cells) == 3
    assert TOUR.stat().st_size < 300_000
    written = json.dumps([output for cell in cells for output in cell.outputs if "data" not in output])
    assert not re.search(r"stderr|Traceback|/home/|/root/|/tmp/|site-packages", written)


@pytest.mark.long
def test_the_tour_runs_and_shows_its_pictures(tmp_path, monkeypatch):
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    others = shutil.ignore_patterns(".*", "__pycache__", "runs", "tests", "benchmarks", "screenshots")
    project = shutil.copytree(ROOT, tmp_path / "project", ignore=others)
    notebook = nbformat.read(TOUR, 4)
    for cell in notebook.cells:
        cell.pop("outputs", None)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(project / "docs")}}).execute()
    assert all(pictures(cell) for cell in notebook.cells if draws(cell))
