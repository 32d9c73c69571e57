"""What 100,000 classes of three images each cost: the draws of an epoch, and training steps of some losses.

    python benchmarks/many_classes.py [--classes 100000] [--losses cosface center triplet]

The images are random, 16 x 16, and the network is the default one. Each loss is trained in a process of its own (Linux
only): the memory is the peak of that process, the time of a step that of the steps after the first call.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    import keras
    import numpy as np
    from loss_memory import resident

    from data import Split
    from lab.backends import STEPS_PER_CALL
    from lab.batches import SAMPLERS, Batches, feed
    from lab.batches.samplers import IMAGES
    from lab.settings import Settings
    from losses import LOSSES
    from models import build_model

PER_CLASS = 3
CALLS = 3  # Of the compiled steps, that are timed.
STEPS = STEPS_PER_CALL * (1 + CALLS)


def make_split(classes):
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(classes, dtype=np.int32), PER_CLASS))
    return Split(rng.integers(0, 256, (len(labels), 16, 16, 1), np.uint8), labels)


def draw(split, sampler):
    """Seconds that the draws of an epoch take, and how many batches it has."""
    start = time.perf_counter()
    indices = Batches(split, 0, sampler).indices
    return time.perf_counter() - start, len(indices)


def train(loss, classes):
    """Peak memory in bytes and seconds for a step."""
    split = make_split(classes)
    model = build_model(Settings("random", loss, seed=0, epochs=1), split.image_shape, classes)
    model.compile(keras.optimizers.AdamW(1e-3), steps_per_execution=STEPS_PER_CALL, jit_compile=False)
    times = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            times.append(time.perf_counter())

    model.fit(feed(Batches(split, 0)), steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[Clock()])
    return {"memory": resident("VmHWM"), "seconds": (times[-1] - times[0]) / (STEPS_PER_CALL * CALLS)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=100_000)
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=["cosface", "center", "triplet"], metavar="LOSS")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    fewest = -(-STEPS * IMAGES // PER_CLASS)
    if options.classes < fewest:
        parser.error(f"--classes {options.classes}: the {STEPS} steps that are timed need at least {fewest:,}")
    if options.measure:
        print(json.dumps(train(options.losses[0], options.classes)))
        return
    split = make_split(options.classes)
    for sampler in SAMPLERS:
        seconds, batches = draw(split, sampler)
        print(f"{sampler} batches of {options.classes:,} classes: {seconds:.2f} s for the {batches:,} of an epoch")
    for loss in options.losses:
        command = [sys.executable, __file__, "--measure", "--losses", loss, "--classes", str(options.classes)]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        found = json.loads(output.splitlines()[-1])
        print(f"{loss:32}{found['memory'] / 1e9:8.2f} GB{1000 * found['seconds']:10.0f} ms a step", flush=True)


if __name__ == "__main__":
    main()
