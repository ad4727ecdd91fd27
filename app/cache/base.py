"""What a tier stores and how it is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.cache.tally import Tally
from app.tensors import Array

RowOutputs = Mapping[str, Array]
"""The outputs of one row: ONNX output name -> array whose first axis has length 1."""

OVERHEAD_BYTES = 560
"""What an entry takes beside its arrays in tier 1: key, dicts, places in them. From tracemalloc, rounded up."""

_ARRAY_BYTES = 120


@dataclass(frozen=True, slots=True)
class Entry:
    """One remembered row. ``stored_at`` is Unix time in seconds, ``cost_s`` what a row's computing took then."""

    outputs: RowOutputs
    stored_at: float
    cost_s: float

    @property
    def size(self) -> int:
        """Bytes of memory it holds, near enough to bound them."""
        return OVERHEAD_BYTES + sum(map(_size, self.outputs.values()))


class Tier(Protocol):
    """A store of entries by key. Absence and damage read as a miss."""

    @property
    def up(self) -> bool:
        """False while asking would be in vain."""
        ...

    def get_many(self, keys: Sequence[bytes], tally: Tally) -> list[Entry | None] | None:
        """The entries in the order of the keys, one round trip at most; None when the store turns out to be away."""
        ...

    def put_many(self, entries: Mapping[bytes, Entry], ttl: float, tally: Tally) -> None:
        """Remember for about ``ttl`` seconds, on the account of one model version. Never blocks on the network."""
        ...


def _size(array: Array) -> int:
    if array.dtype.kind != "O":
        return _ARRAY_BYTES + array.nbytes
    return _ARRAY_BYTES + array.nbytes + sum(49 + len(item.encode("utf-8", "surrogatepass")) for item in array.flat)
