"""Tier 1: bounded by entries and bytes, least recently used first, nothing older than its time to live."""

import gc
import threading
import tracemalloc
from time import sleep

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.cache.base import Entry
from app.cache.memory import MemoryTier
from app.cache.tally import Tally


def _entry(width: int = 1) -> Entry:
    return Entry({"Y": np.zeros((1, width), dtype=np.float32)}, 0.0, 0.0)


def _put(tier: MemoryTier, name: str, tally: Tally, width: int = 1, ttl: float = 60.0) -> None:
    tier.put_many({name.encode(): _entry(width)}, ttl, tally)


def test_the_least_recently_used_goes_first() -> None:
    tier, tally = MemoryTier(2, 1 << 20), Tally()
    _put(tier, "a", tally)
    _put(tier, "b", tally)
    assert tier.get(b"a") is not None
    _put(tier, "c", tally)
    assert [entry is not None for entry in tier.get_many([b"a", b"b", b"c"])] == [True, False, True]
    assert tally.take() == {"evictions": 1}


def test_bytes_are_bounded_too() -> None:
    size = _entry(1000).size
    tier, tally = MemoryTier(100, 3 * size), Tally()
    for name in "abcde":
        _put(tier, name, tally, 1000)
    assert (tally.entries, tally.bytes) == (3, 3 * size)
    _put(tier, "huge", tally, 10_000)
    assert tier.get(b"huge") is None
    assert tally.entries == 3


def test_an_entry_expires_up_to_a_tenth_early() -> None:
    tier, tally = MemoryTier(100, 1 << 20), Tally()
    _put(tier, "a", tally, ttl=0.2)
    assert tier.get(b"a") is not None
    sleep(0.21)
    assert tier.get(b"a") is None
    assert (tally.entries, tally.bytes) == (0, 0)


def test_expiry_is_jittered() -> None:
    tier, tally = MemoryTier(1000, 1 << 20), Tally()
    for number in range(200):
        _put(tier, str(number), tally, ttl=100.0)
    ends = sorted(held.expires for held in tier._held.values())
    assert 5 < ends[-1] - ends[0] <= 10.1


def test_clearing_gives_everything_back() -> None:
    tier, tally = MemoryTier(100, 1 << 20), Tally()
    for name in "abc":
        _put(tier, name, tally)
    tier.clear()
    assert (tally.entries, tally.bytes) == (0, 0)
    assert tier.get(b"a") is None


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 400), st.sampled_from(["one", "other"])), max_size=60)
)
def test_accounts_always_add_up(puts: list[tuple[str, int, str]]) -> None:
    tier, tallies = MemoryTier(4, 4000), {"one": Tally(), "other": Tally()}
    for name, width, owner in puts:
        _put(tier, name, tallies[owner], width)
    held = list(tier._held.values())
    assert len(held) <= 4
    assert sum(item.size for item in held) == tier._bytes <= 4000
    for tally in tallies.values():
        own = [item for item in held if item.tally is tally]
        assert (tally.entries, tally.bytes) == (len(own), sum(item.size for item in own))


def test_eight_threads_leave_it_whole() -> None:
    tier, tally = MemoryTier(50, 1 << 20), Tally()

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for number in random.integers(0, 100, 2000).tolist():
            if number % 3:
                tier.get(b"%d" % number)
            else:
                _put(tier, str(number), tally, ttl=0.001 if number % 2 else 60)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.entries == len(tier._held) <= 50
    assert tally.bytes == tier._bytes == sum(item.size for item in tier._held.values())


def test_the_accounted_size_covers_the_real_one() -> None:
    """The bound is on memory, so what is accounted must not be less than what is taken; nor twice as much."""
    count = 3000
    tier, tally = MemoryTier(count, 1 << 30), Tally()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(count):
        outputs = {"label": np.array([number]), "probabilities": np.full((1, 2), number / count, dtype=np.float32)}
        tier.put_many({number.to_bytes(16, "big"): Entry(outputs, float(number), 0.001)}, 60.0, tally)
    real = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert real <= tally.bytes <= 2 * real
