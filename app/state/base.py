"""The interface of shared state, and how it says that it is away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.errors import SluiceError


class StateUnavailable(SluiceError):
    """Shared state cannot be reached or will not take the write. Callers go on by their stated policy."""

    kind = "state-unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Shared state is away ({reason}); try again when /health/ready says that it is up.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Grant:
    """What a take was given: ``units`` (0: too few were left), how many remain for anybody, and until when."""

    units: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Document:
    """A small text with the number of times it was written."""

    generation: int
    text: str


class State(Protocol):
    """Named tables that every worker shares: of numbers to add to, and of records to replace.

    Besides, small documents that one writer at a time replaces, windows to take units from, and leases.

    ``shared`` is False for the embedded default, whose tables are those of one worker.
    """

    shared: bool

    def add(self, table: str, deltas: Mapping[str, float]) -> None:
        """Add each number to its field, creating it at 0.

        Raises:
            StateUnavailable: it may yet be added, when the answer was all that was lost.
        """
        ...

    def numbers(self, table: str) -> dict[str, float]:
        """Every number of a table; empty when there is none. Fields that hold something else are taken away.

        Raises:
            StateUnavailable
        """
        ...

    def put(self, table: str, records: Mapping[str, bytes]) -> None:
        """Set fields of a table of records.

        Raises:
            StateUnavailable
        """
        ...

    def records(self, table: str) -> dict[str, bytes]:
        """Every record of a table; empty when there is none.

        Raises:
            StateUnavailable
        """
        ...

    def remove(self, table: str, fields: Sequence[str] | None = None) -> None:
        """Forget some fields of a table, or all of it.

        Raises:
            StateUnavailable
        """
        ...

    def take(self, key: str, need: int, want: int, limit: int, seconds: int) -> Grant:
        """Take between ``need`` and ``want`` of ``limit`` units from the window of ``seconds`` open under a key.

        The window opens with the first unit. Exact: over all callers never more than ``limit`` in a window.

        Raises:
            StateUnavailable
        """
        ...

    def documents(self, kind: str) -> dict[str, Document]:
        """Every document of a kind, by name.

        Raises:
            StateUnavailable
        """
        ...

    def swap(self, kind: str, name: str, generation: int, text: str) -> Document | None:
        """Replace a document that is still at ``generation`` (0: does not exist yet); None when it is not any more.

        Raises:
            StateUnavailable
        """
        ...

    def restore(self, kind: str, name: str, document: Document) -> bool:
        """Put back a document that the store has lost, or has an earlier generation of; whether it had.

        Raises:
            StateUnavailable
        """
        ...

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Whether ``holder`` has the lease now, taken or renewed for ``seconds``. Writes are fenced by ``swap``.

        Raises:
            StateUnavailable
        """
        ...

    def health(self) -> str:
        """``up``, ``down`` or ``read-only``, for ``/health/ready`` and the gauges."""
        ...
