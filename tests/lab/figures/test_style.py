"""What all pictures share."""

import pytest
from matplotlib.colors import to_hex

from lab.figures.style import class_colors, grid_shape


@pytest.mark.parametrize("count", [1, 2, 10, 11, 25])
def test_every_class_has_a_color_of_its_own(count):
    colors = [to_hex(color) for color in class_colors(count)]
    assert len(colors) == len(set(colors)) == count


@pytest.mark.parametrize(
    ("cells", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (7, (2, 4)), (13, (3, 5)), (34, (6, 6))]
)
def test_a_grid_is_about_square_with_few_empty_cells(cells, shape):
    assert grid_shape(cells) == shape
