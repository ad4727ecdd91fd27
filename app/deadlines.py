"""By when the request of this thread must have its answer, on the monotonic clock.

A door sets it, whatever waits or starts work asks it; work whose deadline has passed is not begun. One thread answers
one request, so a context variable carries it past layers that have no business with it.
"""

from contextvars import ContextVar
from time import monotonic

from app.errors import DeadlineExceeded

_deadline: ContextVar[tuple[float, float] | None] = ContextVar("deadline", default=None)


def begin(seconds: float | None, arrived: float | None = None) -> None:
    """Start the clock of a request that came at ``arrived`` (default: now) and may take ``seconds``; None: forever."""
    start = monotonic() if arrived is None else arrived
    _deadline.set(None if seconds is None else (start, start + seconds))


def shorten(seconds: float) -> None:
    """Bound the current request by ``seconds`` from its arrival; a deadline can only come nearer."""
    current = _deadline.get()
    if current is None:
        begin(seconds)
    elif current[0] + seconds < current[1]:
        _deadline.set((current[0], current[0] + seconds))


def current() -> float | None:
    """The moment the answer is due, None when it may take forever."""
    pair = _deadline.get()
    return None if pair is None else pair[1]


def arrived() -> float | None:
    """The moment the request came, None when it has no deadline."""
    pair = _deadline.get()
    return None if pair is None else pair[0]


def left() -> float | None:
    """Seconds until then; negative when it is over."""
    pair = _deadline.get()
    return None if pair is None else pair[1] - monotonic()


def check() -> None:
    """Raise DeadlineExceeded when it is too late to begin anything."""
    pair = _deadline.get()
    if pair is not None and monotonic() >= pair[1]:
        raise DeadlineExceeded(monotonic() - pair[0])
