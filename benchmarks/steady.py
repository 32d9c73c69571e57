"""Whether many runs in one process leave memory, open files, threads and the time of a run as they were.

    pip install -r requirements-dev.txt
    python benchmarks/steady.py [number of runs]

One command trains the small network of the tests on the digits for one epoch, with so many seeds (200), and writes
everything, TensorBoard's files included, to a temporary folder. Prints what the process has after every ten runs
(Linux only), to standard errors: memory, file descriptors, threads, and the processor seconds of one of these runs.
"""

import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
sys.path.insert(1, str(pathlib.Path(__file__).parents[1] / "tests"))

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    from support.small_network import build_small

    import main
    from models import MODELS

FLAGS = ("--dataset", "digits", "--losses", "softmax", "--epochs", "1", "--embedding-dim", "2", "--model", "cnn")
STEP = 10  # Runs.


def watched(run_loss):
    """Does what `run_loss` of `main.py` does, and prints a line after every tenth."""
    spent = []

    def run(*arguments):
        begun = time.process_time()
        run_loss(*arguments)
        spent.append(time.process_time() - begun)
        if len(spent) % STEP == 0:
            status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8").split()
            memory, threads = (int(status[status.index(name) + 1]) for name in ("VmRSS:", "Threads:"))
            descriptors = len(list(pathlib.Path("/proc/self/fd").iterdir()))
            seconds = sum(spent[-STEP:]) / STEP
            print(f"{len(spent):5}{memory / 1024:13.0f}{descriptors:13}{threads:9}{seconds:15.2f}", file=sys.stderr)

    return run


if __name__ == "__main__":
    count = sys.argv[1] if len(sys.argv) > 1 else "200"
    MODELS["cnn"] = build_small
    main.run_loss = watched(main.run_loss)
    print(f"{'runs':>5}{'memory / MB':>13}{'descriptors':>13}{'threads':>9}{'CPU / s a run':>15}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as runs:
        main.main([*FLAGS, "--seeds", count, "--runs", runs])
