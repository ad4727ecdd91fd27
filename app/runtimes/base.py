"""What the rest of the server knows of an engine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.tensors import Feed


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output as the file declares it.

    ``shape`` holds an int for a fixed axis and None for a free one; the first axis is the row.
    ``dtype`` is a name from ``tensors.NUMPY_DTYPES``, or ``map`` for a list of label -> probability mappings.
    ``axes`` are what the file calls its axes, empty where it calls none; those of one name are of one length.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    axes: tuple[str, ...] = ()


class Runtime(Protocol):
    """A loaded model. Thread-safe; holds no state between calls.

    ``clock`` tells in seconds what its runs cost, however busy the machine is: processor time of the calling thread,
    where that does all the work, or else the time that passes.
    """

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    metadata: Mapping[str, str]
    clock: Callable[[], float]

    @property
    def queued_rows(self) -> int:
        """Rows that wait for the engine now."""
        ...

    def learn(self, rows: Feed) -> None:
        """Warm up with rows that it is known to take, and measure; called once, before the model serves."""
        ...

    def run(self, feed: Feed) -> list[Any]:
        """Outputs in the order of ``outputs``: arrays, or lists of mappings where the dtype is ``map``.

        Raises:
            RuntimeFailed: the engine would not compute these inputs.
        """
        ...


class RuntimeFailed(Exception):
    """The engine's own words on why it would not load a file or compute an input. For the log, not for callers."""
