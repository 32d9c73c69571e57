"""The rooms of the house: who may know whom."""

import ast
import functools
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FACES = {"data", "visualize"}


def room(module):
    """A module's room: its file or folder, at the top or in `lab/`."""
    first, *rest = module.split(".")
    return f"lab.{rest[0]}" if first == "lab" and rest else first


def imported(path):
    """The modules that a file imports, absolutely: within a room, files import each other by a dot."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"lab.{alias.name}" for alias in node.names) if node.module == "lab" else [node.module]


@functools.cache
def doors():
    """Dict from each room to the rooms that it imports from."""
    paths = [
        *ROOT.glob("*.py"),
        *(path for top in ("losses", "evaluation", "lab") for path in ROOT.glob(f"{top}/**/*.py")),
    ]
    found = {room(".".join(path.relative_to(ROOT).with_suffix("").parts)): set() for path in paths}
    for path in paths:
        here = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
        found[here] |= {room(module) for module in imported(path)} & found.keys() - {here}
    return found


def test_losses_networks_and_scores_stand_on_the_ground():
    assert doors()["losses"] == doors()["lab.networks"] == doors()["evaluation"] == set()
    assert doors()["models"] == {"losses", "lab.networks"}


def test_nothing_in_the_lab_knows_the_faces_or_the_story():
    for here, others in doors().items():
        if here.startswith("lab"):
            assert not others & (FACES | {"main"}), here


def test_the_faces_know_neither_each_other_nor_the_story():
    for face in FACES:
        assert not doors()[face] & (FACES | {"main"})


def test_there_are_at_most_six_floors_and_no_circle():
    def floor(here, below=()):
        assert here not in below, f"a circle: {' -> '.join((*below, here))}"
        return 1 + max((floor(other, (*below, here)) for other in doors()[here]), default=0)

    assert floor("main") == max(map(floor, doors())) <= 6


@pytest.mark.parametrize("path", sorted(ROOT.glob("lab/**/*.py")) + sorted(ROOT.glob("*.py")), ids=lambda p: p.name)
def test_a_file_fits_into_a_head(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 310


def reads_or_writes_text(call):
    """Whether a call reads or writes a file of text, by `open`, `read_text` or `write_text`."""
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        modes = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        return not any("b" in ast.literal_eval(mode) for mode in modes)
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text")


def test_every_file_of_text_is_utf_8_whatever_the_locale():
    folders = ("losses", "evaluation", "lab", "benchmarks", "tests")
    for path in [*ROOT.glob("*.py"), *(path for folder in folders for path in ROOT.glob(f"{folder}/**/*.py"))]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and reads_or_writes_text(call):
                assert "encoding" in [keyword.arg for keyword in call.keywords], f"{path}:{call.lineno}"


def test_the_modules_at_the_top_are_the_owners():
    assert {path.stem for path in ROOT.glob("*.py")} == {"main", "models", "data", "visualize"}
