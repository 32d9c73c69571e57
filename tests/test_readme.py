"""What the README says to copy and run does run, in a folder with nothing else."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SECTION = (ROOT / "README.md").read_text().split("## Copy a loss into your own model")[1].split("\n## ")[0]
CHECKS = {
    "TripletLoss": 'assert embedder.history.history["loss"][-1] < 0.5 * embedder.history.history["loss"][0]',
    "ArcFace": "assert (keras.ops.convert_to_numpy(predictions) == labels).mean() > 0.9",
}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "example"), list(zip(CHECKS, blocks("python"), strict=True)))
def test_the_example_runs_with_the_copied_files_alone(name, example, tmp_path):
    assert name in example
    (copying,) = blocks("bash")
    subprocess.run(["bash", "-ec", copying.replace("my_project", str(tmp_path))], cwd=ROOT, check=True)
    script = tmp_path / "example.py"
    script.write_text(f"import keras\nkeras.utils.set_random_seed(0)\n{example}{CHECKS[name]}")
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True)


@pytest.mark.parametrize("name", ["README.md", "losses/README.md", "runs/reference/README.md"])
def test_every_link_and_picture_is_there(name):
    text = (ROOT / name).read_text()
    targets = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    assert targets
    paths = [(ROOT / name).parent / target.partition("#")[0] for target in targets]
    assert not [path for path in paths if not path.exists()]


@pytest.mark.parametrize("path", sorted((ROOT / "losses").glob("*.py")), ids=lambda path: path.name)
def test_a_loss_file_imports_keras_its_siblings_and_the_standard_library_only(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported = [node.module]
        else:
            continue
        for module in imported:
            assert module == "keras" or module in sys.stdlib_module_names, f"{path.name} imports {module}"
