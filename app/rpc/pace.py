"""Which calls are so quick that handing them to a thread would cost more than they do.

A hand-over and back takes some 100 us, as much as a whole prediction of a small model. So calls are timed by what they
are about, and those that usually take less than ``QUICK_S`` are answered where they arrive, on the event loop. The loop
is never held for long: a call with a long message always goes to a thread, and when the calls of a kind begin to take
longer (a Redis that stalls counts as much as a model that grew) the kind goes back to the threads for a while.
"""

from collections.abc import Hashable
from time import monotonic

QUICK_S = 0.001
SHORT_BYTES = 4096
"""Messages up to this length may be answered on the loop: one row, or a few."""

_SHARE = 0.1
_BARRED_S = 5.0


class Pace:
    """Moving averages by kind of call; used on the loop alone."""

    def __init__(self) -> None:
        self._usual: dict[Hashable, float] = {}
        self._barred: dict[Hashable, float] = {}

    def quick(self, kind: Hashable) -> bool:
        """Whether calls of a kind are known to be quick."""
        return self._usual.get(kind, QUICK_S) < QUICK_S and self._barred.get(kind, 0.0) <= monotonic()

    def took(self, kind: Hashable, seconds: float, on_loop: bool) -> None:
        """Learn from a call that was answered: how long it held the loop, or how long it would have."""
        usual = self._usual.get(kind, seconds)
        self._usual[kind] = usual = usual + _SHARE * (seconds - usual)
        if on_loop and usual >= QUICK_S:
            self._barred[kind] = monotonic() + _BARRED_S
