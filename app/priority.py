"""Who goes first: ``bulk`` requests give way to interactive ones, and background work gives way to both.

As with ``deadlines``, a door sets it once per request and every queue reads it.
"""

import os
from contextlib import suppress
from contextvars import ContextVar
from threading import get_native_id

_NICENESS = 10

_bulk: ContextVar[bool] = ContextVar("bulk", default=False)


def begin(bulk: bool) -> None:
    """Set it for the request that begins on this thread."""
    _bulk.set(bulk)


def is_bulk() -> bool:
    """True when others go first."""
    return _bulk.get()


def give_way() -> None:
    """Lower the calling thread's priority, for good: it gets the processor time that request threads leave."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICENESS)
