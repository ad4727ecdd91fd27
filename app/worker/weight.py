"""A worker that has grown too heavy goes, and a fresh one takes its place.

Memory that is not given back (fragments, a library that leaks) otherwise ends with the kernel killing something.
"""

from time import monotonic

from app.telemetry.memory import memory

LOOK_S = 1.0
"""How often to look; a look takes some tens of microseconds."""

HEADROOM = 1.25
"""A limit below this times what a fresh worker has would only replace workers for ever; then this is the limit."""


class Weight:
    """One worker's own memory against ``limit_bytes``; 0 is no limit."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit = max(limit_bytes, int(HEADROOM * memory().own)) if limit_bytes else 0
        self._look_at = 0.0
        self._heavy = False

    def too_much(self) -> bool:
        """Whether there is more than the limit, as of the last look."""
        now = monotonic()
        if self.limit and now >= self._look_at:
            self._look_at = now + LOOK_S
            self._heavy = memory().own > self.limit
        return self._heavy
