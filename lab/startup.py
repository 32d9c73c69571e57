"""What has to be set before Keras and scikit-learn are imported, and the noise of importing them."""

import atexit
import codecs
import contextlib
import importlib.metadata
import logging
import os
import pathlib
import sys
import tempfile
import warnings


def cpu_info():
    """First processor's entries of `/proc/cpuinfo`; empty where there is none."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def is_zen_4(info):
    """Whether `cpu_info` is that of AMD's Zen 4: before it the family had no AVX-512, the next has another number."""
    family = info.get("vendor_id"), info.get("cpu family")
    return family == ("AuthenticAMD", "25") and "avx512f" in info.get("flags", "").split()


def numpy_version():
    """Its first two numbers, without importing it; zeros where it is not installed."""
    try:
        return tuple(int(number) for number in importlib.metadata.version("numpy").split(".")[:2])
    except importlib.metadata.PackageNotFoundError:
        return 0, 0


# NumPy sorts six times as slowly there with AVX-512 as without: a third of what scores take. Before 2.4 it has other
# names for the instructions, and it warns of one that it does not know; whoever enables some can disable none.
if is_zen_4(cpu_info()) and numpy_version() >= (2, 4) and "NPY_ENABLE_CPU_FEATURES" not in os.environ:
    os.environ.setdefault("NPY_DISABLE_CPU_FEATURES", "X86_V4 AVX512_ICL AVX512_SPR")
# Threads of t-SNE that wait for each other by spinning take several times as long beside any other program, and those
# of matrix products that wait for the next one take the processor from what comes between.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
# A GPU's memory as it is needed: by default one process takes all of it, and the next has none.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # Errors only.
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # TensorFlow's, under NumPy 2.
logging.getLogger("tensorflow").setLevel(logging.ERROR)  # Each run traces its own model: no cause for warnings.

# Names of modules, of the packages in requirements.txt.
REQUIRED = {name: name for name in ("tensorflow", "keras", "tensorboard", "numpy", "scipy", "matplotlib", "rich")}
REQUIRED |= {"sklearn": "scikit-learn", "PIL": "pillow", "google": "protobuf", "google.protobuf": "protobuf"}
REQUIRED |= {"threadpoolctl": "threadpoolctl", "joblib": "joblib", "jax": "jax", "torch": "torch"}
# What a terminal or a file shows that lacks a character.
PLAIN = {"–": "-", "─": "-", "━": "=", "·": "|", "±": "+-", "…": "..."}
REFUSED = 3  # Status of a process that the system refuses something, or takes another process from.
CLOSED = 141  # Status of a process whose output nobody reads any more, as shells have it.


def open_closed_streams():
    """Gives a process that was started without standard input, output or errors some that lead nowhere.

    Else the next file that is opened would take their number, and get what is printed.
    """
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest number that is free: this one.
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def show_every_character():
    """Has standard output and standard errors show something plain in place of each character that they lack."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="plain")


def _plain(error):
    """What is shown for the first of the characters that an encoding lacks, and where it goes on behind that."""
    if error.object.startswith("± ", error.start):
        return "+-", error.start + 2  # As wide, for tables.
    error.end = error.start + 1
    return PLAIN.get(error.object[error.start]) or codecs.backslashreplace_errors(error)[0], error.end


@atexit.register
def flush_streams():
    """Prints what is left to print; where nobody reads on, or there is no room, nothing is said of that."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def hidden_start_up_noise(shown=""):
    """Holds back what native libraries print to standard error; shows it if the block fails.

    A terminal has the line `shown` meanwhile. If a requirement is not installed, or there is no place for temporary
    files, the process ends with a message.
    """
    sys.stderr.flush()
    real, told = os.dup(2), b""
    is_shown = shown and os.isatty(real) and os.environ.get("TERM") != "dumb"
    with _temporary_file() as noise:
        try:
            os.dup2(noise.fileno(), 2)
            os.write(real, shown.encode() if is_shown else b"")
            yield
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except BaseException as error:
            if isinstance(error, ModuleNotFoundError) and error.name in REQUIRED:
                told = _without(REQUIRED[error.name]).encode()
                raise SystemExit(2) from None
            noise.seek(0)
            told = noise.read()
            raise
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.write(real, (b"\r\033[K" if is_shown else b"") + told)  # The line is erased first.
            os.close(real)


def _temporary_file():
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        print(
            f"{_program()}: {error.strerror}. Name a folder with room, that you may write to, in TMPDIR",
            file=sys.stderr,
        )
        raise SystemExit(REFUSED) from None


def _program():
    return pathlib.Path(sys.argv[0]).name


def _without(package):
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    kind = "" if backend == "tensorflow" else f"-{backend}"
    remedy = f"Install the requirements: python -m pip install -r requirements{kind}.txt"
    if package == "tensorflow":
        remedy += ". To use JAX or PyTorch, set KERAS_BACKEND to jax or torch"
    return f"{_program()}: {package} is not installed. {remedy}\n"
