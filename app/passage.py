"""The number of this thread's request: a trusted proxy sends the same one whenever it tries the same request again.

A proxy asks a second worker when the first was killed before it answered. By this number whoever counts something knows
that it is the same request. None where no trusted proxy sent one: a caller that tries again makes a new request.
"""

import re
from contextvars import ContextVar

_well_formed = re.compile(r"[0-9a-f]{32}").fullmatch
_number: ContextVar[str | None] = ContextVar("passage", default=None)


def begin(number: str | None) -> None:
    """Set it for the request that begins on this thread; anything that nginx would not have written counts as none."""
    _number.set(number if number and _well_formed(number) else None)


def current() -> str | None:
    """The number of the request of this thread."""
    return _number.get()
