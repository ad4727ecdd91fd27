"""Two servers on one Redis: one memory, one set of figures, and nothing in it is trusted."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

import pytest
import redis

from app.registry.repository import Repository
from tests.caching import PREDICT, SLOW, ask, content, deployment, model_stats, shared_by, source, stats
from tests.models import columns, everything, linear, slow
from tests.programs import wait_until
from tests.servers import RedisServer, Server

_NUMBERS = count(1000)


@dataclass
class Pair:
    """Two servers of two workers each, one Redis, and a client of our own to it."""

    one: Server
    other: Server
    redis: RedisServer
    client: "redis.Redis"

    def entries(self) -> list[bytes]:
        """Keys of remembered rows."""
        return sorted(self.client.keys("sluice:p:*"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    (folder / "models").mkdir()
    for model in (linear(), everything(), columns(), slow(20)):
        model.add(Repository(folder / "models"))
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(folder / "redis"))
        text = (
            "cache: {l1: off, l2: on}\nmodels:\n  columns: {cache: {l1: on, l2: on, ttl: 100}}\n  slow: {cache: {}}\n"
        )
        env = shared_by(server, WEB_CONCURRENCY="2") | deployment(folder, text)
        servers = [stack.enter_context(Server(folder / name, env, folder / "models")) for name in ("one", "other")]
        yield Pair(*servers, server, stack.enter_context(redis.Redis.from_url(server.url)))


def _remembered(pair: Pair) -> tuple[tuple[int, int], bytes]:
    """Ask for a row that nobody asked for yet and wait until Redis has it; the row and its key."""
    row, before = (next(_NUMBERS), 7), set(pair.entries())
    assert source(ask(pair.one, *row)) == "miss"
    wait_until(lambda: source(ask(pair.one, *row)) == "hit-l2", 5, "the entry in redis")
    (key,) = set(pair.entries()) - before
    return row, key


def test_ones_miss_is_the_others_hit(pair: Pair) -> None:
    row, _ = _remembered(pair)
    assert [source(ask(server, *row)) for server in (pair.other, pair.one)] == ["hit-l2", "hit-l2"]


def test_both_show_the_same_figures_soon(pair: Pair) -> None:
    """Within two seconds by design: each worker tells every second. A third is for a busy machine."""
    for row in range(12):
        ask(pair.one, row, 1)
        ask(pair.other, row, 1)
        pair.other.post(PREDICT, {"instances": [[row, 1], [row, 2]]})

    def agree() -> bool:
        told = [stats(server) for server in (pair.one, pair.other)]
        for figures in told:
            figures["store"].pop("bytes")  # it counts the buffers of our own connections
        return told[0] == told[1] and told[0]["total_requests"] >= 48

    wait_until(agree, 3, "the same figures")
    told = stats(pair.one)
    assert (told["scope"], told["workers"], told["state"]) == ("all workers on this shared state", 4, "up")
    assert told["store"]["keys"] >= 24


def test_times_to_live_are_the_models_own_and_jittered(pair: Pair) -> None:
    before = set(pair.entries())
    pair.one.post(PREDICT, {"instances": [[next(_NUMBERS), 5] for _ in range(40)]})
    wait_until(lambda: len(set(pair.entries()) - before) == 40, 5, "the entries")
    lives = sorted(pair.client.pttl(key) / 1000 for key in set(pair.entries()) - before)
    assert 3230 < lives[0] < lives[-1] <= 3600
    assert lives[-1] - lives[0] > 60
    assert 80 < pair.client.pttl(_of_another_model(pair)) / 1000 <= 100


def _of_another_model(pair: Pair) -> bytes:
    """The key of an entry of ``columns``."""
    before = set(pair.entries())
    pair.one.post("/v1/models/columns/predict", {"features": {"city": "Oslo", "age": next(_NUMBERS)}})
    wait_until(lambda: bool(set(pair.entries()) - before), 5, "the other model's entry")
    (key,) = set(pair.entries()) - before
    return key


_RANDOM = Random(7)
DAMAGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "random bytes": lambda mine, _: _RANDOM.randbytes(len(mine)),
    "nothing": lambda _, __: b"",
    "cut in half": lambda mine, _: mine[: len(mine) // 2],
    "one byte short": lambda mine, _: mine[:-1],
    "one byte more": lambda mine, _: mine + b"\0",
    "a bit flipped in the seal": lambda mine, _: bytes([mine[0] ^ 1]) + mine[1:],
    "a bit flipped in the answer": lambda mine, _: mine[:-1] + bytes([mine[-1] ^ 1]),
    "a bit flipped in the time": lambda mine, _: mine[:33] + bytes([mine[33] ^ 1]) + mine[34:],
    "another row's entry": lambda _, others: others,
    "a pickle that runs a command": lambda _, __: b"cos\nsystem\n(S'touch %s'\ntR." % os.fsencode(_MARKER),
    "a number": lambda _, __: b"5.5",
}
_MARKER = Path("/tmp") / f"sluice-was-unpickled-{os.getpid()}"


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_entry_is_a_miss_and_mended(pair: Pair, name: str) -> None:
    (row, mine), (_, others) = _remembered(pair), _remembered(pair)
    value, other = pair.client.get(mine), pair.client.get(others)
    before = model_stats(pair.one, "linear")["tiers"]["l2"]["rejected"]
    pair.client.set(mine, DAMAGES[name](value, other))
    assert source(ask(pair.other, *row)) == "miss"
    wait_until(lambda: source(ask(pair.other, *row)) == "hit-l2", 5, "the entry to be mended")
    assert not _MARKER.exists()
    wait_until(lambda: model_stats(pair.one, "linear")["tiers"]["l2"]["rejected"] > before, 3, "the count")


@pytest.mark.parametrize("command", [["HSET", "f", "v"], ["RPUSH", "x"], ["SADD", "x"], ["ZADD", "1", "x"]])
def test_an_entry_of_another_type_is_a_miss_and_mended(pair: Pair, command: list[str]) -> None:
    row, mine = _remembered(pair)
    pair.client.delete(mine)
    pair.client.execute_command(command[0], mine, *command[1:])
    assert source(ask(pair.other, *row)) == "miss"
    wait_until(lambda: source(ask(pair.other, *row)) == "hit-l2", 5, "the entry to be mended")


def test_another_models_entry_under_our_key_is_a_miss(pair: Pair) -> None:
    row, mine = _remembered(pair)
    pair.client.set(mine, pair.client.get(_of_another_model(pair)) or b"")
    assert source(ask(pair.other, *row)) == "miss"


def test_servers_with_another_secret_neither_read_nor_replace_our_entries(pair: Pair, tmp_path: Path) -> None:
    row, _ = _remembered(pair)
    (tmp_path / "models").mkdir()
    linear().add(Repository(tmp_path / "models"))
    env = shared_by(pair.redis, SLUICE_CACHE_SECRET="another") | deployment(tmp_path, "cache: {l1: off, l2: on}\n")
    with Server(tmp_path / "stranger", env, tmp_path / "models") as stranger:
        assert source(ask(stranger, *row)) == "miss"
        wait_until(lambda: source(ask(stranger, *row)) == "hit-l2", 5, "an entry of its own")
    assert source(ask(pair.other, *row)) == "hit-l2"


def test_what_redis_remembers_is_what_was_computed(pair: Pair) -> None:
    path = "/v1/models/everything/predict"
    row = {
        "age": 1,
        "score": None,
        "visits": 3,
        "member": True,
        "count": 4,
        "city": "Bern",
        "note": "\u00e9\u20ac\ud83d\ude00",
    }
    first = pair.one.post(path, {"features": row}, {"Cache-Control": "no-store"})
    assert source(first) == "bypass"
    assert source(pair.one.post(path, {"features": row})) == "miss"
    wait_until(lambda: source(pair.other.post(path, {"features": row})) == "hit-l2", 5, "the entry")
    assert content(pair.other.post(path, {"features": row})) == content(first)


def test_five_hundred_at_once_compute_once_per_worker(pair: Pair) -> None:
    pair.one.post(SLOW, {"features": [1]})
    wait_until(lambda: "slow" in {item["model"] for item in stats(pair.one)["models"]}, 3, "the first count")
    before = model_stats(pair.one, "slow")
    with ThreadPoolExecutor(60) as pool:
        answers = list(
            pool.map(lambda number: (pair.one, pair.other)[number % 2].post(SLOW, {"features": [5]}), range(500))
        )
    assert {answer.json()["prediction"] for answer in answers} == {5.0}
    wait_until(
        lambda: model_stats(pair.one, "slow")["total_requests"] - before["total_requests"] == 500, 3, "the count"
    )
    after = model_stats(pair.one, "slow")
    computed = after["cache_misses"] - before["cache_misses"]
    joined = after["single_flight_joins"] - before["single_flight_joins"]
    assert 1 <= computed - joined <= 4


def test_a_worker_that_starts_anew_finds_what_was_remembered(pair: Pair) -> None:
    row, _ = _remembered(pair)
    worker = pair.one.workers[0]
    os.kill(worker, 9)
    wait_until(lambda: worker not in pair.one.workers and pair.one.answers(), 20, "another worker")
    assert {source(ask(pair.one, *row)) for _ in range(8)} == {"hit-l2"}


def test_a_clear_reaches_every_worker_of_both(pair: Pair) -> None:
    """The last test of these: until every worker has heard of it they make different keys for one row."""
    row, _ = _remembered(pair)
    pair.client.set("of somebody else", "stays")
    assert pair.other.post("/v1/cache/clear", {}).status == 200

    def forgotten() -> bool:
        return source(ask(pair.one, *row)) == "miss"

    wait_until(forgotten, 2, "the clear to arrive")
    wait_until(lambda: {source(ask(pair.one, *row)) for _ in range(8)} == {"hit-l2"}, 3, "the new entry everywhere")
    assert pair.client.get("of somebody else") == b"stays"
