"""Single flight: one leads, the rest wait, and nobody waits for a leader that is gone."""

import threading
import time

import numpy as np

from app.cache.base import Entry
from app.cache.flights import Flights

ENTRY = Entry({"Y": np.zeros((1, 1))}, 0.0, 0.0)


def test_the_first_leads_and_the_rest_get_its_result() -> None:
    flights = Flights()
    assert flights.board([b"a", b"b"]) == {}
    joined = flights.board([b"a", b"c"])
    assert set(joined) == {b"a"}
    threading.Timer(0.05, flights.land, ([b"a", b"b"], {b"a": ENTRY})).start()
    assert joined[b"a"].wait(10) is ENTRY


def test_a_leader_without_result_frees_its_followers_at_once() -> None:
    flights = Flights()
    flights.board([b"a"])
    joined = flights.board([b"a"])
    threading.Timer(0.05, flights.land, ([b"a"], {})).start()
    started = time.monotonic()
    assert joined[b"a"].wait(10) is None
    assert time.monotonic() - started < 5


def test_patience_ends() -> None:
    flights = Flights()
    flights.board([b"a"])
    assert flights.board([b"a"])[b"a"].wait(0.01) is None


def test_a_landed_flight_is_gone() -> None:
    flights = Flights()
    flights.board([b"a"])
    flights.land([b"a"], {})
    assert flights.board([b"a"]) == {}
    assert len(flights._flights) == 1
