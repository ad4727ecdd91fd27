"""Who goes first: ``bulk`` requests give way to people who wait for an answer, and work beside requests to all of them.

As with ``deadlines``, a door says it once and whatever queues asks.
"""

import os
from contextlib import suppress
from contextvars import ContextVar
from threading import get_native_id

_NICENESS = 10

_bulk: ContextVar[bool] = ContextVar("bulk", default=False)


def begin(bulk: bool) -> None:
    """Say it for the request that begins on this thread."""
    _bulk.set(bulk)


def is_bulk() -> bool:
    """True when others go first."""
    return _bulk.get()


def give_way() -> None:
    """From now on this thread gets what the threads of requests leave; there is no way back."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICENESS)
