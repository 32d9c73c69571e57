"""Training one loss: compile, fit, watch its health, keep the best epoch."""

import dataclasses
import time

import keras
import numpy as np
import tensorflow as tf

from dashboard import EpochScalars
from data import Batches, pipeline
from evaluation import class_means, l2_normalize, nearest_mean, retrieval
from losses import LOSSES
from models import MODELS, MetricModel
from run_folder import cpu_info

WEIGHT_DECAY = 0.05
STEPS_PER_CALL = 8  # Training steps between two returns to Python.
WARM_UP = 0.05  # Share of all steps.
SETTLING_STEPS = 50  # Until then the averages of batch normalisation mean little.


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything a run's result depends on, as plain values."""

    dataset: str
    loss: str
    seed: int
    epochs: int
    embedding_dim: int = 64
    model: str = "cnn"
    sampler: str = "balanced"
    augment: bool = False
    learning_rate: float = 0.004
    overrides: dict = dataclasses.field(default_factory=dict)
    precision: str = "float32"
    perplexity: float = 30.0
    tsne_iterations: int = 1000
    quick: bool = False


class Failure(Exception):
    """Training went wrong in a known way; the message says how, and the known remedies."""


def train(settings, data, run_path, progress):
    """Trains the network under one loss and goes back to its best epoch.

    Every loss starts from the same weights of the network and sees the same batches in the
    same order, both from the seed.

    Args:
        settings: `Settings` of the run.
        data: `Dataset`.
        run_path: Folder for `history.csv` and TensorBoard's scalars.
        progress: Object with `batches(count)`, called when so many more are done, and `epoch(number, logs)`.

    Returns:
        The trained `MetricModel` and a dict of its timing.

    Raises:
        Failure: If training diverged or collapsed.
    """
    keras.backend.clear_session()
    keras.config.set_dtype_policy(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    model = build(settings, data)
    batches = Batches(data.train, settings.seed, settings.sampler, settings.augment)
    model.compile(
        _optimizer(settings, len(batches)),
        steps_per_execution=STEPS_PER_CALL,
        jit_compile=False,  # XLA is slower on a CPU.
    )
    best = keras.callbacks.EarlyStopping(
        "val_map_at_r", mode="max", patience=settings.epochs, restore_best_weights=True
    )
    health = Health(data.validation, settings)
    start = time.perf_counter()
    model.fit(
        pipeline(batches),
        validation_data=pipeline(Batches(data.validation, settings.seed, settings.sampler), redraw=False),
        epochs=settings.epochs,
        shuffle=False,  # The sampler does.
        verbose=0,
        callbacks=[
            health,
            best,
            keras.callbacks.CSVLogger(run_path / "history.csv"),
            EpochScalars(run_path),
            _Progress(progress, len(batches)),
        ],
    )
    seconds = time.perf_counter() - start
    if health.failure:
        raise Failure(health.failure)
    images = settings.epochs * len(batches) * len(batches[0][1])
    return model, {
        "train_seconds": seconds,
        "images_per_second": images / seconds,
        "best_epoch": best.best_epoch + 1,
    }


def choose_precision(wanted):
    """The dtype policy to train under, and the reason in words.

    Args:
        wanted: `"auto"`, or a policy, which is then taken as it is.
    """
    if wanted != "auto":
        return wanted, "as asked"
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        if capability >= (8, 0):
            return "mixed_bfloat16", "this GPU computes bfloat16 fast"
        return "float32", "this GPU has no fast bfloat16"
    flags = cpu_info().get("flags", "").split()
    for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")):
        if flag in flags:
            return "mixed_bfloat16", f"this processor has {name}"
    return "float32", "this processor has no fast bfloat16"


def build(settings, data):
    """The network first, then the losses: the same seed gives every loss the same network."""
    embedder = MODELS[settings.model](data.image_shape, settings.embedding_dim)
    terms = LOSSES[settings.loss](data.num_classes, settings.embedding_dim, **settings.overrides)
    return MetricModel(embedder, terms)


def embed(model, images):
    """Embeddings of images, `(n, embedding_dim)`."""
    # Not `predict`: it sets up a tf.data pipeline, with the tuner that `data.pipeline` turns off.
    return np.concatenate(
        [model.predict_on_batch(images[start : start + 1000]) for start in range(0, len(images), 1000)]
    )


def _optimizer(settings, steps_per_epoch):
    steps = settings.epochs * steps_per_epoch
    warm_up = max(1, round(WARM_UP * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm_up), warmup_target=settings.learning_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma", "alpha"])
    return optimizer


class Health(keras.callbacks.Callback):
    """Scores the validation embeddings after every epoch and stops training that went wrong.

    Adds to the logs `val_center_accuracy` (means of the validation embeddings themselves),
    `val_map_at_r`, `val_spread` (mean distance of an L2-normalised embedding to the mean of
    all) and `learning_rate`. `failure` says what went wrong, if anything did.
    """

    def __init__(self, validation, settings):
        super().__init__()
        self.validation = validation
        self.settings = settings
        self.failure = None
        self.suspicions = 0  # Epochs in a row that looked collapsed.

    def on_epoch_end(self, epoch, logs):
        embeddings = embed(self.model, self.validation.images)
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if not (np.isfinite(logs["loss"]) and np.isfinite(embeddings).all()):
            logs |= dict.fromkeys(("val_center_accuracy", "val_map_at_r", "val_spread"), np.nan)
            self._fail(
                f"diverged: the loss is {logs['loss']} in epoch {epoch + 1}. Known remedies: a lower "
                "--learning-rate, --precision float32, a smaller weight, scale or margin of the loss with --set."
            )
            return
        normalized = l2_normalize(embeddings)
        means = class_means(normalized, self.validation.labels)
        logs["val_center_accuracy"] = float((nearest_mean(normalized, means) == self.validation.labels).mean())
        logs["val_map_at_r"] = retrieval(normalized, self.validation.labels)["map_at_r"]
        logs["val_spread"] = _spread(normalized)
        symptom = self._symptom(logs, _spread(embeddings))
        self.suspicions = self.suspicions + 1 if symptom else 0
        if self.suspicions == 2 or (symptom and epoch + 1 == self.settings.epochs):
            self._fail(
                f"collapsed: {symptom} in epoch {epoch + 1}. Known remedies: a lower --learning-rate; a softmax "
                f"term beside the loss (--set {self.settings.loss}.softmax_weight=1); for triplets "
                "mining=semi_hard, normalize=true or a smaller margin."
            )

    def _symptom(self, logs, spread):
        """What looks collapsed, in words; None if nothing does, or it is too early to tell."""
        if int(self.model.optimizer.iterations) < SETTLING_STEPS:
            return None
        if logs["val_spread"] < 0.01:
            return f"all embeddings point the same way (spread {logs['val_spread']:.2g} on the unit sphere)"
        if logs["val_center_accuracy"] > 0.9:
            return None
        if spread < 0.02:
            return f"all embeddings are nearly equal (spread {spread:.2g})"
        for name, loss in self.model.terms.items():
            value = getattr(loss, "collapsed_value", None)
            if value and abs(logs[name] - value) < 0.01 * value:
                return f"{name} stays at {logs[name]:.4g}, its value when all embeddings are equal,"
        return None

    def _fail(self, failure):
        self.failure = failure
        self.model.stop_training = True


def _spread(embeddings):
    """Mean distance of an embedding to the mean of all."""
    return float(np.linalg.norm(embeddings - embeddings.mean(axis=0), axis=1).mean())


class _Progress(keras.callbacks.Callback):
    def __init__(self, progress, batches_per_epoch):
        super().__init__()
        self.progress = progress
        self.batches_per_epoch = batches_per_epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.done = 0

    def on_train_batch_end(self, batch, logs=None):
        done = min(batch + 1, self.batches_per_epoch)  # Keras counts whole calls of several steps.
        self.progress.batches(done - self.done)
        self.done = done

    def on_epoch_end(self, epoch, logs=None):
        self.progress.epoch(epoch + 1, logs)
