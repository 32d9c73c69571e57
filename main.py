"""Trains one network under several losses and shows what each does to the embedding: see README.md."""

import importlib
import shlex
import sys

from startup import hidden_start_up_noise

with hidden_start_up_noise():
    from options import parse_options
    from run_folder import ConflictError
    from sources import SourceError
    from study import plan_study, summarize
    from terminal import Terminal
    from tuning import plan_tuning


def main(arguments=None):
    """Runs the command line; returns 0, 1 if a loss failed, 2 for bad input, 130 after Ctrl-C."""
    options = parse_options(arguments)
    command = shlex.join(["python", "main.py", *(sys.argv[1:] if arguments is None else arguments)])
    terminal = Terminal()
    try:
        dashboard = importlib.import_module("dashboard") if options.tensorboard else None
        try:
            if options.summarize:
                return summarize(options.runs, terminal, dashboard)
            plan = (plan_tuning if options.tune else plan_study)(options, command, terminal, dashboard)
        except (SourceError, ConflictError, ValueError, OSError) as error:
            terminal.error(str(error))
            return 2
        return plan.carry_out(terminal)
    except KeyboardInterrupt:
        terminal.say("Interrupted. Runs that ended are kept; --summarize draws them.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
