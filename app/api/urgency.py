"""What a caller says about time: ``X-Request-Timeout`` and ``X-Priority``."""

import re
from collections.abc import Mapping
from typing import Any

from app import deadlines, priority
from app.errors import InvalidInput, Overloaded, clip

ARRIVED = "sluice.arrived"
"""Where the worker leaves the moment the request reached it; a ``monotonic`` reading."""

REFUSED = "sluice.refused"
"""Where the worker leaves True when there is no room for this request, and it could not say so itself."""

LONGEST_S = 3600.0

_FORM = re.compile(r"(\d{1,7}(?:\.\d{1,9})?)(ms|s)?", re.ASCII).fullmatch
_BULK = {"bulk": True, "interactive": False}


def begin_clock(environ: Mapping[str, Any], seconds: float | None = None) -> None:
    """Start the current request's clock, from the moment it reached the worker.

    ``seconds`` is the deadline of callers that name none.

    Raises:
        InvalidInput: a header says something else than a time or a priority.
        DeadlineExceeded: it waited too long already.
        Overloaded: the worker has more to do than it can.
    """
    if environ.get(REFUSED):
        raise Overloaded(1.0)
    timeout, word = environ.get("HTTP_X_REQUEST_TIMEOUT"), environ.get("HTTP_X_PRIORITY")
    came = environ.get(ARRIVED)
    deadlines.begin(seconds, came)
    priority.begin(False)
    if word is not None:
        priority.begin(_read_priority(word))
    if timeout is not None:
        deadlines.begin(read_timeout(timeout), came)
        deadlines.check()


def read_timeout(text: str) -> float:
    """Seconds.

    Raises:
        InvalidInput: names the header.
    """
    found = _FORM(text.strip())
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0
    if not 0 < seconds <= LONGEST_S:
        message = f"'{clip(text)}' is no time; send seconds (0.5) or milliseconds (500ms), at most {LONGEST_S:.0f} s"
        raise InvalidInput({"X-Request-Timeout": [message]})
    return seconds


def _read_priority(text: str) -> bool:
    try:
        return _BULK[text.strip().lower()]
    except KeyError:
        raise InvalidInput({"X-Priority": [f"'{clip(text)}' is neither interactive nor bulk"]}) from None
