"""When to ask again, and when to stop.

Asked again is what may succeed and does no harm: 429, 503 and connections that fail. A prediction changes nothing on
the server, and every attempt carries the same request id. Waits grow and are drawn at random, so that callers who were
turned away together do not come back together; what the server says in Retry-After is the least that is waited.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from random import uniform
from time import time

RETRIED = frozenset({429, 503})


@dataclass(frozen=True)
class Retries:
    """``attempts`` in all (1: never again) within ``total`` seconds of the first; waits grow from ``base`` to ``cap``.

    Of such a wait a random part is waited, and what the server asked for is added.
    """

    attempts: int = 4
    total: float = 30.0
    base: float = 0.2
    cap: float = 5.0

    def wait(self, failures: int, elapsed: float, retry_after: float | None = None) -> float | None:
        """Seconds until the next attempt after so many failures, None when there shall be none."""
        if failures >= self.attempts:
            return None
        seconds = uniform(0.0, min(self.cap, self.base * 2.0 ** (failures - 1)))  # noqa: S311 - no secret
        if retry_after is not None:
            seconds += retry_after
        return seconds if elapsed + seconds < self.total else None


NEVER = Retries(attempts=1)


def read_retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header: a number of them, or a date. None when there is none that can be read."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time())
