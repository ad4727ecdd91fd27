"""Denials on their way to the audit log: every one is told, a flood of them in few lines.

In each second the first denial of a caller to do something for a reason has a line of its own. Those that follow are
counted, and the count has a line once the second is over: ``repeated``. So the lines that have no such number, and the
numbers, add up to what was denied, while a flood fills no disk. Of one worker; what it has counted when it is killed is
lost with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, Thread
from time import monotonic, sleep

WINDOW_S = 1.0

MOST = 100
"""Lines of their own in one window; all other denials are counted together."""


@dataclass(frozen=True, slots=True)
class Denied:
    """What was denied to whom, and why; ``address`` is a household's."""

    action: str
    subject: str
    address: str
    reason: str


OTHERS = Denied("any", "others", "", "any")

Tell = Callable[[Denied, int], None]


class Denials:
    """Counts; ``tell`` is called for each number there is at the end of a window."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._repeated: dict[Denied, int] = {}
        self._ends = 0.0
        self._guard = Lock()
        self._watching = False

    def note(self, denied: Denied) -> bool:
        """Count one; whether it is the first of its kind, which has a line of its own."""
        self._end_window(monotonic())
        with self._guard:
            first = denied not in self._repeated
            if first and len(self._repeated) >= MOST:
                denied, first = OTHERS, False
            self._repeated[denied] = self._repeated.get(denied, -1 if first else 0) + 1
            if not first and not self._watching:
                self._watching = True
                Thread(target=self._watch, name="denials", daemon=True).start()
        return first

    def flush(self) -> None:
        """Tell what has been counted."""
        self._end_window(float("inf"))

    def _end_window(self, now: float) -> None:
        with self._guard:
            if now < self._ends:
                return
            ended, self._repeated = self._repeated, {}
            self._ends = min(now, monotonic()) + WINDOW_S
        for denied, repeated in ended.items():
            if repeated:
                self._tell(denied, repeated)

    def _watch(self) -> None:
        """So that a number is told soon, also when nobody is denied any more."""
        while True:
            sleep(WINDOW_S)
            self._end_window(monotonic())
            with self._guard:
                if not any(self._repeated.values()):
                    self._watching = False
                    return
