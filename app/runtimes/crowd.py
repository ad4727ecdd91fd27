"""How many callers a batch waits for: those who were answered together will soon ask again, about together.

A batch that leaves with the first of them makes all the others wait for a second run. So it waits for the next caller
as long as that costs less than the second run would. Nobody waits on an idle server, nor for callers who turn out to
be gone.
"""

from time import monotonic

from app.runtimes.fit import Fit

FADES = 0.9
"""How fast it is forgotten that more came together, per batch."""


class Crowd:
    """Rows that come together, and when the last of them were done. Used under the batcher's lock."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self._rows = 0.0
        self._ended = 0.0

    def seen(self, rows: int) -> None:
        """A run ended; so many rows were in it or waited meanwhile."""
        self._rows = max(FADES * self._rows, float(rows))
        self._ended = monotonic()

    def stayed_away(self, rows: int) -> None:
        """Nobody came while others were waited for: these rows are all there are."""
        self._rows = float(rows)

    def expected(self, rows: int, most: int) -> int:
        """How many rows are to be in a batch that has so many and may have ``most``; on an idle server none more."""
        together = max(rows, min(most, int(self._rows)))
        return together if monotonic() - self._ended <= self._fit.seconds(together) else rows

    def pause(self, rows: int, more: int) -> float:
        """Seconds to wait for the next of ``more`` rows: what is saved when they run with these and not after them."""
        return self._fit.effort(rows) + self._fit.effort(more) - self._fit.effort(rows + more)
