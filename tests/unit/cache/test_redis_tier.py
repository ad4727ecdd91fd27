"""Tier 2's queue: what may wait to be sent, and how much is sent at once."""

from time import time

import numpy as np
import pytest

from app.cache.base import Entry
from app.cache.codec import Codec
from app.cache.redis import LARGEST_BYTES, QUEUE_BYTES, RedisTier, Waiting
from app.cache.tally import Tally
from app.state.link import RedisLink, connect
from app.telemetry.logs import logger
from tests.programs import wait_until
from tests.servers import RedisServer


@pytest.fixture
def tier(redis_server: RedisServer) -> RedisTier:
    link = RedisLink(lambda: connect(f"{redis_server.url}?socket_timeout=2", 8), logger("tests"))
    return RedisTier(link, Codec(b"secret"))


def entries(count: int, size: int) -> dict[bytes, Entry]:
    """So many of so many bytes each; they share their numbers, lest the test needs what it counts."""
    numbers = {"Y": np.zeros((1, size), dtype=np.int8)}
    return {number.to_bytes(16, "big"): Entry(numbers, time(), 1.0) for number in range(count)}


def test_no_more_waits_than_may(tier: RedisTier) -> None:
    tally = Tally()
    tier.put_many(entries(1000, 1 << 20), 60, tally)
    assert tier._queued_bytes <= QUEUE_BYTES
    assert tally.take()["dropped"] >= 1000 - QUEUE_BYTES // (1 << 20)


def test_a_full_queue_is_sent_in_pieces_that_redis_takes_in_time(tier: RedisTier, redis_server: RedisServer) -> None:
    tally, many = Tally(), entries(400, 1 << 16)
    tier.put_many(many, 60, tally)
    wait_until(lambda: redis_server.call("DBSIZE") == str(len(many)), 10, "all entries to be stored")
    assert tier.up
    assert all(tier.get_many(list(many)[:2], tally) or [])


def test_an_entry_that_would_take_too_long_to_send_is_not_sent(tier: RedisTier) -> None:
    tally = Tally()
    tier.put_many(entries(1, LARGEST_BYTES), 60, tally)
    assert tally.take() == {"dropped": 1}


def test_pieces_are_small(tier: RedisTier) -> None:
    for key, entry in entries(64, 1 << 17).items():
        assert tier._enqueue(Waiting(key, entry, 60_000, entry.size, Tally()))
    assert len(tier._take()) <= 8
