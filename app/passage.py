"""The number that a trusted proxy gave to the request of this thread: the same however often it asks for an answer.

A proxy asks a second worker when the first was killed before it answered. Whoever counts something can know by this
number that it is the same request. None when nobody gave one: whoever calls directly asks again by a new request.
"""

import re
from contextvars import ContextVar

_well_formed = re.compile(r"[0-9a-f]{32}").fullmatch
_number: ContextVar[str | None] = ContextVar("passage", default=None)


def begin(number: str | None) -> None:
    """Say it for the request that begins on this thread; one that is not formed as nginx forms them is none."""
    _number.set(number if number and _well_formed(number) else None)


def current() -> str | None:
    """The number of the request of this thread."""
    return _number.get()
