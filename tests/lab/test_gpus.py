"""Which GPUs the workers of this machine share."""

import pytest

from lab.cluster import _gpus


@pytest.mark.parametrize(
    ("visible", "found"), [("0,2", ["0", "2"]), ("0, 2", ["0", "2"]), ("GPU-1a", ["GPU-1a"]), ("", []), ("-1", [])]
)
def test_they_are_those_that_are_visible(visible, found, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert _gpus() == found
