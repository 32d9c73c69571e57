"""The IDX format: bytes worked by hand, and files whose first bytes lie."""

import gzip
import struct

import numpy as np
import pytest
from support.idx_bytes import as_idx

from lab.errors import InputError
from lab.sources import idx_file
from lab.sources.idx_file import format_idx, open_idx, parse_idx

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_idx_is_the_documented_bytes():
    array = np.array([[1, 2, 3], [4, 5, 255]])
    content = b"\x00\x00\x08\x02" + b"\x00\x00\x00\x02" + b"\x00\x00\x00\x03" + b"\x01\x02\x03\x04\x05\xff"
    assert format_idx(array) == content
    parsed = parse_idx(content)
    assert parsed.dtype == np.uint8
    np.testing.assert_array_equal(parsed, array)


@pytest.mark.parametrize("shape", [(1,), (70_000,), (300, 2), (2, 3, 4)])
def test_idx_comes_back_as_it_was(shape):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    content = format_idx(array)
    assert content == as_idx(array)
    np.testing.assert_array_equal(parse_idx(content), array)


def test_idx_of_a_transposed_array_is_in_its_order():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3).T
    np.testing.assert_array_equal(parse_idx(format_idx(array)), [[0, 3], [1, 4], [2, 5]])


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_may_be_compressed(tmp_path, packed):
    path = tmp_path / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(as_idx(ARRAY)) if packed else as_idx(ARRAY))
    np.testing.assert_array_equal(open_idx(path), ARRAY)
    assert isinstance(open_idx(path), np.memmap) is not packed


def test_a_compressed_file_is_unpacked_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(idx_file, "BLOCK", 7)
    (tmp_path / "a.gz").write_bytes(gzip.compress(as_idx(ARRAY)))
    np.testing.assert_array_equal(open_idx(tmp_path / "a.gz"), ARRAY)


def test_integers_of_four_bytes_have_the_highest_first(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(bytes([0, 0, 12, 1]) + bytes([0, 0, 0, 2]) + bytes([0, 0, 1, 2]) + bytes([255, 255, 255, 255]))
    np.testing.assert_array_equal(open_idx(path), [258, -1])


FAULTS = {
    "is cut short": as_idx(ARRAY)[:-1],
    "goes on behind its end": as_idx(ARRAY) + b"\0",
    "is cut short in its first bytes": as_idx(ARRAY)[:9],
    "is no IDX file of whole numbers": b"<html>404</html>",
    "is empty": as_idx(ARRAY[:0]),
}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("fault", [*FAULTS, "no bytes"])
def test_a_file_that_is_not_what_its_first_bytes_say_is_refused(tmp_path, fault, packed):
    content = FAULTS.get(fault, b"")
    path = tmp_path / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError, match=str(path)) as caught:
        open_idx(path)
    assert fault == "no bytes" or fault in str(caught.value)


def without_its_end(content):
    return content[:-9]


def with_a_wrong_checksum(content):
    return content[:-8] + bytes(8)


def without_gzip(content):
    return b"<html>404</html>"


@pytest.mark.parametrize("damage", [without_its_end, with_a_wrong_checksum, without_gzip])
def test_a_compressed_file_that_is_damaged_is_refused(tmp_path, damage):
    path = tmp_path / "a.gz"
    path.write_bytes(damage(gzip.compress(as_idx(ARRAY))))
    with pytest.raises(InputError, match="is damaged"):
        open_idx(path)


def test_no_memory_is_taken_for_what_a_compressed_file_cannot_have(tmp_path):
    path = tmp_path / "lying.gz"
    path.write_bytes(gzip.compress(struct.pack(">I3I", 0x0803, 2**31, 2**15, 2**15)))
    with pytest.raises(InputError, match="is cut short"):
        open_idx(path)


def test_a_file_larger_than_the_memory_stays_on_the_disk(tmp_path):
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.write(struct.pack(">I3I", 0x0803, 20_000_000, 32, 32))
        file.truncate(16 + 20_000_000 * 1024)
    images = open_idx(path)
    assert images.shape == (20_000_000, 32, 32)
    assert images[-1].sum() == 0
