"""Trains one network under several losses and shows what each does to the embedding: see README.md."""

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
        if options.summarize:
            return summarize(options.runs, terminal)
        plan = (plan_tuning if options.tune else plan_study)(options, command, terminal)
    except (SourceError, ConflictError, ValueError, OSError) as error:
        terminal.error(str(error))
        return 2
    except KeyboardInterrupt:
        terminal.say("Interrupted.")
        return 130
    return plan.carry_out(terminal)


if __name__ == "__main__":
    sys.exit(main())
