"""How long the whole command takes, to the last picture, beside an earlier version of it.

    python benchmarks/whole_command.py --before f888294 --rounds 3
    python benchmarks/whole_command.py --before f888294 -- --dataset digits --losses all

Both versions run in turn, in this environment and into folders of their own; what follows `--` goes to both. The raw
pixels are in the cache before the first round.
"""

import argparse
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]


def seconds(code, flags):
    """Wall time and processor time of one command of the version in a folder."""
    with tempfile.TemporaryDirectory() as runs:
        before, start = processor_time(), time.perf_counter()
        command = [sys.executable, "main.py", *flags, "--runs", runs]
        subprocess.run(command, cwd=code, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start, processor_time() - before


def processor_time():
    """Of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", required=True, help="a commit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("flags", nargs="*", help="of the command")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as earlier:
        archive = subprocess.run(["git", "archive", arguments.before], cwd=ROOT, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", earlier], input=archive.stdout, check=True)
        versions = {arguments.before: earlier, "now": ROOT}
        for code in versions.values():  # Fills the caches.
            seconds(code, [*arguments.flags, "--losses", "softmax", "--epochs", "1"])
        rounds = [[seconds(code, arguments.flags) for code in versions.values()] for _ in range(arguments.rounds)]
    for name, which in (("seconds", 0), ("seconds of processor time", 1)):
        before, now = ([each[side][which] for each in rounds] for side in (0, 1))
        ratio = statistics.median(n / b for n, b in zip(now, before, strict=True))
        print(f"{name:26} {statistics.median(before):8.1f} before {statistics.median(now):8.1f} now   {ratio:.2f}")


if __name__ == "__main__":
    main()
