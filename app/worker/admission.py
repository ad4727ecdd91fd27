"""Who gets a thread next, who waits for one, and who is refused.

A queue that never empties serves nobody: everyone in it waits, and in the end for nothing. So the number that may wait
adapts. While in every tenth of a second somebody gets a thread at once, or soon, the queue only smooths bursts, and
grows when somebody had to be refused. When even the luckiest waited longer than ``TARGET_S`` (and than twice what the
work itself takes), window after window, more comes than can be done, and the queue shrinks: additive increase,
multiplicative decrease, on the signal that CoDel uses for packets. As many as there are threads may always wait; they
are served while those before them leave.

Used by the worker's loop only; nothing here is for several threads.
"""

from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import Any

TARGET_S = 0.1
WINDOW_S = 0.1
PERSISTENT = 3
"""Windows in a row until it is overload, and no hiccup of the machine."""

MOST = 1024
_SHRINK = 0.7
_GROW = 2
_MEMORY = 0.95
PATIENCE_S = 1.0
"""How long bulk work lets others pass."""


class Admission:
    """The queue of one worker. ``room`` is how many may wait; ``handed`` how many have a thread."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.handed = 0
        self.room = float(4 * threads)
        self._lines: tuple[deque[Any], deque[Any]] = (deque(), deque())
        self._luckiest: float | None = None
        self._was_full = False
        self._slow_windows = 0
        self._latest = 0.0
        self._work_s = 0.0
        self._until = monotonic() + WINDOW_S

    @property
    def free(self) -> bool:
        """Whether a request can have a thread at once, and nobody is before it."""
        return self.handed < self.threads and not (self._lines[0] or self._lines[1])

    @property
    def waiting(self) -> int:
        """Requests that have no thread yet."""
        return len(self._lines[0]) + len(self._lines[1])

    def join(self, conn: Any, bulk: bool, seconds: float | None) -> bool:
        """Queue a connection; False when it must be refused: no room (bulk work may take half of it), or no time.

        ``seconds`` is how long it has, None for ever. What cannot be answered by then would only be in the way.
        """
        if not self.has_room(bulk) or self._in_vain(seconds):
            return False
        self._lines[bulk].append(conn)
        return True

    def has_room(self, bulk: bool) -> bool:
        """Whether one more may wait."""
        room = self.waiting < self.room / (2 if bulk else 1)
        self._was_full |= not room
        return room

    def take(self) -> None:
        """Count a thread as taken."""
        self.handed += 1

    def give_back(self, seconds: float) -> None:
        """Count a thread as free again, after so much work."""
        self.handed -= 1
        self._work_s = _MEMORY * self._work_s + (1 - _MEMORY) * seconds

    def called_up(self) -> Iterator[Any]:
        """Those who get a thread now: interactive first, each in the order they came."""
        while self.handed < self.threads and (line := self._line()):
            conn = line.popleft()
            waited = monotonic() - conn.arrived
            self._latest = waited
            if self._luckiest is None or waited < self._luckiest:
                self._luckiest = waited
            yield conn

    def turn(self, now: float) -> None:
        """Adapt ``room`` when a window has ended; called at every turn of the loop."""
        if now < self._until:
            return
        slow = self._luckiest is not None and self._luckiest > max(TARGET_S, 2 * self._work_s)
        self._slow_windows = self._slow_windows + 1 if slow else 0
        if self._slow_windows >= PERSISTENT:
            self.room = max(self.threads, min(self.room, self.waiting + 1) * _SHRINK)
        elif self._was_full:
            self.room = min(MOST, self.room + _GROW)
        self._luckiest, self._was_full, self._until = None, False, now + WINDOW_S

    def _in_vain(self, seconds: float | None) -> bool:
        return seconds is not None and self.waiting > 0 and self._latest + self._work_s > seconds

    def _line(self) -> deque[Any] | None:
        prompt, bulk = self._lines
        if bulk and (not prompt or monotonic() - bulk[0].arrived > PATIENCE_S):
            return bulk
        return prompt or None
