"""Where the time of a training step goes: what oneDNN says of each of its primitives, and all the rest.

    python benchmarks/step_profile.py [--loss softmax] [--policy mixed_bfloat16]

The default network on batches of 240 random images, by TensorFlow on a CPU: milliseconds of a step that does one thing
after the other, and for convolutions the GFLOP/s, to compare with those of one large matrix product. As it is trained,
a step does side by side what does not follow from each other, and takes less.
"""

import argparse
import collections
import os
import pathlib
import re
import statistics
import subprocess
import sys

STEPS, EPOCHS, SIDE = 32, 3, 2048
MARK = "the steps that count"
PRODUCTS = "gemm_api", "inner_product", "matmul"
CONVOLUTION = re.compile(r"mb(\d+)_ic(\d+)oc(\d+)_ih\d+oh(\d+)kh(\d+)\S*_iw\d+ow(\d+)kw(\d+)")


def train(loss, policy):
    """Takes the steps, after as many that warm up; prints a step's seconds and the FLOP/s of a matrix product."""
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    import tensorflow as tf
    from training_throughput import fit, random_batches, seconds

    epoch = fit(random_batches(STEPS), policy, loss=loss)
    epoch()
    matrix = tf.cast(tf.random.normal((SIDE, SIDE)), "bfloat16" if policy == "mixed_bfloat16" else "float32")
    product = statistics.median(seconds(lambda: (matrix @ matrix).numpy()) for _ in range(10))
    print(MARK, flush=True)
    step = statistics.median(seconds(epoch) for _ in range(EPOCHS)) / STEPS
    print(f"{MARK}: {step} {2 * SIDE**3 / product}", flush=True)


def output(loss, policy, **environment):
    """What such a training prints after its warming up: its lines, a step's milliseconds, GFLOP/s of a product."""
    command = [sys.executable, __file__, "--loss", loss, "--policy", policy, "--train"]
    found = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, check=True, text=True)
    *lines, last = found.stdout.partition(MARK)[2].splitlines()
    step, product = map(float, last.split()[-2:])
    return lines, step * 1e3, product / 1e9


def profile(lines):
    """Dict from each kind of primitive to its milliseconds in a step, and such a dict of the GFLOP of convolutions."""
    milliseconds, work = collections.Counter(), collections.Counter()
    for line in lines:
        if not line.startswith("onednn_verbose,v1,primitive,exec"):
            continue
        _, _, _, _, _, kind, _, direction, *_, shape, taken = line.split(",")
        name = "matrix products" if kind in PRODUCTS else f"{kind.replace('_', ' ')}, {direction.replace('_', ' ')}"
        if kind == "reorder":
            name = "reorder"
        elif kind == "convolution":
            mb, ic, oc, oh, kh, ow, kw = map(int, CONVOLUTION.match(shape).groups())
            name = f"{kh} x {kw} convolution, {ic:3} to {oc:3} at {oh:2} x {ow:2}, {direction.replace('_', ' ')}"
            work[name] = 2 * mb * ic * oc * oh * kh * ow * kw / 1e9
        milliseconds[name] += float(taken) / STEPS / EPOCHS
    return milliseconds, work


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loss", default="softmax")
    parser.add_argument("--policy", default="mixed_bfloat16", choices=["mixed_bfloat16", "float32"])
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train:
        return train(given.loss, given.policy)
    _, side_by_side, peak = output(given.loss, given.policy)
    lines, step, _ = output(given.loss, given.policy, ONEDNN_VERBOSE="profile_exec", TF_NUM_INTEROP_THREADS="1")
    milliseconds, work = profile(lines)
    for name, taken in sorted(milliseconds.items(), key=lambda item: -item[1]):
        speed = f"{work[name] / taken * 1e3:8.0f} GFLOP/s" if name in work else ""
        print(f"{name:64}{taken:8.2f} ms{speed}")
    print(f"{'all else':64}{step - sum(milliseconds.values()):8.2f} ms")
    print(f"{'a step':64}{step:8.2f} ms\n{'a step as it is trained':64}{side_by_side:8.2f} ms")
    convolutions = sum(milliseconds[name] for name in work)
    print(f"{'convolutions':64}{convolutions:8.2f} ms{sum(work.values()) / convolutions * 1e3:8.0f} GFLOP/s")
    print(f"{f'a product of {SIDE} x {SIDE}':75}{peak:8.0f} GFLOP/s")


if __name__ == "__main__":
    main()
