"""What each loss adds to a training step of the default network, in per cent of that step.

    python benchmarks/loss_overhead.py [--losses center arcface] [--rounds 5]

The step without a loss trains the default network on a batch of 240 images by the mean square
of its embeddings. A loss's share is the time of its value, gradients and state on embeddings of
such a batch, over the time of that step. Both are compiled as in training and taken in turn,
several times over; each is repeated inside the compiled function, so that calls from Python do
not count.
"""

import argparse
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    import keras
    import numpy as np
    import tensorflow as tf

    from lab.machine import choose_precision
    from lab.optimizer import OPTIMIZERS
    from lab.training import WEIGHT_DECAY
    from losses import LOSSES
    from models import MetricModel, build_cnn

CLASSES, PER_CLASS, DIM = 10, 24, 64
LIMIT = 5  # Per cent.
LABELS = np.arange(CLASSES * PER_CLASS, dtype=np.int32) % CLASSES


def network_steps(count):
    """Returns a function that takes so many training steps of the network under no loss to speak of."""
    model = MetricModel(build_cnn((28, 28, 1), DIM), {})
    optimizer = OPTIMIZERS["muon"](1e-6, WEIGHT_DECAY)
    variables = model.trainable_variables
    optimizer.build(variables)
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (len(LABELS), 28, 28, 1)), tf.uint8)

    @tf.function
    def steps():
        for _ in tf.range(count):
            with tf.GradientTape() as tape:
                value = tf.reduce_mean(tf.square(model(images, training=True)))
            optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))

    return steps


def loss_steps(name, count):
    """Returns a function that takes value, gradients and state of a loss so many times."""
    terms = LOSSES[name](CLASSES, DIM)
    variables = [weight.value for _, loss in terms.values() for weight in loss.trainable_weights]
    # Embeddings as in the middle of training: classes apart, but not yet all satisfied.
    rng = np.random.default_rng(0)
    start = rng.normal(size=(CLASSES, DIM))[LABELS] + rng.normal(size=(len(LABELS), DIM))
    start = tf.constant(start, tf.float32)
    labels = tf.constant(LABELS)  # Outside of the function: what depends on labels alone is not folded away.

    @tf.function
    def steps():
        embeddings = start
        for _ in tf.range(count):
            with tf.GradientTape() as tape:
                tape.watch(embeddings)
                value = sum(weight * loss(labels, embeddings, training=True) for weight, loss in terms.values())
            gradient, *rest = tape.gradient(value, [embeddings, *variables])
            # The next round needs what this one computed, so that nothing is left out.
            embeddings -= 1e-9 * gradient
            for variable, change in zip(variables, rest, strict=True):
                variable.assign_sub(1e-9 * change)

    return steps


def milliseconds(function, count):
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start) / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=list(LOSSES), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(choose_precision("auto")[0])
    network_count, loss_count = 20, 50
    network = network_steps(network_count)
    losses = {name: loss_steps(name, loss_count) for name in options.losses}
    for function in (network, *losses.values()):  # Traces and warms up.
        function()
    times = {name: [] for name in losses}
    shares = {name: [] for name in losses}
    steps = []
    for _ in range(options.rounds):
        for name, function in losses.items():
            steps.append(milliseconds(network, network_count))
            times[name].append(milliseconds(function, loss_count))
            shares[name].append(100 * times[name][-1] / steps[-1])
    print(f"step of the network: {statistics.median(steps):.1f} ms ({min(steps):.1f} - {max(steps):.1f})")
    print(f"{'':34}   ms   % of the step: median (min - max)")
    for name, measured in shares.items():
        share = statistics.median(measured)
        print(
            f"{name:34} {statistics.median(times[name]):5.2f} {share:8.1f} ({min(measured):.1f} - {max(measured):.1f})"
            f"{f'   above {LIMIT} %' if share > LIMIT else ''}"
        )


if __name__ == "__main__":
    main()
