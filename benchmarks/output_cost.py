"""What pictures and TensorBoard cost of a run of `python main.py`, and how long it takes.

    python benchmarks/output_cost.py [flags of main.py]

Prints the machine, and how much other work it had at the beginning (1 is one core busy). Then runs the command with the
flags given, in a temporary folder, with TensorBoard and without, and prints the share of the time that each stage of
the runs took, and of all behind the scores that shows them: what is left to wait for t-SNE, which began beside them,
drawing, TensorBoard's files and the comparison, which `--summarize` then draws once more, alone. The scalars of each
epoch and the snapshots of the film are taken during training, and count as that: compare the two. The raw pixels, which
the first command may have measured for the second, count as the rest.
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab.machine import device

ROOT = pathlib.Path(__file__).parents[1]

SHOWN = ("t-SNE", "drawing", "TensorBoard", "comparison")


def seconds(*flags):
    """How long `main.py` takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "main.py", *flags], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(flags):
    """Seconds of a command, in all and by stage, and bytes of a run's folder."""
    with tempfile.TemporaryDirectory() as runs:
        total = seconds(*flags, "--runs", runs)
        start_up = seconds("--list")
        comparison = seconds("--summarize", "--runs", runs) - start_up
        stages = collections.Counter({"start-up": start_up, "comparison": comparison})
        folders = [path.parent for path in pathlib.Path(runs).rglob("*seed-*/metrics.json")]
        for folder in folders:
            timing = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["timing"]
            stages.update(timing["stages"] | {"training": timing["train_seconds"]})
        size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    stages["the rest"] = total - sum(stages.values())
    return total, stages, size / len(folders)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, flags = parser.parse_known_args()
    print(f"{device()}; load of other programs {os.getloadavg()[0]:.1f}")
    for extra in ([], ["--no-tensorboard"]):
        total, stages, size = measure([*flags, *extra])
        shown = sum(stages[name] for name in SHOWN)
        print(f"{' '.join(['python main.py', *flags, *extra])}: {total:.0f} s, {size / 1e6:.1f} MB a run")
        for name, taken in [*stages.most_common(), ("behind the scores", shown)]:
            print(f"  {name:20} {taken:6.1f} s  {taken / total:6.1%}")


if __name__ == "__main__":
    main()
