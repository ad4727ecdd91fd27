"""The protocol's names for the kinds of values, and numpy's."""

from typing import Any

import numpy as np

DATATYPES: dict[str, "np.dtype[Any]"] = {
    "BOOL": np.dtype(np.bool_),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(np.object_),
}
"""BYTES stands for texts: object arrays of ``str``. Everything is little-endian, as on the wire."""

_NAMES = {dtype: name for name, dtype in DATATYPES.items()}


def datatype_of(dtype: "np.dtype[Any]") -> str:
    """The protocol's name for a numpy dtype; texts of any width are BYTES.

    Raises:
        KeyError: the protocol has no such numbers.
    """
    return "BYTES" if dtype.kind in "OUS" else _NAMES[dtype]
