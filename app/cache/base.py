"""What a tier stores and how it is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.tensors import Array

RowOutputs = Mapping[str, Array]
"""The outputs of one row: ONNX output name -> array whose first axis has length 1."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One remembered row. ``stored_at`` is Unix time in seconds; an age is the same on every machine."""

    outputs: RowOutputs
    stored_at: float


class Tier(Protocol):
    """A store of entries by key. Absence, corruption and an unreachable store all read as a miss."""

    def get_many(self, keys: Sequence[bytes]) -> list[Entry | None]:
        """The entries in the order of the keys; one round trip at most."""
        ...

    def put_many(self, entries: Mapping[bytes, Entry], ttl: float, owner: str) -> None:
        """Remember for about ``ttl`` seconds, on the account of one model version. Never blocks on the network."""
        ...

    def figures(self, owner: str) -> dict[str, float]:
        """What ``/cache-stats`` shows of this tier: entries, bytes, evictions, dropped writes."""
        ...
