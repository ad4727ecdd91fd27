"""Whether the request of this thread may wait for others: ``bulk`` work gives way to people who wait for an answer.

As with ``deadlines``, a door says it once and whatever queues asks.
"""

from contextvars import ContextVar

_bulk: ContextVar[bool] = ContextVar("bulk", default=False)


def begin(bulk: bool) -> None:
    """Say it for the request that begins on this thread."""
    _bulk.set(bulk)


def is_bulk() -> bool:
    """True when others go first."""
    return _bulk.get()
