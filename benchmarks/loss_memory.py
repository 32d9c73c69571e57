"""How the memory and the time of every loss grow: with the batch, or with the number of classes.

    python benchmarks/loss_memory.py [--quick] [--losses CircleLoss CosFace] [--sizes 256 512]

Losses without weights for each class (pairs, triplets) get growing batches of ten classes, the
others a growing number of classes and batches of 256. A step is the value and its gradients
with respect to the embeddings and the trained weights, compiled as in training (without XLA). Each
measurement is a process of its own (Linux only): the memory is what its peak rises by when the
first step runs, the time is the median of the steps after that.
"""

import argparse
import dataclasses
import inspect
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    import numpy as np
    import tensorflow as tf

    from losses import LOSSES, TripletLoss
    from losses.triplet import MINING

BATCHES = [256, 512, 1024, 2048, 4096, 8192]
CLASSES = [10, 100, 1000, 10_000, 100_000]
DIM = 64
SECONDS = 0.5  # For at least so long a step is repeated.
LIMITS = {"batch": 2, "classes": 1}  # Exponents that are expected.
TOLERANCE = 0.2
MEASURED = ("memory", "time")


@dataclasses.dataclass(frozen=True)
class Case:
    """A loss, its arguments and what is made to grow: `"batch"` or `"classes"`."""

    loss: type
    arguments: dict
    grows: str

    def build(self, classes):
        sizes = {"num_classes": classes, "embedding_dim": DIM}
        known = inspect.signature(self.loss).parameters
        return self.loss(**{name: size for name, size in sizes.items() if name in known}, **self.arguments)


def cases():
    """Dict from a name to every loss of the registry, once."""
    found = {}
    for loss in (loss for recipe in LOSSES.values() for _, loss in recipe.terms.values()):
        grows = "classes" if "embedding_dim" in inspect.signature(loss).parameters else "batch"
        for arguments in [{"mining": mining} for mining in MINING] if loss is TripletLoss else [{}]:
            found["-".join([loss.__name__, *arguments.values()])] = Case(loss, arguments, grows)
    return found


def resident(field):
    """Bytes of memory of this process: `"VmRSS"` now, `"VmHWM"` at most."""
    lines = pathlib.Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def measure(case, size, calls):
    """Memory in bytes and time in seconds of one step."""
    pathlib.Path("/proc/self/oom_score_adj").write_text(
        "1000", encoding="utf-8"
    )  # If memory runs out, this process goes first.
    batch, classes = (size, 10) if case.grows == "batch" else (256, size)
    rng = np.random.default_rng(0)
    embeddings = tf.constant(rng.normal(size=(batch, DIM)), tf.float32)
    labels = tf.constant(rng.permutation(np.arange(batch) % classes), tf.int32)
    loss = case.build(classes)

    @tf.function(jit_compile=False)
    def step():
        weights = [weight.value for weight in loss.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            value = loss(labels, embeddings, training=True)
        return value, tape.gradient(value, [embeddings, *weights])

    step = step.get_concrete_function()
    tf.matmul(embeddings, embeddings, transpose_a=True)  # Starts the threads.
    before = resident("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text(
        "5", encoding="utf-8"
    )  # The peak so far, of the imports, is forgotten.
    seconds(step)
    times = []
    while len(times) < calls or sum(times) < SECONDS:
        times.append(seconds(step))
    return {"memory": resident("VmHWM") - before, "time": statistics.median(times)}


def seconds(step):
    start = time.perf_counter()
    step()[0].numpy()
    return time.perf_counter() - start


def measure_in_process(name, size, calls, time_limit):
    """What `measure` returns, or a string that says why there is nothing."""
    command = [sys.executable, __file__, "--measure", "--losses", name, "--sizes", str(size), "--calls", str(calls)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=time_limit)
    except subprocess.TimeoutExpired:
        return f"over {time_limit} s"
    if run.returncode == 0:
        return json.loads(run.stdout)
    if run.returncode == -9 or any(s in run.stderr for s in ("OOM", "ResourceExhausted", "bad_alloc", "MemoryError")):
        return "out of memory"
    raise SystemExit(f"{name} at size {size} failed:\n{run.stderr}")


def exponents(results):
    """Slopes of memory and time against the size, on logarithmic scales, over the upper half of the sizes."""
    sizes = sorted(results)
    upper = sizes[-max(2, len(sizes) // 2) :]
    if len(upper) < 2:
        return {}
    return {
        kind: np.polyfit(np.log(upper), [math.log(max(results[size][kind], 1e-9)) for size in upper], 1)[0]
        for kind in MEASURED
    }


def report(name, case, sizes, calls, time_limit):
    """Measures and prints the table of one loss; returns its exponents and the sizes that failed."""
    print(f"\n{name}\n{case.grows:>10}{'memory / MB':>14}{'time / ms':>12}")
    results = {}
    for size in sizes:
        result = measure_in_process(name, size, calls, time_limit)
        if isinstance(result, str):
            print(f"{size:10}  {result}", flush=True)
            return exponents(results), f"{name} ({result} at {size})"
        results[size] = result
        print(f"{size:10}{result['memory'] / 1e6:14.1f}{result['time'] * 1e3:12.2f}", flush=True)
    found = exponents(results)
    print("    grow as " + ", ".join(f"{kind} ~ {case.grows}^{exponent:.2f}" for kind, exponent in found.items()))
    return found, None


def main():
    known = cases()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--losses", nargs="+", choices=known, default=list(known), metavar="LOSS")
    parser.add_argument("--sizes", nargs="+", type=int, help="batch sizes, or numbers of classes")
    parser.add_argument("--quick", action="store_true", help="without the two largest sizes")
    parser.add_argument("--calls", type=int, default=5, help="steps that are timed, at least")
    parser.add_argument("--time-limit", type=float, default=600, help="seconds for one measurement")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(known[options.losses[0]], options.sizes[0], options.calls)))
        return
    defaults = {"batch": BATCHES, "classes": CLASSES}
    too_fast, failed = [], []
    for name in options.losses:
        case = known[name]
        sizes = options.sizes or defaults[case.grows][: -2 if options.quick else None]
        found, failure = report(name, case, sorted(sizes), options.calls, options.time_limit)
        limit = LIMITS[case.grows] + TOLERANCE
        too_fast += [f"{name} ({kind} ~ {case.grows}^{e:.2f})" for kind, e in found.items() if e > limit]
        failed += [failure] if failure else []
    print(f"\nGrow faster than batch^2 or classes^1, by more than {TOLERANCE}: {', '.join(too_fast) or 'none'}")
    print(f"Did not finish: {', '.join(failed) or 'none'}")


if __name__ == "__main__":
    main()
