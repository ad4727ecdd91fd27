"""Rounding where the manifest allows it: inputs that differ by less than anybody cares about become one input.

The tensor itself is rounded, so an answer is the same whether it was remembered or computed. ``-0.0`` comes out as
``0.0``. A number too large for its dtype to hold that many decimals stays as it is.
"""

from collections.abc import Sequence

import numpy as np

from app.registry.manifest import Feature
from app.tensors import Array, Feed


class Rounding:
    """Compiled once per loaded version; ``bool`` tells whether there is anything to do."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._decimals: dict[str, list[int | None]] = {}
        for feature in features:
            self._decimals.setdefault(feature.input, []).append(feature.decimals)
        self._decimals = {
            name: wanted for name, wanted in self._decimals.items() if any(decimals is not None for decimals in wanted)
        }

    def __bool__(self) -> bool:
        return bool(self._decimals)

    def apply(self, feed: Feed) -> Feed:
        """A feed like this one with the features rounded that are to be."""
        return feed | {name: _rounded_columns(feed[name], wanted) for name, wanted in self._decimals.items()}


def rounded(array: Array, decimals: int) -> Array:
    """Each value to that many decimals, ties to even, calculated in double precision."""
    scale = 10.0**decimals
    wide = array.astype(np.float64)
    with np.errstate(over="ignore"):
        scaled = wide * scale
    fine = np.abs(scaled) < 2.0 ** (np.finfo(array.dtype).nmant - 1)
    made: Array = np.where(fine, np.rint(scaled) / scale, wide) + 0.0
    return made.astype(array.dtype)


def _rounded_columns(array: Array, wanted: Sequence[int | None]) -> Array:
    """``wanted`` has one entry per feature; a lone feature may have any shape, several are columns of a matrix."""
    if array.dtype.kind != "f":
        return array
    if len(wanted) == 1:
        return array if wanted[0] is None else rounded(array, wanted[0])
    made = array.copy()
    for decimals in {item for item in wanted if item is not None}:
        columns = [at for at, item in enumerate(wanted) if item == decimals]
        made[:, columns] = rounded(made[:, columns], decimals)
    return made
