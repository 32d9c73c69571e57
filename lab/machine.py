"""What a result depends on beside its settings: versions, commit, processor, devices."""

import functools
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import subprocess

from lab.backends import backend, devices
from lab.startup import cpu_info

PACKAGES = ("keras", "numpy", "scipy", "scikit-learn", "matplotlib", "tensorboard")  # Beside those of the backend.


def environment():
    """Dict of versions, commit and machine, for the record."""
    return {
        "versions": versions(),
        "git_commit": _git_commit(),
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "devices": devices(),
        },
    }


def versions():
    """Dict of the versions of Python and of the packages."""
    packages = *backend().packages, *PACKAGES
    return {"python": platform.python_version()} | {package: _version(package) for package in packages}


@functools.cache
def source_code(folders=("lab", "losses", "evaluation")):
    """Hash of the project's own code that a result may depend on, in some folders and at the top."""
    root = pathlib.Path(__file__).parents[1]
    paths = [*root.glob("*.py"), *(path for folder in folders for path in root.glob(f"{folder}/**/*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()


def processor():
    """Name of the processor."""
    return cpu_info().get("model name") or platform.processor() or platform.machine()


def memory():
    """Bytes of memory that the machine has; endless where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Of Windows; of a system without the number.
        return float("inf")


def device():
    """The processor, or the GPUs, that training runs on."""
    names = [accelerator.name for accelerator in backend().accelerators()[: devices()]]
    shared = f" as {devices()} devices" if devices() > 1 else ""
    return ", ".join(names) or f"{processor()}, {os.cpu_count()} cores{shared}"


def choose_precision(wanted):
    """The dtype policy to train under, and the reason in words; one that is wanted, not `"auto"`, is taken as it is."""
    accelerators = backend().accelerators()  # In any case: whoever looks for them first has the noise of it.
    if wanted != "auto":
        return wanted, "as asked"
    if accelerators:
        if accelerators[0].has_bfloat16:
            return "mixed_bfloat16", "this GPU computes bfloat16 fast"
        return "float32", "this GPU has no fast bfloat16"
    if not backend().uses_bfloat16_of_processors:
        return "float32", f"{backend().title} is fastest with it on a processor"
    flags = cpu_info().get("flags", "").split()
    for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")):
        if flag in flags:
            return "mixed_bfloat16", f"this processor has {name}"
    return "float32", "this processor has no fast bfloat16"


def _git_commit():
    here = pathlib.Path(__file__).parent
    try:
        git = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=here,
            capture_output=True,
            encoding="utf-8",
        )
    except OSError:
        return None
    return git.stdout.strip() or None


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # Installed under another name, as tensorflow-cpu is.
        return None
