"""What waits for an engine: calls, oldest first, those that may wait behind those that may not."""

from collections import deque
from threading import Event
from time import monotonic
from typing import Any

from app import deadlines, priority
from app.errors import DeadlineExceeded
from app.runtimes.base import RuntimeFailed
from app.tensors import Feed

PATIENCE_S = 1.0
"""How long a bulk call lets others pass: so it is slow under load, but never starved."""


class Call:
    """One caller's rows, waiting or running. ``kind`` is equal for calls whose rows can be laid end to end.

    ``batch`` is set when this caller's own thread is to run it; ``done`` then, or when there is an outcome.
    ``follower`` is woken by this caller's thread: were all of a batch woken at once, all would only wait for each other
    to let go of the interpreter, and be woken for that again and again.
    """

    __slots__ = (
        "_error", "_outputs", "arrived", "batch", "bulk", "deadline", "done", "feed", "follower", "kind", "queued",
        "rows",
    )  # fmt: skip

    def __init__(self, feed: Feed, rows: int) -> None:
        self.feed = feed
        self.rows = rows
        self.kind = tuple((name, array.dtype, array.shape[1:]) for name, array in feed.items())
        self.queued = monotonic()
        self.arrived = deadlines.arrived() or self.queued
        self.deadline = deadlines.current()
        self.bulk = priority.is_bulk()
        self.done = Event()
        self.batch: list[Call] | None = None
        self.follower: Call | None = None
        self._outputs: list[Any] | None = None
        self._error: Exception | None = None

    def succeed(self, outputs: list[Any]) -> None:
        """These are its rows' outputs."""
        self._outputs = outputs

    def fail(self, error: Exception) -> None:
        """It has none; ``error`` is raised where it is waited for."""
        self._error = error

    def lapsed(self, now: float) -> bool:
        """Whether it is too late to begin; it has then failed."""
        if self.deadline is None or now < self.deadline:
            return False
        self._error = DeadlineExceeded(now - self.arrived)
        return True

    def pass_on(self) -> None:
        """Wake the next caller of its batch, if any."""
        if self.follower is not None:
            self.follower.done.set()

    def result(self) -> list[Any]:
        """The outputs.

        Raises:
            RuntimeFailed, DeadlineExceeded: or whatever else befell it.
        """
        error, self._error = self._error, None  # its traceback will hold this call: a circle, with the rows inside
        if error is not None:
            try:
                raise error
            finally:
                del error
        if self._outputs is None:
            raise RuntimeFailed("the run was broken off")
        return self._outputs


class Backlog:
    """Not for several threads at once. Calls that have lapsed are told so when their turn comes.

    ``latest`` is when the last of them came.
    """

    def __init__(self) -> None:
        self._lines: tuple[deque[Call], deque[Call]] = (deque(), deque())
        self._rows = [0, 0]
        self.latest = 0.0

    @property
    def rows(self) -> int:
        """Of all that wait."""
        return self._rows[0] + self._rows[1]

    def rows_before(self, call: Call) -> int:
        """Of all that would run before a call that came now."""
        return self.rows if call.bulk else self._rows[0]

    def put(self, call: Call) -> None:
        """The last of its line."""
        self._lines[call.bulk].append(call)
        self._rows[call.bulk] += call.rows
        self.latest = call.queued

    def drop(self, call: Call) -> bool:
        """Take one out wherever it stands; whether it was there."""
        try:
            self._lines[call.bulk].remove(call)
        except ValueError:
            return False
        self._rows[call.bulk] -= call.rows
        return True

    def next_batch(self, room: int) -> list[Call]:
        """The call whose turn it is, and of its kind as many more as fit in ``room`` rows; empty when nobody waits."""
        now = monotonic()
        while (line := self._line(now)) is not None:
            call = line.popleft()
            self._rows[call.bulk] -= call.rows
            if not self._told(call, now):
                return [call, *self.more(call.kind, room - call.rows)]
        return []

    def more(self, kind: Any, room: int) -> list[Call]:
        """Calls of one kind, as many as fit. None of them overtakes another of its line."""
        now = monotonic()
        taken: list[Call] = []
        for line in self._lines:
            room = _move(line, taken, kind, room, now) if room > 0 else 0
        for call in taken:
            self._rows[call.bulk] -= call.rows
        return [call for call in taken if not self._told(call, now)]

    def _line(self, now: float) -> deque[Call] | None:
        prompt, bulk = self._lines
        if bulk and (not prompt or now - bulk[0].queued > PATIENCE_S):
            return bulk
        return prompt or None

    def _told(self, call: Call, now: float) -> bool:
        lapsed = call.lapsed(now)
        if lapsed:
            call.done.set()
        return lapsed


def _move(line: deque[Call], taken: list[Call], kind: Any, room: int, now: float) -> int:
    """From the line to ``taken``: those that fit, and those that have lapsed; the room that is left."""
    passed: list[Call] = []
    while line and room > 0:
        call = line.popleft()
        late = call.deadline is not None and call.deadline <= now
        if late or (call.kind == kind and call.rows <= room):
            taken.append(call)
            room -= 0 if late else call.rows
            continue
        passed.append(call)
        if call.kind == kind:
            room = 0
    line.extendleft(reversed(passed))
    return room
