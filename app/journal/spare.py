"""Whether a worker has time to spare for what nobody waits for."""

import os
from collections import deque
from time import monotonic, process_time, thread_time

REST_S = 0.0005
"""How long nothing was computed when a moment is quiet: the last answer has been written and sent by then."""

BUSY = 0.5
"""Share of their processors that requests take when there is none to spare: above, all that is added delays them."""

WINDOW_S = 0.02


class InFlight:
    """Requests that are being answered, cheap enough to be kept for each: all that is done with the deque is atomic."""

    __slots__ = ("_ended", "_marks")

    def __init__(self) -> None:
        self._marks: deque[None] = deque()
        self._ended = 0.0

    def __enter__(self) -> None:
        self._marks.append(None)

    def __exit__(self, *_: object) -> None:
        self._ended = monotonic()
        self._marks.pop()

    def rests(self) -> bool:
        """Whether there are none, and their last answer is out."""
        return not self._marks and monotonic() - self._ended > REST_S


class Load:
    """What the other threads of this process take of the processors that the calling thread may use. For one thread."""

    def __init__(self) -> None:
        self._cores = len(os.sched_getaffinity(0))
        self._began = monotonic()
        self._used = process_time() - thread_time()
        self._share = 0.0

    def high(self) -> bool:
        """Whether that was too much in the last window."""
        now = monotonic()
        if now - self._began >= WINDOW_S:
            used = process_time() - thread_time()
            self._share = (used - self._used) / (now - self._began) / self._cores
            self._began, self._used = now, used
        return self._share > BUSY
