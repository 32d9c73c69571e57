"""What differs between the backends of Keras: speed, devices, and how they run out of memory."""

import collections.abc
import contextlib
import dataclasses
import re
import typing

import keras

with contextlib.suppress(ImportError):  # On any backend Keras imports it to set a seed: not amid a run, with its noise.
    import tensorflow  # noqa: F401

STEPS_PER_CALL = 8  # Training steps between two returns to Python.
# As JAX and PyTorch say it, and Python, of the stack of a thread.
OUT_OF_MEMORY = re.compile("RESOURCE_EXHAUSTED|out of memory|can't allocate memory|can't start new thread")

OLD = re.compile(r"[3-7]\.")  # Compute capability of a GPU without bfloat16. Those of AMD, and TPUs, have no number.


class Accelerator(typing.NamedTuple):
    """A device other than the processor: its name, and whether it computes bfloat16 fast."""

    name: str
    has_bfloat16: bool


@dataclasses.dataclass(frozen=True)
class Backend:
    """A backend of Keras.

    Args:
        name, title: What Keras calls it, and what it calls itself.
        packages: Those whose versions a result depends on.
        accelerators: Function that gives the list of the `Accelerator`s that it trains on.
        steps_per_call: Training steps between two returns to the callbacks.
        jit_compile: Whether XLA compiles the steps.
        uses_bfloat16_of_processors: Whether it is faster with bfloat16 on a processor that has it.
    """

    name: str
    title: str
    packages: tuple
    accelerators: collections.abc.Callable
    steps_per_call: int = STEPS_PER_CALL
    jit_compile: bool = False
    uses_bfloat16_of_processors: bool = False


def backend():
    """The `Backend` of this process."""
    return BACKENDS[keras.backend.backend()]


def devices():
    """How many devices share each batch of a training."""
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else distribution.device_mesh.devices.size


class RandomNumbers:
    """The random numbers that come from no variable of a model: PyTorch's own, from which Keras draws its dropout."""

    @property
    def state(self):
        """Dict of arrays, of the processor and of each GPU; empty on other backends."""
        if keras.backend.backend() != "torch":
            return {}
        import torch

        states = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
        return {str(number): state.numpy() for number, state in enumerate(states)}

    @state.setter
    def state(self, state):
        if not state:
            return
        import torch

        processor, *gpus = map(torch.from_numpy, state.values())
        torch.set_rng_state(processor)
        torch.cuda.set_rng_state_all(gpus[: torch.cuda.device_count()])  # Another machine may have fewer.


def is_out_of_memory(error):
    """Whether a backend means by an error that there is too little memory."""
    if isinstance(error, RuntimeError):
        return OUT_OF_MEMORY.search(str(error)) is not None
    return type(error).__name__ == "ResourceExhaustedError"  # TensorFlow's.


def _of_tensorflow():
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [
        Accelerator(found.get("device_name", "GPU"), found.get("compute_capability", (0, 0)) >= (8, 0))
        for found in details
    ]


def _of_jax():
    import jax

    return [
        Accelerator(device.device_kind, not OLD.match(getattr(device, "compute_capability", "")))
        for device in jax.devices()
        if device.platform != "cpu"
    ]


def _of_torch():
    from torch import cuda

    numbers = range(cuda.device_count())
    return [Accelerator(cuda.get_device_name(n), cuda.get_device_capability(n) >= (8, 0)) for n in numbers]


_ALL = (
    # XLA is slower for TensorFlow on a CPU; JAX without it runs operation by operation.
    Backend("tensorflow", "TensorFlow", ("tensorflow",), _of_tensorflow, uses_bfloat16_of_processors=True),
    Backend("jax", "JAX", ("jax", "jaxlib"), _of_jax, jit_compile=True),
    Backend("torch", "PyTorch", ("torch",), _of_torch, steps_per_call=1),  # Keras takes no more there.
)
BACKENDS = {backend.name: backend for backend in _ALL}
