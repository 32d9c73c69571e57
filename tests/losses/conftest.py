"""How the tests of the losses start, and in what order they run."""

import os

import keras


def pytest_configure(config):
    """JAX keeps what it compiled, for all its processes and the next run: to compile an operation takes it 20 ms."""
    if not hasattr(config, "cache"):  # pytest was told to keep nothing.
        return
    options = {
        "jax_compilation_cache_dir": str(config.cache.mkdir("jax")),
        "jax_persistent_cache_min_compile_time_secs": 0,
    }
    os.environ.update({name.upper(): str(value) for name, value in options.items()})
    if keras.backend.backend() == "jax":  # It has read the environment already.
        import jax

        for name, value in options.items():
            jax.config.update(name, value)
    # An entry that another process is writing.
    config.addinivalue_line("filterwarnings", "ignore:Error reading persistent compilation cache entry")


def pytest_collection_modifyitems(items):
    """Last come the tests that wait for the other backends, which are at work meanwhile."""
    items.sort(key=lambda item: "there" in item.fixturenames)
