"""Single flight: of concurrent identical misses one computes, the others wait for its result."""

from collections.abc import Mapping, Sequence
from threading import Event, Lock

from app.cache.base import Entry

PATIENCE_S = 30.0
"""How long a follower waits before it computes for itself. A leader that raised or died frees its followers at once."""


class Flight:
    """One computation under way."""

    __slots__ = ("_landed", "entry")

    def __init__(self) -> None:
        self._landed = Event()
        self.entry: Entry | None = None

    def land(self, entry: Entry | None) -> None:
        """Hand the result over; None when there is none."""
        self.entry = entry
        self._landed.set()

    def wait(self) -> Entry | None:
        """The leader's result, None when the follower must compute for itself."""
        self._landed.wait(PATIENCE_S)
        return self.entry


class Flights:
    """The computations under way in this worker, by key."""

    def __init__(self) -> None:
        self._flights: dict[bytes, Flight] = {}
        self._lock = Lock()

    def board(self, keys: Sequence[bytes]) -> dict[bytes, Flight]:
        """Join whatever already flies; every other key this caller now leads and must ``land``. Keys are distinct."""
        joined = {}
        with self._lock:
            for key in keys:
                flight = self._flights.get(key)
                if flight is None:
                    self._flights[key] = Flight()
                else:
                    joined[key] = flight
        return joined

    def land(self, keys: Sequence[bytes], entries: Mapping[bytes, Entry]) -> None:
        """End the flights this caller led, with results or (after an error) without."""
        with self._lock:
            flights = [(self._flights.pop(key), entries.get(key)) for key in keys]
        for flight, entry in flights:
            flight.land(entry)
