"""What all pictures share."""

import pytest
from matplotlib.colors import to_hex

from visualize import class_colors


@pytest.mark.parametrize("count", [1, 2, 10, 11, 25])
def test_every_class_has_a_color_of_its_own(count):
    colors = [to_hex(color) for color in class_colors(count)]
    assert len(colors) == len(set(colors)) == count
