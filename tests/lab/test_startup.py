"""The first seconds: a line on the terminal while libraries are loaded, and what is said where one is missing."""

import io
import os
import pathlib
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from support.pseudo_terminal import ROOT, in_terminal

from lab.startup import REQUIRED, is_zen_4, numpy_version, show_every_character

LINE, ERASED = "Loading Keras ...", "\r\x1b[K"


def block(*lines):
    """A program that does something while the noise is hidden."""
    inside = "".join(f"    {line}\n" for line in lines)
    return (
        "import os, sys, time\nfrom lab.startup import hidden_start_up_noise\n"
        f"with hidden_start_up_noise({LINE!r}):\n{inside}print('loaded')\n"
    )


def piped(program):
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)


def test_a_terminal_shows_at_once_what_is_loaded_and_then_no_more():
    shown, status = in_terminal("-c", block("os.write(2, b'noise')"))
    assert (shown, status) == (f"{LINE}{ERASED}loaded\n", 0)


def test_where_standard_error_is_no_terminal_nothing_is_shown():
    process = piped(block("os.write(2, b'noise')"))
    assert (process.stdout, process.stderr, process.returncode) == ("loaded\n", "", 0)


@pytest.mark.parametrize("module", ["keras", "tensorflow", "google.protobuf", "PIL"])
def test_a_requirement_that_is_not_installed_is_said_in_a_line_with_the_remedy(module):
    process = piped(block("os.write(2, b'noise')", f"sys.modules[{module!r}] = None", f"import {module}"))
    package = {"google.protobuf": "protobuf", "PIL": "pillow"}.get(module, module)
    remedy = "Install the requirements: python -m pip install -r requirements.txt"
    if module == "tensorflow":
        remedy += ". To use JAX or PyTorch, set KERAS_BACKEND to jax or torch"
    assert process.stderr == f"-c: {package} is not installed. {remedy}\n"
    assert (process.stdout, process.returncode) == ("", 2)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_requirements_are_those_of_the_backend_in_use(backend, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    process = piped(block(f"sys.modules[{backend!r}] = None", f"import {backend}"))
    remedy = f"Install the requirements: python -m pip install -r requirements-{backend}.txt"
    assert process.stderr == f"-c: {backend} is not installed. {remedy}\n"


def test_where_numpy_is_told_of_instructions_to_enable_it_is_told_of_none_to_disable(monkeypatch):
    # It refuses to load with both.
    monkeypatch.delenv("NPY_DISABLE_CPU_FEATURES", raising=False)
    monkeypatch.setenv("NPY_ENABLE_CPU_FEATURES", "AVX2")
    assert piped("import os, lab.startup\nprint(os.environ.get('NPY_DISABLE_CPU_FEATURES'))").stdout == "None\n"


def test_no_place_for_temporary_files_is_said_in_a_line_with_the_remedy():
    setup = "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/nowhere']\n"
    process = piped(setup + block("pass"))
    told = (
        "No usable temporary directory found in ['/nowhere']. Name a folder with room, that you may write to, in TMPDIR"
    )
    assert (process.stderr, process.stdout, process.returncode) == (f"-c: {told}\n", "", 3)


@pytest.mark.parametrize("program", ["print('x' * 100_000)", "print('x', file=sys.stderr)", "print('x')"])
def test_where_nobody_reads_what_is_printed_there_is_no_traceback_at_the_end(program):
    reader, writer = os.pipe()
    os.close(reader)
    program = f"import sys, lab.startup\ntry:\n    {program}\nexcept BrokenPipeError:\n    pass"
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (process.stderr.removesuffix("x\n"), process.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "98.26 ± 0.01 – QUICK · ━━── \\udce9 é 中"),
        ("ascii", "98.26 +-0.01 - QUICK | ==-- \\udce9 \\xe9 \\u4e2d"),
        ("latin-1", "98.26 ± 0.01 - QUICK · ==-- \\udce9 é \\u4e2d"),
        ("shift_jis", "98.26 ± 0.01 - QUICK | ━━── \\udce9 \\xe9 中"),
        ("cp1252", "98.26 ± 0.01 – QUICK · ==-- \\udce9 é \\u4e2d"),
        ("utf-16", "98.26 ± 0.01 – QUICK · ━━── \\udce9 é 中"),
    ],
)
def test_a_character_that_an_output_lacks_is_shown_as_a_plain_one(encoding, shown, monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding))
    show_every_character()
    for stream in (sys.stdout, sys.stderr):
        stream.write("98.26 ± 0.01 – QUICK · ━━── \udce9 é 中")
        stream.flush()
        assert stream.buffer.getvalue().decode(encoding) == shown


def test_what_is_printed_without_standard_streams_goes_into_no_file(tmp_path):
    program = (
        "from lab.startup import open_closed_streams\nopen_closed_streams()\n"
        f"with open({str(tmp_path / 'file')!r}, 'w') as file:\n"
        "    print('printed', flush=True)\n    file.write('written')"
    )
    command = ["bash", "-c", f'exec "{sys.executable}" -c "$0" <&- >&- 2>&-', program]
    assert subprocess.run(command, cwd=ROOT).returncode == 0
    assert (tmp_path / "file").read_text(encoding="utf-8") == "written"


def test_the_message_stands_on_a_line_of_its_own():
    shown, status = in_terminal("-c", block("sys.modules['keras'] = None", "import keras"))
    assert shown.startswith(f"{LINE}{ERASED}-c: keras is not installed. ")
    assert status == 2


@pytest.mark.parametrize("fault", ["import lab.no_such_module", "import no_such_module", "raise ValueError('a fault')"])
def test_any_other_fault_is_a_traceback_with_the_noise_before_it(fault):
    process = piped(block("os.write(2, b'noise\\n')", fault))
    assert process.stderr.startswith("noise\nTraceback (most recent call last):")
    assert process.returncode == 1


def test_ctrl_c_while_loading_is_status_130_without_a_traceback():
    shown, status = in_terminal("-c", block("time.sleep(60)"), wait_for=LINE, then=signal.SIGINT)
    assert (shown, status) == (f"{LINE}{ERASED}", 130)


def test_the_packages_are_those_of_the_requirements():
    files = ("requirements.txt", "requirements-jax.txt", "requirements-torch.txt")
    lines = [(pathlib.Path(ROOT) / file).read_text(encoding="utf-8").split() for file in files]
    assert {*REQUIRED.values()} == {re.match(r"[\w-]+", line)[0] for found in lines for line in found}
    assert lines[0][1:] == lines[1][1:] == lines[2][1:]  # The first line is the backend's.


@pytest.mark.slow
def test_on_another_backend_nothing_is_shown_of_tensorflow_which_keras_loads_to_set_a_seed(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    process = piped("import main, keras\nkeras.utils.set_random_seed(0)\nprint(keras.backend.backend())")
    assert (process.stdout, process.stderr, process.returncode) == ("jax\n", "", 0)


@pytest.mark.slow
def test_the_command_without_its_requirements_says_so(tmp_path):
    (tmp_path / "keras.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'keras'\", name='keras')\n", encoding="utf-8"
    )
    program = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['main.py']; "
    process = piped(program + "sys.path.insert(1, '.'); runpy.run_path('main.py', run_name='__main__')")
    remedy = "Install the requirements: python -m pip install -r requirements.txt"
    assert process.stderr == f"main.py: keras is not installed. {remedy}\n"
    assert (process.stdout, process.returncode) == ("", 2)


@pytest.mark.parametrize(
    ("vendor", "family", "flags", "expected"),
    [
        ("AuthenticAMD", "25", "sse2 avx2 avx512f avx512_bf16", True),
        ("AuthenticAMD", "25", "sse2 avx2", False),  # Zen 3.
        ("AuthenticAMD", "26", "sse2 avx2 avx512f avx512_bf16", False),  # Zen 5.
        ("GenuineIntel", "6", "sse2 avx2 avx512f avx512_bf16", False),
    ],
)
def test_zen_4_is_told_from_others_with_its_family_or_its_instructions(vendor, family, flags, expected):
    assert is_zen_4({"vendor_id": vendor, "cpu family": family, "flags": flags}) == expected


def test_a_system_that_does_not_say_its_processor_is_no_zen_4():
    assert not is_zen_4({})


def test_numpy_starts_without_complaint_as_it_is_set_up():
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import lab.startup, numpy; print(numpy.sort([2, 1]))"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert (process.stdout, process.stderr, process.returncode) == ("[1 2]\n", "", 0)


def test_the_version_of_numpy_is_known_before_it_is_imported():
    assert numpy_version() == tuple(map(int, np.__version__.split(".")[:2]))
