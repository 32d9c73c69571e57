"""Maps that a run has made before it was stopped are not made again."""

import numpy as np
import pytest
from support.runs import make_run

from evaluation.tsne import tsne
from lab import kept
from lab.run_folder import RunFolder

POINTS = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
LAYOUT = POINTS[:, :2] * 1e-4


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "softmax" / "seed-0")
    folder.start(make_run().settings, "python main.py")
    return folder


@pytest.fixture
def made(monkeypatch):
    """The perplexities of the maps that are made."""
    perplexities = []

    def counted(points, layout, perplexity, *others):
        perplexities.append(perplexity)
        return tsne(points, layout, perplexity, *others)

    monkeypatch.setattr(kept, "tsne", counted)
    return perplexities


def test_a_map_is_made_once_and_is_the_same_to_the_last_bit_when_it_is_read(folder, made):
    expected, divergence = tsne(POINTS, LAYOUT, 5.0, 300)
    for _ in range(2):
        coordinates, found = folder.tsne(POINTS, LAYOUT, 5.0, 300)
        np.testing.assert_array_equal(coordinates, expected, strict=True)
        assert found == divergence
    folder.start(make_run().settings, "python main.py")  # As the next command does.
    folder.tsne(POINTS.copy(), LAYOUT, 5.0, 300)
    assert made == [5.0]


def test_whatever_a_map_follows_from_makes_another(folder, made, monkeypatch):
    folder.tsne(POINTS, LAYOUT, 5.0, 300)
    folder.tsne(POINTS, LAYOUT, 6.0, 300)
    folder.tsne(POINTS + 1e-6, LAYOUT, 5.0, 300)
    folder.tsne(POINTS, -LAYOUT, 5.0, 300)
    monkeypatch.setattr(kept, "source_code", lambda: "another")
    folder.tsne(POINTS, LAYOUT, 5.0, 300)
    monkeypatch.setattr(kept, "versions", lambda: {"scikit-learn": "of another day"})
    folder.tsne(POINTS, LAYOUT, 5.0, 300)
    assert made == [5.0, 6.0, 5.0, 5.0, 5.0, 5.0]


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda c: b"", lambda c: c[:-1], lambda c: flipped(c, 0), lambda c: flipped(c, 300)]
)
def test_a_damaged_map_is_made_again(folder, made, damage):
    expected, _ = folder.tsne(POINTS, LAYOUT, 5.0, 300)
    (file,) = folder.path.glob(kept.MAPS)
    file.write_bytes(damage(file.read_bytes()))
    np.testing.assert_array_equal(folder.tsne(POINTS, LAYOUT, 5.0, 300)[0], expected)
    assert made == [5.0, 5.0]
    folder.tsne(POINTS, LAYOUT, 5.0, 300)
    assert made == [5.0, 5.0]


def test_maps_are_kept_until_the_run_ends(folder):
    folder.tsne(POINTS, LAYOUT, 5.0, 300)
    assert list(folder.path.glob(kept.MAPS))
    folder.save(make_run())
    assert not list(folder.path.glob(kept.MAPS))
