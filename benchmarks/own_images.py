"""What a data set larger than memory takes: peak memory, and the speed of training beside that with images in memory.

    python benchmarks/own_images.py
    python benchmarks/own_images.py --gigabytes 20 --mapped --quick

Writes images as uncompressed IDX files, which stay on the disk and are mapped, and the same as a .npz file, which is
read; trains on each with `python main.py --dataset`. The memory is what the process itself needs at most (Linux only):
pages of the mapped files do not count, for the system takes them back when it lacks memory. `--mapped` leaves the .npz
file away, `--quick` is the flag of main.py.
"""

import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
CLASSES = 10
TEST_IMAGES = 10_000
BLOCK = 10_000  # Images that are written again and again.
FLAGS = ["--losses", "softmax", "--model", "cnn", "--epochs", "1", "--no-tensorboard"]
PARTS = {"train": "train", "test": "t10k"}  # To what the names of IDX files begin with.


def make_block(side, seed):
    """Images of classes 0, 1, ..., 0, 1, ...: uint8 `(n, side, side)`, the pattern of the class under noise."""
    patterns = np.random.default_rng(0).integers(0, 128, (CLASSES, side, side), np.uint8)
    noise = np.random.default_rng(seed).integers(0, 128, (BLOCK, side, side), np.uint8)
    return patterns[np.arange(BLOCK) % CLASSES] + noise


def write_idx(folder, part, count, side, seed):
    """Writes images and labels of a part as IDX files, a block at a time."""
    block = make_block(side, seed)
    with open(folder / f"{PARTS[part]}-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">4I", 0x803, count, side, side))
        for start in range(0, count, BLOCK):
            file.write(block[: count - start].data)
    labels = (np.arange(count) % BLOCK % CLASSES).astype(np.uint8)
    (folder / f"{PARTS[part]}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, count) + labels.tobytes())


def write_npz(idx, file, counts, side):
    """Writes the images of a folder of IDX files as one .npz file."""
    arrays = {}
    for part, count in counts.items():
        images = np.memmap(idx / f"{PARTS[part]}-images-idx3-ubyte", np.uint8, "r", 16, (count, side, side))
        labels = np.fromfile(idx / f"{PARTS[part]}-labels-idx1-ubyte", np.uint8, offset=8)
        arrays |= {f"x_{part}": images, f"y_{part}": labels}
    np.savez(file, **arrays)


def own_memory(process):
    """Bytes of a process that are no pages of a file; 0 when it has ended."""
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def run(dataset, runs, flags):
    """Trains on a data set: peak memory in bytes, images a second in training, seconds of the whole command."""
    command = [sys.executable, ROOT / "main.py", "--dataset", dataset, "--runs", runs, *FLAGS, *flags]
    start, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, own_memory(process))
            time.sleep(0.05)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"main.py --dataset {dataset} ended with {process.returncode}")
    (metrics,) = runs.glob("*/softmax/seed-0/metrics.json")
    return peak, json.loads(metrics.read_text(encoding="utf-8"))["timing"]["images_per_second"], seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2, help="size of the training images (default: 2)")
    parser.add_argument("--side", type=int, default=64, help="height and width of an image (default: 64)")
    parser.add_argument("--folder", help="where to write the images (default: the folder for temporary files)")
    parser.add_argument("--mapped", action="store_true", help="only the IDX files")
    parser.add_argument("--quick", action="store_true", help="train with --quick")
    options = parser.parse_args()
    counts = {"train": int(options.gigabytes * 1e9 / options.side**2), "test": TEST_IMAGES}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        folder = pathlib.Path(folder)
        datasets = {"mapped": folder / "idx"} | ({} if options.mapped else {"in memory": folder / "images.npz"})
        datasets["mapped"].mkdir()
        for seed, (part, count) in enumerate(counts.items()):
            write_idx(datasets["mapped"], part, count, options.side, seed)
        if not options.mapped:
            write_npz(datasets["mapped"], datasets["in memory"], counts, options.side)
        print(f"{counts['train']:,} training images of {options.side} x {options.side}, {options.gigabytes:g} GB")
        speeds = {}
        for name, dataset in datasets.items():
            memory, speeds[name], seconds = run(dataset, folder / name, ["--quick"] if options.quick else [])
            print(f"{name:10}{memory / 1e9:8.2f} GB at most{speeds[name]:10,.0f} images/s{seconds:8.0f} s in all")
        if not options.mapped:
            print(f"mapped / in memory: {speeds['mapped'] / speeds['in memory']:.2f} of the speed")


if __name__ == "__main__":
    main()
