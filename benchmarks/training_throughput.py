"""How fast the default network trains, and what each choice behind that is worth.

    python benchmarks/training_throughput.py

Every variant trains the same network on batches of random images of the same size, in turn,
several times over: compare the ratios, not the absolute numbers. `bare step` is the upper
bound: one compiled TensorFlow function called in a loop on a batch that is already there,
without Keras' `fit` and data pipeline.
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

    from data import Split
    from lab.backends import STEPS_PER_CALL
    from lab.batches import Batches, feed
    from lab.optimizer import OPTIMIZERS
    from lab.training import WEIGHT_DECAY
    from losses import LOSSES
    from models import FusedBatchNormalization, MetricModel, build_cnn

STEPS = 100


def random_batches(steps):
    """So many batches of 240 random images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (240 * steps, 28, 28, 1), np.uint8)
    return Batches(Split(images, rng.permutation(np.arange(len(images)) % 10).astype(np.int32)), seed=0)


def make_model(policy, keras_normalization=False, loss="softmax", optimizer="muon"):
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(0)
    embedder = build_cnn((28, 28, 1), 64)
    if keras_normalization:
        embedder = keras.models.clone_model(embedder, clone_function=_with_keras_normalization)
    model = MetricModel(embedder, LOSSES[loss](10, 64))
    optimizer = OPTIMIZERS[optimizer](1e-3, WEIGHT_DECAY)
    model.compile(optimizer, steps_per_execution=STEPS_PER_CALL, jit_compile=False)
    return model


def _with_keras_normalization(layer):
    kind = keras.layers.BatchNormalization if isinstance(layer, FusedBatchNormalization) else type(layer)
    return kind.from_config(layer.get_config())


def fit(batches, policy, **choices):
    """Returns a function that trains for one epoch of the project's own pipeline."""
    model = make_model(policy, **choices)
    dataset = feed(batches)
    return lambda: model.fit(dataset, epochs=1, shuffle=False, verbose=0, callbacks=[batches.drawing()])


def bare_step(batches, policy):
    """Returns a function that takes as many steps without `fit`."""
    model = make_model(policy)
    images, labels = map(tf.constant, batches[0])
    variables = model.trainable_variables
    model.optimizer.build(variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = model.compute_loss(y=labels, y_pred=model(images, training=True), training=True)
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return lambda: [step() for _ in range(len(batches))][-1].numpy()


def make_all(batches):
    """Returns a function that only makes the batches."""
    return lambda: [batches[step] for step in range(len(batches))]


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    batches = random_batches(STEPS)
    variants = {
        "fit, fused normalisation, bfloat16": fit(batches, "mixed_bfloat16"),
        "bare step, fused normalisation, bfloat16": bare_step(batches, "mixed_bfloat16"),
        "fit, fused normalisation, bfloat16, AdamW": fit(batches, "mixed_bfloat16", optimizer="adamw"),
        "fit, Keras normalisation, bfloat16": fit(batches, "mixed_bfloat16", keras_normalization=True),
        "fit, fused normalisation, float32": fit(batches, "float32"),
        "fit, Keras normalisation, float32": fit(batches, "float32", keras_normalization=True),
        "making the batches alone": make_all(batches),
    }
    for function in variants.values():  # Traces and warms up.
        function()
    times = {name: [] for name in variants}
    for _ in range(rounds):
        for name, function in variants.items():
            times[name].append(seconds(function))
    default = next(iter(variants))
    count = len(batches) * len(batches[0][1])
    print(f"{'':50} images/s: median (min - max)   speed of the default / of this: median (min - max)")
    for name, measured in times.items():
        speeds = sorted(count / t for t in measured)
        ratios = sorted(t / d for t, d in zip(measured, times[default], strict=True))
        print(
            f"{name:50} {statistics.median(speeds):9,.0f} ({speeds[0]:,.0f} - {speeds[-1]:,.0f})"
            f"{statistics.median(ratios):14.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
