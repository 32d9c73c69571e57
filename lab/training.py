"""Training one loss: compile, fit, keep the best epoch."""

import json

import keras

from lab import hosts
from lab.backends import RandomNumbers, backend
from lab.backup import Backup
from lab.batches import Batches, feed
from lab.optimizer import OPTIMIZERS
from lab.run import Training
from models import build_model, start_averages

WEIGHT_DECAY = 0.05
WARM_UP = 0.05  # Share of all steps.


class Failure(Exception):
    """Training went wrong in a known way; the message says how, and the known remedies."""


class BestEpoch(keras.callbacks.EarlyStopping):
    """Goes back at the end of training to the weights of the epoch with the best MAP@R on the validation images.

    Of several, the last: few images are soon in order, and then the network has still to learn.
    """

    def __init__(self, settings):
        super().__init__("val_map_at_r", mode="max", patience=settings.epochs, restore_best_weights=True)
        self.min_delta = -1e-9  # Less than nothing: as good is better.

    @property
    def state(self):
        """The best epoch, its MAP@R, and its weights by their numbers."""
        weights = {str(number): weight for number, weight in enumerate(self.best_weights)}
        return {"epoch": self.best_epoch, "best": self.best, **weights}

    @state.setter
    def state(self, state):
        epoch, best, *self.best_weights = state.values()
        self.best_epoch, self.best = int(epoch), float(best)


def announce(settings, film):
    """Has the other processes train with these `Settings`, with a `Film` or without, as this one is about to."""
    hosts.company().told({"settings": json.dumps(settings.to_dict()), "film": film})


def train(model, split, health, callbacks=(), backup=None, telling=()):
    """Trains a model and goes back to its best epoch.

    Every loss sees the same batches in the same order, from the seed.

    Args:
        model: `MetricModel`, as `build_model` made it.
        split: `Split` of the training images.
        health: `Health`, which has the validation images and the `Settings`.
        callbacks: Keras callbacks that watch: they find in the logs of an epoch what `health` has measured.
        backup: `Backup` that the training may go on from, and keeps its state in.
        telling: Keras callbacks that tell of an epoch, when it is kept.

    Returns:
        `Training`.

    Raises:
        Failure: If training diverged or collapsed.
    """
    settings = health.settings
    batches = Batches.of(split, settings, settings.augment)
    validation = Batches.of_validation(health.validation, settings)
    if settings.weights is None:  # Else the averages belong to the weights.
        start_averages(model.embedder, batches[0][0])
    model.compile(
        _optimizer(settings, len(batches)),
        steps_per_execution=backend().steps_per_call,
        jit_compile=backend().jit_compile,
    )
    # Else both would be in the first step, which TensorFlow then traces twice.
    model.build(model.embedder.input_shape)
    model.optimizer.build(model.trainable_variables)
    best = BestEpoch(settings)
    backup = backup or Backup()
    backup.share()
    watching = [health, hosts.InStep(), best, *callbacks]
    stateful = [RandomNumbers(), *(part for part in watching if hasattr(type(part), "state"))]
    backup.follow(**{type(part).__name__: part for part in stateful})
    model.fit(
        feed(hosts.part_of(batches)),
        validation_data=feed(hosts.part_of(validation)),
        epochs=settings.epochs,
        initial_epoch=backup.epochs,
        shuffle=False,  # The sampler does.
        verbose=0,
        callbacks=[batches.drawing(), *watching, backup, *telling],
    )
    seconds = backup.seconds
    if health.failure:
        raise Failure(health.failure)
    images = settings.epochs * len(batches) * len(batches[0][1])
    return Training(best.best_epoch + 1, float(best.best), seconds, images / seconds)


def own(model, settings, data):
    """A model that was trained on a `Dataset`, as this process can use it alone: a copy if others share it."""
    if hosts.company().count == 1:
        return model
    copy = build_model(settings, data.image_shape, data.num_classes)
    copy.build(copy.embedder.input_shape)
    copy.set_weights(model.get_weights())
    return copy


def _optimizer(settings, steps_per_epoch):
    steps = settings.epochs * steps_per_epoch
    warm_up = max(1, round(WARM_UP * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm_up), warmup_target=settings.learning_rate, warmup_steps=warm_up
    )
    optimizer = OPTIMIZERS[settings.optimizer](schedule, weight_decay=WEIGHT_DECAY)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma", "alpha", "centers"])
    return optimizer
