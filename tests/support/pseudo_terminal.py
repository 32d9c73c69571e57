"""A process in a terminal of its own."""

import fcntl
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import termios

ROOT = pathlib.Path(__file__).parents[2]


def in_terminal(*arguments, columns=80, wait_for=None, then=None):
    """Runs Python in the project's folder, in a terminal; gives what it showed and the status.

    Args:
        arguments: Of the interpreter.
        columns: Width of the terminal.
        wait_for: Text on the terminal upon which `then` is sent to the process, a signal.
    """
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment |= {"TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    shown = b""
    try:
        while piece := os.read(main, 65536):
            shown += piece
            if wait_for and wait_for.encode() in shown:
                process.send_signal(then)
                wait_for = None
    except OSError:  # How Linux says that the last process with the terminal has ended.
        pass
    os.close(main)
    return shown.decode().replace("\r\n", "\n"), process.wait()


def plain(shown):
    """What a terminal was sent, without colours and the like."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
