"""How fast the residual network trains on the project's batches, beside Keras' own `fit` on arrays.

    python benchmarks/beside_plain_keras.py

Both train the same network on the same 32 x 32 colour images of 100 classes, in turn, several times over: compare the
ratios, not the absolute numbers. `plain` has a dense layer as classifier and calls of one step; the project's model
has softmax as a term, calls of several steps, and balanced batches.
"""

import argparse
import os
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    import keras
    import numpy as np
    from training_throughput import seconds

    from data import Split
    from lab.backends import STEPS_PER_CALL
    from lab.batches import IMAGES, Batches, feed
    from lab.settings import Settings
    from models import build_embedder, build_model

STEPS, CLASSES = 24, 100
SETTINGS = Settings("random", "softmax", seed=0, epochs=1, model="resnet")


def plain(split):
    """Returns a function that trains for one epoch of Keras' batches."""
    model = keras.Sequential([build_embedder(SETTINGS, split.image_shape), keras.layers.Dense(CLASSES)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3), loss, metrics=["accuracy"], jit_compile=False)
    return lambda: model.fit(split.images, split.labels, batch_size=IMAGES, verbose=0)


def own(split):
    """Returns a function that trains for one epoch of the project's batches."""
    model = build_model(SETTINGS, split.image_shape, CLASSES)
    model.compile(keras.optimizers.AdamW(1e-3), steps_per_execution=STEPS_PER_CALL, jit_compile=False)
    batches = Batches(split, seed=0)
    dataset = feed(batches)
    return lambda: model.fit(dataset, shuffle=False, verbose=0, callbacks=[batches.drawing()])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    images = np.random.default_rng(0).integers(0, 256, (STEPS * IMAGES, 32, 32, 3), np.uint8)
    split = Split(images, np.arange(len(images), dtype=np.int32) % CLASSES)
    ways = {"own": own(split), "plain": plain(split)}  # `own` clears Keras' session first.
    times = {way: [] for way in ways}
    for number in range(1 + rounds):
        for way, train in ways.items():
            taken = seconds(train)
            if number:  # Not of the first, which compiles.
                times[way].append(taken)
    for way, taken in times.items():
        speeds = sorted(len(images) / t for t in taken)
        print(f"{way:8}{statistics.median(speeds):8,.0f} images/s ({speeds[0]:,.0f} - {speeds[-1]:,.0f})")
    ratios = sorted(a / b for a, b in zip(times["plain"], times["own"], strict=True))
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f})"
    print(f"speed of own / of plain: {spread}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
