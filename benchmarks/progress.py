"""How far a run is and how long it still takes, a line at a time on stderr."""

import sys
import time

START_S = 4.0
"""What starting a server is taken to cost before anything is known."""


class Progress:
    """Counts planned seconds; the pace so far says what is left."""

    def __init__(self, contenders: int, rounds: int, seconds: int, warm_up_s: int) -> None:
        self._planned = contenders * (START_S + warm_up_s + rounds * seconds)
        self._passed = 0.0
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        """One line, with how far it is."""
        share = self._passed / self._planned if self._planned else 1.0
        bar = "#" * round(20 * share)
        print(f"[{bar:<20}] {self._left()}  {line}", file=sys.stderr, flush=True)

    def started(self) -> None:
        """One server more is started."""
        self.passed(START_S)

    def passed(self, seconds: float) -> None:
        """So much of the plan is done."""
        self._passed += seconds

    def _left(self) -> str:
        pace = (time.monotonic() - self._began) / self._passed if self._passed else 1.0
        left = max(0.0, (self._planned - self._passed) * pace)
        return f"{left / 60:4.1f} min left"
