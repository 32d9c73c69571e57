"""The IDX format in its own words."""


def as_idx(array):
    """Two zeros, 8 for bytes or 12 for 32-bit integers, the dimensions, each one's size, the values."""
    kind, size = (8, 1) if array.dtype.itemsize == 1 else (12, 4)
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    values = b"".join(value.to_bytes(size, "big") for value in array.flatten().tolist())
    return bytes([0, 0, kind, array.ndim]) + sizes + values
