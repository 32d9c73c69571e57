"""Several devices of one machine that share each batch; losses, mining, centers and averages see all of it.

The numbers are those of one device but for rounding. Muon and semi-hard mining amplify that, as they do a change of the
first weights by as little.
"""

import contextlib

import keras

from lab import hosts
from lab.backends import backend
from lab.errors import InputError
from lab.startup import hidden_start_up_noise


def share_among(wanted):
    """Has every model that is made from now on share its batches among some devices.

    Args:
        wanted: How many, or `"all"` that there are. Without GPU and TPU the processor becomes so many.

    Raises:
        InputError: If the backend trains on one device, or there are fewer; or as `hosts.join`.
    """
    keras.distribution.set_distribution(None)
    hosts.join(wanted)
    if wanted == 1:
        return
    if backend().name != "jax":
        raise InputError(f"--devices {wanted}: {backend().title} trains on one. Set KERAS_BACKEND to jax")
    with hidden_start_up_noise("Looking for devices ..."):
        found = _devices(wanted)
    chosen = found if wanted == "all" else found[:wanted]
    if wanted not in ("all", len(chosen)):
        names = ", ".join(found)
        raise InputError(f"--devices {wanted}: there are {len(found)}: {names}. Give at most {len(found)}, or all")
    if len(chosen) > 1:
        parts = keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)  # `hosts.part_of` does.
        keras.distribution.set_distribution(parts)


def _devices(wanted):
    """Names of the devices of JAX."""
    import jax

    if wanted != "all":
        with contextlib.suppress(RuntimeError):  # JAX has looked for them before, in this process.
            jax.config.update("jax_num_cpu_devices", wanted)
    return keras.distribution.list_devices()
