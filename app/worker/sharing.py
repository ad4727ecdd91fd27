"""One worker's share of the connections.

All workers wait on one socket, and whoever wakes first takes a connection; now and then that would be one worker for
all of them, and connections are kept for hours. So a worker that has more than another leaves a new connection to it
for a moment. When that was not enough (the other was busy, or has only just started) it ends some of its own: the next
answer says "Connection: close", and the client, or nginx, comes back and is left to the other.
"""

from app.state.roster import Seat

COURTESY_S = 0.002
"""How long a new connection is left to another worker that has fewer."""

WEIGHING_S = 0.5
"""How often a worker looks whether it has too many."""


class Share:
    """What the worker in ``seat`` takes, and what it gives up. Times are those of ``monotonic``."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._polite_until = 0.0
        self._greedy_until = 0.0
        self._weighed_at = 0.0
        self._too_many = 0

    def is_anothers(self, connections: int, now: float) -> bool:
        """Whether the next connection is left to another for now. One that is still there afterwards is taken."""
        if now < self._greedy_until:
            return now < self._polite_until
        others = self._seat.connections_elsewhere()
        if not others or connections <= min(others) + 1 + min(others) // 4:
            return False
        self._polite_until = now + COURTESY_S
        self._greedy_until = self._polite_until + COURTESY_S
        return True

    def pause(self, now: float, seconds: float) -> None:
        """Leave every connection to the others for so long."""
        self._polite_until = now + seconds

    def courtesy_left(self, now: float) -> float:
        """Seconds until the connection is taken after all; 0 when nothing is left to anybody."""
        return max(0.0, self._polite_until - now)

    def weigh(self, connections: int, now: float) -> None:
        """Show the others how many there are, and see from time to time whether that is more than a share."""
        self._seat.show(connections)
        if now - self._weighed_at < WEIGHING_S:
            return
        self._weighed_at = now
        others = self._seat.connections_elsewhere()
        fair = -(-(sum(others) + connections) // (len(others) + 1))
        surplus = connections - fair
        self._too_many = surplus if others and surplus > 1 + fair // 8 else 0

    def gives_up_one(self) -> bool:
        """Whether the connection that is being answered shall end with its answer."""
        if self._too_many <= 0:
            return False
        self._too_many -= 1
        return True
