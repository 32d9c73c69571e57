"""What is refused before anything is trained."""

import math

from lab.backends import devices
from lab.batches import Batches
from lab.errors import InputError
from lab.hosts import alone, company
from lab.machine import memory
from lab.networks import weights_content
from losses import LOSSES
from models import build_embedder

# Of each number of an embedding: it, that of its L2-normalised one, and their copies while distances are taken. As many
# of a class: its weight, the gradient, and two averages of the optimizer.
BYTES = 4 * 4


def check(settings, splits):
    """Refuses what the losses, the network or the sampler cannot do.

    Args:
        settings: List of the `Settings` of every run.
        splits: Dict from a split, or None, to its `Dataset`.

    Raises:
        InputError: If a loss refuses its arguments, the network its images, the sampler its numbers, or if the
            embeddings need more memory than there is, or the devices cannot share a batch.
    """
    _check_memory(settings[0].embedding_dim, splits.values())
    with alone():
        _check_losses(settings, splits)
        _check_network(settings[0], splits)
    first = settings[0]
    try:
        for data in splits.values():
            Batches.of(data.train, first)
    except ValueError as error:
        raise InputError(str(error)) from error
    _check_devices(first, splits.values())


def check_weights(settings):
    """Refuses a file of weights that is another one where a run is trained than where the command was given.

    Raises:
        InputError: If it is.
    """
    if settings.weights_content not in (None, weights_content(settings.weights)):
        raise InputError(f"{settings.weights} holds other weights there than here. Copy it, to the same place")


def _check_network(settings, splits):
    try:  # An image may be too small for it, its weights may be out of reach.
        build_embedder(settings, splits[settings.split].image_shape)
    except ValueError as error:
        raise InputError(f"--model {settings.model}: {error}") from error


def _check_devices(settings, splits):
    """Refuses batches that the devices cannot share evenly."""
    if devices() == 1:
        return
    batches = [Batches.of(data.train, settings) for data in splits]
    batches += [Batches.of_validation(data.validation, settings) for data in splits]
    sizes = sorted({each.indices.shape[1] for each in batches})
    common = math.gcd(*sizes)
    if common % devices():
        fewer = max(number for number in range(1, devices()) if common % number == 0)
        more = -(-batches[0].per_class // devices()) * devices()
        remedy = "fewer processes" if company().count > 1 else f"--devices {fewer}"
        remedy += f" or --per-class {more}" * (settings.sampler == "balanced")
        raise InputError(
            f"--devices {devices()}: batches of {' and '.join(map(str, sizes))} images cannot be shared evenly. "
            f"Give {remedy}"
        )


def _check_memory(embedding_dim, splits):
    images, classes = max((sum(map(len, data.parts.values())), data.num_classes) for data in splits)
    most = memory() // (BYTES * (images + classes))
    if embedding_dim > most:
        needed = BYTES * (images + classes) * embedding_dim
        raise InputError(
            f"--embedding-dim {embedding_dim}: embeddings of {images:,} images and {classes:,} classes take "
            f"{needed / 1e9:,.1f} GB, and this machine has {memory() / 1e9:,.1f} GB. Give {most:,} or less"
        )


def _check_losses(settings, splits):
    """Builds every loss once, so that a bad argument is found before anything is trained."""
    for one in {s.name: s for s in settings}.values():
        try:
            LOSSES[one.loss](splits[one.split].num_classes, one.embedding_dim, **one.overrides)
        except ValueError as error:
            if not one.overrides:  # A fault of ours: the defaults are no input.
                raise
            raise InputError(f"{one.name}: {error}") from error
