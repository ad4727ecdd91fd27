"""Single flight: of concurrent identical misses one computes, the others wait for its result."""

from collections.abc import Iterable, Mapping
from threading import Event, Lock

from app.cache.base import Entry

PATIENCE_S = 30.0
"""How long a follower waits before it computes for itself. A leader that raised frees its followers at once."""


class Flight:
    """One computation under way; ``entry`` is its result once it has landed, None when there is none."""

    __slots__ = ("entry", "landed")

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self.landed: Event | None = None

    def wait(self, seconds: float) -> Entry | None:
        """The leader's result, None when somebody else must compute it."""
        if self.landed is not None:
            self.landed.wait(max(seconds, 0.0))
        return self.entry


class Flights:
    """The computations under way in this worker, by key."""

    def __init__(self) -> None:
        self._flights: dict[bytes, Flight] = {}
        self._lock = Lock()

    def board(self, keys: Iterable[bytes]) -> dict[bytes, Flight]:
        """Join whatever already flies; every other key this caller now leads and must ``land``. Keys are distinct."""
        joined = {}
        with self._lock:
            for key in keys:
                flight = self._flights.get(key)
                if flight is None:
                    self._flights[key] = Flight()
                else:
                    flight.landed = flight.landed or Event()
                    joined[key] = flight
        return joined

    def land(self, keys: Iterable[bytes], entries: Mapping[bytes, Entry]) -> None:
        """End flights this caller led, with results or (after an error) without."""
        with self._lock:
            flights = [(self._flights.pop(key), entries.get(key)) for key in keys]
        for flight, entry in flights:
            flight.entry = entry
            if flight.landed is not None:
                flight.landed.set()
