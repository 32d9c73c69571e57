"""What is refused before anything is trained."""

from lab.batches import Batches
from lab.errors import InputError
from losses import LOSSES
from models import build_embedder


def check(settings, splits):
    """Refuses what the losses, the network or the sampler cannot do.

    Args:
        settings: List of the `Settings` of every run.
        splits: Dict from a split, or None, to its `Dataset`.

    Raises:
        InputError: If a loss refuses its arguments, the network its images, or the sampler its numbers.
    """
    _check_losses(settings, splits)
    first = settings[0]
    try:  # An image may be too small for it, its weights may be out of reach.
        build_embedder(first, splits[first.split].image_shape)
    except ValueError as error:
        raise InputError(f"--model {first.model}: {error}") from error
    try:
        for data in splits.values():
            Batches.of(data.train, first)
    except ValueError as error:
        raise InputError(str(error)) from error


def _check_losses(settings, splits):
    """Builds every loss once, so that a bad argument is found before anything is trained."""
    for one in {s.name: s for s in settings}.values():
        try:
            LOSSES[one.loss](splits[one.split].num_classes, one.embedding_dim, **one.overrides)
        except ValueError as error:
            if not one.overrides:  # A fault of ours: the defaults are no input.
                raise
            raise InputError(f"{one.name}: {error}") from error
