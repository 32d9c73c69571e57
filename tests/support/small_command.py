"""The command with a small network and few points on coarse maps; as a script too.

PYTHONPATH=.:tests python tests/support/small_command.py FLAGS
"""

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    import contextlib
    import sys

    import pytest
    from support.small_network import build_small

    from lab import maps
    from lab.figures import style
    from main import main
    from models import MODELS


def small_network(patch):
    """`--model cnn` builds a network that is set up in a third of the time of the smallest real one."""
    patch.setitem(MODELS, "cnn", build_small)


def few_points(patch):
    """t-SNE of 100 images instead of 2,000, on coarse pictures."""
    patch.setattr(style, "DPI", 40)
    patch.setattr(maps, "POINTS", 100)
    patch.setattr(maps, "QUICK_POINTS", 100)


@contextlib.contextmanager
def small_command():
    """Both, in fixtures that several tests share and in processes of their own."""
    with pytest.MonkeyPatch.context() as patch:
        small_network(patch)
        few_points(patch)
        yield


if __name__ == "__main__":
    with small_command():
        sys.exit(main())
