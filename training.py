"""Training one loss: compile, fit, keep the best epoch."""

import dataclasses
import time

import keras
import tensorflow as tf

from data import Batches, pipeline
from health import Health
from losses import LOSSES
from models import MODELS, MetricModel, start_averages
from run_folder import cpu_info

WEIGHT_DECAY = 0.05
STEPS_PER_CALL = 8  # Training steps between two returns to Python.
WARM_UP = 0.05  # Share of all steps.


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything a run's result depends on, as plain values; `sweep` names the override that differs between runs."""

    dataset: str
    loss: str
    seed: int
    epochs: int
    protocol: str = "closed"
    split: int | None = None
    embedding_dim: int = 64
    model: str = "cnn"
    embedding_init: str = "glorot"
    sampler: str = "balanced"
    augment: bool = False
    learning_rate: float = 0.004
    overrides: dict = dataclasses.field(default_factory=dict)
    sweep: str | None = None
    precision: str = "float32"
    perplexity: float = 30.0
    tsne_iterations: int = 1000
    quick: bool = False

    @property
    def unit(self):
        """What distinguishes the runs of one loss."""
        return f"seed {self.seed}" if self.split is None else f"split {self.split}, seed {self.seed}"


class Failure(Exception):
    """Training went wrong in a known way; the message says how, and the known remedies."""


def train(settings, data, run_path, progress, film=None, dashboard=None):
    """Trains the network under one loss and goes back to its best epoch.

    Every loss starts from the same weights of the network and sees the same batches in the
    same order, both from the seed.

    Args:
        settings: `Settings` of the run.
        data: `Dataset`.
        run_path: Folder for `history.csv` and TensorBoard's scalars.
        progress: Object with `batches(count)`, called when so many more are done, and `epoch(number, logs)`.
        film: `Film` that watches, or None.
        dashboard: The module `dashboard`, or None to do without TensorBoard.

    Returns:
        The trained `MetricModel`, and what `metrics.json` says of its training: `best_epoch`, from 1; its
        `validation_map_at_r`; `timing`.

    Raises:
        Failure: If training diverged or collapsed.
    """
    keras.backend.clear_session()
    keras.config.set_dtype_policy(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    model = build(settings, data)
    batches = Batches(data.train, settings.seed, settings.sampler, settings.augment)
    start_averages(model.embedder, batches[0][0])
    model.compile(
        _optimizer(settings, len(batches)),
        steps_per_execution=STEPS_PER_CALL,
        jit_compile=False,  # XLA is slower on a CPU.
    )
    best = keras.callbacks.EarlyStopping(
        "val_map_at_r", mode="max", patience=settings.epochs, restore_best_weights=True
    )
    health = Health(data.validation, settings)
    watching = [film] if film else []
    if dashboard:
        watching.append(dashboard.EpochScalars(run_path, health.distributions))
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
            *watching,
            _Progress(progress, len(batches)),
        ],
    )
    seconds = time.perf_counter() - start
    if health.failure:
        raise Failure(health.failure)
    images = settings.epochs * len(batches) * len(batches[0][1])
    return model, {
        "best_epoch": best.best_epoch + 1,
        "validation_map_at_r": float(best.best),
        "timing": {"train_seconds": seconds, "images_per_second": images / seconds},
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
    embedder = MODELS[settings.model](data.image_shape, settings.embedding_dim, settings.embedding_init)
    terms = LOSSES[settings.loss](data.num_classes, settings.embedding_dim, **settings.overrides)
    return MetricModel(embedder, terms)


def _optimizer(settings, steps_per_epoch):
    steps = settings.epochs * steps_per_epoch
    warm_up = max(1, round(WARM_UP * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm_up), warmup_target=settings.learning_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma", "alpha", "centers"])
    return optimizer


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
