"""The scores and the time of the whole command on each backend, in one table.

    pip install -r requirements-jax.txt -r requirements-torch.txt
    python benchmarks/backends.py [--seeds 3] [--runs FOLDER] [-- --dataset fashion_mnist]

What the backends draw from a seed differs: first weights and dropout. So their scores should differ as those of other
seeds do, and no more. Differences to TensorFlow's means have 95 % intervals that hold together: corrected by Bonferroni
over all of them. What follows `--` goes to main.py; with `--runs`, what is there is not trained again.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    from scipy import stats

    from lab.backends import BACKENDS
    from lab.machine import device
    from lab.results import gather_all

ROOT = pathlib.Path(__file__).parents[1]
ROLES = "nearest_mean", "map_at_r"  # Of the scores that are shown.
FIRST, *OTHERS = BACKENDS


def results(backend, seeds, flags, runs):
    """The `Results` of the command on a backend."""
    command = [sys.executable, "main.py", "--seeds", str(seeds), *flags, "--runs", str(runs)]
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"KERAS_BACKEND": backend})
    (found,) = gather_all(runs)
    return found


def apart(score, values, reference, tests):
    """The mean difference of two samples as text, with an interval that holds together with those of all tests."""
    low, high = stats.ttest_ind(values, reference).confidence_interval(1 - 0.05 / tests)
    return f"{score.text((low + high) / 2, sign='+')} ± {score.text((high - low) / 2)}"


def table(found):
    """The lines of the table.

    Args:
        found: Dict from a backend to its `Results`.
    """
    first = found[FIRST]
    tests = len(OTHERS) * len(ROLES) * len(first.losses)
    names = [first.protocol.roles[role] for role in ROLES]
    scores = {name: first.protocol.scores[name] for name in names}
    titles = "".join(f"{score.header:>18}{f'beside {FIRST}':>20}" for score in scores.values())
    yield f"{'':29}{titles}  seconds of training"
    for rows in zip(*(results.losses for results in found.values()), strict=True):
        for (backend, results), row in zip(found.items(), rows, strict=True):
            cells = ""
            for name, score in scores.items():
                values, reference = ([run.scores[name] for run in of_one.runs] for of_one in (row, rows[0]))
                beside = apart(score, values, reference, tests) if row is not rows[0] and len(values) > 1 else ""
                cells += f"{results.cell(row, name):>18}{beside:>20}"
            seconds = statistics.median(run.training.train_seconds for run in row.runs)
            yield f"{row.key:18}{backend:11}{cells}{seconds:21.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=pathlib.Path, help="a folder for this data set alone, that is kept")
    parser.add_argument("flags", nargs="*", help="of main.py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = (options.runs or pathlib.Path(folder)).absolute()
        found = {backend: results(backend, options.seeds, options.flags, runs / backend) for backend in BACKENDS}
        print(device())
        print("\n".join(table(found)))


if __name__ == "__main__":
    main()
