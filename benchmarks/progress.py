"""How far a run is and how long it still takes, a line at a time on stderr."""

import sys
import time

START_S = 4.0
"""What starting and stopping a server is taken to cost before one has been."""


class Progress:
    """Windows take what they are planned to take; what else passes is what each start costs, and is learnt."""

    def __init__(self, contenders: int, rounds: int, seconds: int, warm_up_s: int) -> None:
        self._starts = contenders
        self._load_s = contenders * (warm_up_s + rounds * seconds)
        self._started = 0
        self._loaded_s = 0
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        """One line, with how far it is."""
        each = self._each_start_s()
        done = self._loaded_s + self._started * each
        left = max(0.0, self._load_s + self._starts * each - done)
        bar = "#" * round(20 * done / (done + left)) if done + left else ""
        print(f"[{bar:<20}] {left / 60:4.1f} min left  {line}", file=sys.stderr, flush=True)

    def started(self) -> None:
        """One server more is started, or never will be."""
        self._started += 1

    def loaded(self, seconds: int) -> None:
        """So many seconds of load are over."""
        self._loaded_s += seconds

    def _each_start_s(self) -> float:
        passed = time.monotonic() - self._began - self._loaded_s
        return max(0.0, passed) / self._started if self._started else START_S
