"""What the README says to copy and run does run, and what it says one gets is there."""

import ast
import fnmatch
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from main import main

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TENSORBOARD = (ROOT / "docs/tensorboard.md").read_text(encoding="utf-8")
COPIED = {
    "TripletLoss": 'assert embedder.history.history["loss"][-1] < 0.5 * embedder.history.history["loss"][0]',
    "ArcFace": "assert (keras.ops.convert_to_numpy(predictions) == labels).mean() > 0.9",
}
# So that every command is done within seconds.
SMALL = ("--dataset", "digits", "--epochs", "1", "--tsne-iterations", "300")
any_network = pytest.mark.usefixtures("small_network", "few_points")


def section(title):
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


def blocks(language, text):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", COPIED)
def test_the_example_runs_with_the_copied_files_alone(name, tmp_path):
    (copying,) = blocks("bash", README)
    (example,) = (block for block in blocks("python", README) if f"{name}(" in block)
    subprocess.run(["bash", "-ec", copying.replace("my_project", str(tmp_path))], cwd=ROOT, check=True)
    script = tmp_path / "example.py"
    script.write_text(f"import keras\nkeras.utils.set_random_seed(0)\n{example}{COPIED[name]}", encoding="utf-8")
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True)


@pytest.mark.slow
def test_the_example_with_embeddings_of_ones_own_draws_and_judges_them(tmp_path):
    (example,) = (block for block in blocks("python", README) if "draw_tsne" in block)
    script = tmp_path / "example.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{example}", encoding="utf-8")
    printed = subprocess.run([sys.executable, script], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert 0.5 < ast.literal_eval(printed.stdout)["map_at_r"] < 1


COMMANDS = re.findall(r"^\| `python main\.py (.*?)` \|", README, re.MULTILINE)


# What tests/test_main.py has the command do with other flags, and what takes several processes.
LONG = re.compile("--(quick|seeds|protocol|embedding-dim|sweep|tune|cluster) ")


@any_network
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=[pytest.mark.long] if LONG.match(f"{command} ") else [])
        for command in COMMANDS
        if command not in ("--help", "--summarize")
    ],
)
def test_every_command_of_the_table_runs(command, tmp_path):
    flags = shlex.split(command)
    less = ["--trials", "2"] if "--tune" in flags else []
    less += [] if "fast" in flags else ["--quick"]  # Together they are refused.
    less += [] if {"--losses", "--sweep", "--tune", "--set"} & {*flags} else ["--losses", "softmax"]
    less += ["--losses", "center"] if "--set" in flags else []
    assert main([*flags, *SMALL, *less, "--runs", str(tmp_path)]) == 0
    assert [*tmp_path.glob("*/*/trial-1/metrics.json" if "--tune" in flags else "*/SUMMARY.md")]


def test_the_table_of_commands_has_those_that_run_without_training():
    assert {"--help", "--summarize"} < {*COMMANDS}


@pytest.mark.xdist_group("main")
def test_a_run_has_the_files_of_the_tree_and_no_others(runs):
    (tree,) = (block for block in blocks("", section("What you get")) if "seed-0" in block)
    lines = [line for line in tree.splitlines() if line.startswith("    ")]
    listed = {name for line in lines for name in re.split(r"\s{2,}", line.strip())}
    patterns = {name.replace("…", "*") for name in listed if re.search(r"[._…]", name) and " " not in name}
    found = {path.name for path in (runs / "digits" / "center" / "seed-0").iterdir()}
    assert {name for name in found if not any(fnmatch.fnmatch(name, p) for p in patterns)} == set()
    missing = {pattern for pattern in patterns if not fnmatch.filter(found, pattern)}
    assert missing == {"features.png"}  # With two dimensions.


@pytest.mark.xdist_group("main")
def test_every_tag_that_tensorboard_shows_is_in_the_table(runs):
    rows = re.findall(r"^\| (`[a-z_]+/?\S*`.*?) \| (.*?) \|$", TENSORBOARD, re.MULTILINE)
    named = {
        tag.replace("…", "*") for row in rows for cell in row for tag in re.findall(r"`([a-z_]+(?:/[^`]+)?)`", cell)
    }
    named |= {f"term/{loss}" for loss in ("center", "triplet", "triplet_center")}
    named |= {f"term/validation_{loss}" for loss in ("center", "triplet", "triplet_center")}
    tags = set()
    for folder in (runs / "digits", *(runs / "digits").glob("*/seed-0")):
        events = EventAccumulator(str(folder)).Reload().Tags()
        tags |= {*events["tensors"], *events["scalars"]}
    hidden = ("_hparams_/", "custom_scalars")
    shown = {tag.removesuffix("/text_summary") for tag in tags if not tag.startswith(hidden)}
    assert {tag for tag in shown if not any(fnmatch.fnmatch(tag, pattern) for pattern in named)} == set()
    assert shown


DOCUMENTS = ("README.md", "CONTRIBUTING.md", "losses/README.md", "evaluation/README.md", "runs/reference/README.md")
DOCUMENTS += ("runs/reference/two_dimensions/README.md", "runs/reference/characters/README.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_and_picture_is_there(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    assert targets
    here = [target.partition("#")[0] for target in targets if not target.startswith("https://")]
    paths = [(ROOT / name).parent / target for target in here]
    assert not [path for path in paths if not path.exists()]


@pytest.mark.parametrize("path", sorted((ROOT / "losses").glob("*.py")), ids=lambda path: path.name)
def test_a_loss_file_imports_keras_its_siblings_and_the_standard_library_only(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported = [node.module]
        else:
            continue
        for module in imported:
            assert module == "keras" or module in sys.stdlib_module_names, f"{path.name} imports {module}"
