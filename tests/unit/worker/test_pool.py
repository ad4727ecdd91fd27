"""The threads that answer: as many as are needed, every connection told of once, whatever became of it."""

from queue import SimpleQueue
from threading import Event, active_count
from typing import Any

import pytest

from app.worker.pool import Ending, Pool

Told = SimpleQueue[tuple[Any, Ending]]


def test_threads_are_started_as_they_are_needed_and_end_with_the_pool() -> None:
    told: Told = SimpleQueue()
    go_on, before = Event(), active_count()
    pool = Pool(3, lambda conn: go_on.wait(5) and conn, lambda *ending: told.put(ending))
    for conn in range(5):
        pool.submit(conn)
    assert active_count() - before == 3
    go_on.set()
    endings = [told.get(timeout=5) for _ in range(5)]
    assert sorted(conn for conn, _ in endings) == [0, 1, 2, 3, 4]
    assert all(ending.result() == conn and not ending.cancelled() for conn, ending in endings)
    pool.shutdown(wait=False)
    for _ in range(500):
        if active_count() == before:
            break
        Event().wait(0.01)
    assert active_count() == before


def test_one_thread_serves_who_come_one_after_the_other() -> None:
    told: Told = SimpleQueue()
    before = active_count()
    pool = Pool(8, str, lambda *ending: told.put(ending))
    for conn in range(20):
        pool.submit(conn)
        assert told.get(timeout=5)[1].result() == str(conn)
        pool.done()
    assert active_count() - before == 1
    pool.shutdown()


def test_what_was_raised_reaches_the_loop_and_the_thread_goes_on() -> None:
    told: Told = SimpleQueue()

    def answer(conn: int) -> int:
        if conn == 0:
            raise SystemExit("told to go")
        return conn

    pool = Pool(1, answer, lambda *ending: told.put(ending))
    pool.submit(0)
    pool.submit(1)
    with pytest.raises(SystemExit, match="told to go"):
        told.get(timeout=5)[1].result()
    assert told.get(timeout=5)[1].result() == 1
    pool.shutdown()
