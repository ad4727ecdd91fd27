"""By when the request of this thread must have its answer, on the monotonic clock.

A door sets it, whatever waits or starts work asks it; work whose deadline has passed is not begun. One thread answers
one request, so a context variable carries it past layers that have no business with it.
"""

from contextvars import ContextVar
from time import monotonic

from app.errors import DeadlineExceeded

_clock: ContextVar[tuple[float, float | None] | None] = ContextVar("clock", default=None)
"""When the request came, and when its answer is due."""


def begin(seconds: float | None, came: float | None = None) -> None:
    """Start the clock of a request that came at ``came`` (default: now) and may take ``seconds``; None: forever.

    Every door does this for every request: a thread that goes on to the next one must not keep the last one's.
    """
    start = monotonic() if came is None else came
    _clock.set((start, None if seconds is None else start + seconds))


def default(seconds: float) -> None:
    """Bound the current request by ``seconds`` from its arrival when its caller did not say."""
    clock = _clock.get()
    if clock is None or clock[1] is None:
        begin(seconds, None if clock is None else clock[0])


def arrived() -> float | None:
    """The moment the request came, None outside of requests."""
    clock = _clock.get()
    return None if clock is None else clock[0]


def current() -> float | None:
    """The moment the answer is due, None when it may take forever."""
    clock = _clock.get()
    return None if clock is None else clock[1]


def left() -> float | None:
    """Seconds until then; negative when it is over."""
    due = current()
    return None if due is None else due - monotonic()


def check() -> None:
    """Raise DeadlineExceeded when it is too late to begin anything."""
    clock = _clock.get()
    if clock is not None and clock[1] is not None and monotonic() >= clock[1]:
        raise DeadlineExceeded(monotonic() - clock[0])
