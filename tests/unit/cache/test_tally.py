"""Counters: exact under threads, merged by addition, percentiles to within a bucket."""

import threading

import pytest

from app.cache.tally import Tally, percentile_ms


def test_taking_empties_and_giving_back_restores() -> None:
    tally = Tally()
    tally.answered("miss", 3, 0.002)
    tally.add("joins", 2)
    first = tally.take()
    assert (first["miss"], first["miss_n"], first["miss_s"], first["joins"]) == (3, 1, 0.002, 2)
    assert tally.take() == {}
    tally.give_back(first)
    tally.answered("miss", 1, 0.002)
    again = tally.take()
    assert (again["miss"], again["miss_n"], again["miss_s"], again["joins"]) == (4, 2, 0.004, 2)
    assert [n for name, n in again.items() if name.startswith("miss_b")] == [2]


def test_eight_threads_lose_nothing() -> None:
    tally = Tally()
    taken: list[dict[str, float]] = []

    def work() -> None:
        for number in range(2000):
            tally.answered("hit-l1", 1, 1e-6 * (number % 7), saved_s=0.5)
            if number % 100 == 0:
                taken.append(tally.take())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken.append(tally.take())
    assert sum(counts.get("hit-l1", 0) for counts in taken) == 16_000
    assert sum(counts.get("saved_s", 0) for counts in taken) == 8_000
    assert sum(n for counts in taken for name, n in counts.items() if name.startswith("hit-l1_b")) == 16_000


@pytest.mark.parametrize("seconds", [0.0, 1e-7, 3e-6, 0.00042, 0.009, 1.5, 40.0])
def test_a_percentile_is_within_a_bucket(seconds: float) -> None:
    tally = Tally()
    tally.answered("miss", 1, seconds)
    told = percentile_ms(tally.take(), "miss", 0.5)
    assert told is not None
    assert told == pytest.approx(max(seconds * 1000, 0.001), rel=0.2)


def test_percentiles_keep_their_order() -> None:
    tally = Tally()
    for number in range(100):
        tally.answered("miss", 1, 0.001 if number < 90 else 0.1)
    counts = tally.take()
    assert percentile_ms(counts, "miss", 0.5) == pytest.approx(1, rel=0.2)
    assert percentile_ms(counts, "miss", 0.95) == pytest.approx(100, rel=0.2)
    assert percentile_ms(counts, "hit-l1", 0.5) is None
