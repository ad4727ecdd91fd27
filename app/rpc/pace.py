"""Which calls are so quick that handing them to a thread would cost more than they do.

A hand-over and back takes some 100 us, as much as a whole prediction of a small model. So calls are timed by what they
are about, and those that usually take less than ``QUICK_S`` are answered where they arrive, on the event loop. The loop
is never held for long: a call with a long message always goes to a thread, and when the calls of a kind begin to take
longer (a Redis that stalls counts as much as a model that grew) the kind goes back to the threads for a while. One slow
call among quick ones is no reason: on a busy machine anybody loses the processor for some milliseconds now and then.
"""

from collections.abc import Callable, Hashable
from resource import RUSAGE_THREAD, getrusage
from time import monotonic, perf_counter, thread_time

QUICK_S = 0.001
SHORT_BYTES = 4096
"""Messages up to this length may be answered on the loop: one row, or a few."""

_SHARE = 0.1
_MOST_S = 6 * QUICK_S
"""What one call counts at most: so that one does not make its kind slow, and two behind each other do."""

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
        self._usual[kind] = usual = usual + _SHARE * (min(seconds, _MOST_S) - usual)
        if on_loop and usual >= QUICK_S:
            self._barred[kind] = monotonic() + _BARRED_S


def held(work: Callable[[], bytes]) -> tuple[bytes, float]:
    """With how long it kept this thread: all the time if it waited for anything, the processor time if it never did.

    What a busy machine takes away from the thread in between is not the work's fault either. The times of ``getrusage``
    are those of the last tick of the system, up to 4 ms ago, and so only its count of waits is used.
    """
    waits, started, before = getrusage(RUSAGE_THREAD).ru_nvcsw, perf_counter(), thread_time()
    answer = work()
    worked, gone = thread_time() - before, perf_counter() - started
    return answer, worked if getrusage(RUSAGE_THREAD).ru_nvcsw == waits else gone
