"""What workers tell one another through shared state: counters, pages, clears; and what is cleaned up."""

import time
from pathlib import Path

import orjson
import pytest

from app.api.cache_stats.schemas import CacheStatsSchema
from app.cache import upkeep
from app.cache.book import Plan
from app.cache.figures import verdict
from app.cache.report import EPOCH, CacheReport
from app.cache.tiered import PredictionCache
from app.state.base import StateUnavailable
from app.state.memory import MemoryState
from app.state.redis import RedisState
from tests.servers import RedisServer
from tests.unit.cache.subjects import Busy, Counted, ask, cache_of
from tests.unit.state.test_state import link_to


def _worker(state: MemoryState | RedisState) -> tuple[PredictionCache, CacheReport]:
    cache = cache_of(Plan("on", "off"))
    return cache, CacheReport(cache, state, usd_per_hour=3600.0)


def test_two_workers_tell_the_same(tmp_path: Path) -> None:
    state = MemoryState(tmp_path)
    (one, its), (other, others) = _worker(state), _worker(state)
    for _ in range(3):
        ask(one, Counted(), [[1, 2]])
    ask(other, Counted(), [[1, 2], [3, 4]])
    others.publish()
    summary = its.summary()
    assert summary == others.summary()
    assert (summary["cache_hits"], summary["cache_misses"], summary["total_requests"]) == (2, 3, 5)
    assert (summary["cache_hit_rate"], summary["workers"]) == (0.4, 2)
    (version,) = summary["models"]
    assert (version["model"], version["version"]) == ("linear", "v1")
    assert version["tiers"]["l1"]["entries"] == 3
    assert version["tiers"]["l1"]["verdict"] == "forced on in the deployment file"
    assert version["tiers"]["l2"]["verdict"] == "there is no Redis: set SLUICE_REDIS_URL"


def test_the_brief_is_answered_in_its_own_words(tmp_path: Path) -> None:
    cache, report = _worker(MemoryState(tmp_path))
    subject = Busy(0.01)
    for _ in range(101):
        ask(cache, subject, [[1, 2]])
    summary = report.summary()
    assert summary["cache_hit_rate"] == 0.9901
    assert summary["total_requests"] == 101
    assert (summary["cache_hits"], summary["cache_misses"]) == (100, 1)
    assert summary["cost_savings"] in {f"${cents / 100:.2f}" for cents in range(90, 200)}
    assert summary["avg_latency_uncached"].endswith("ms")
    assert 10 <= float(summary["avg_latency_uncached"][:-2]) < 50
    assert float(summary["avg_latency_cached"][:-2]) < 5


def test_nothing_asked_is_nothing_told(tmp_path: Path) -> None:
    _, report = _worker(MemoryState(tmp_path))
    summary = report.summary()
    assert (summary["cache_hit_rate"], summary["cost_savings"], summary["avg_latency_cached"]) == (
        0.0,
        "$0.00",
        "0.00ms",
    )
    assert summary["models"] == []


def test_a_clear_reaches_the_others(tmp_path: Path) -> None:
    state = MemoryState(tmp_path)
    (one, its), (other, others) = _worker(state), _worker(state)
    ask(one, Counted(), [[1, 2]])
    ask(other, Counted(), [[1, 2]])
    its.clear()
    assert ask(one, Counted(), [[1, 2]])[1] == "miss"
    others.publish()
    assert ask(other, Counted(), [[1, 2]])[1] == "miss"
    its.publish()
    assert others.summary()["cache_misses"] == 4


def test_a_clear_survives_a_store_that_forgets_it(tmp_path: Path) -> None:
    state = MemoryState(tmp_path)
    (one, its), (other, others) = _worker(state), _worker(state)
    its.clear()
    others.publish()
    state.put(EPOCH, {"n": b"12"})
    its.publish()
    others.publish()
    assert one.epoch == other.epoch
    assert (one.epoch or 0) > 12
    state.put(EPOCH, {"n": b"rubbish"})
    its.publish()
    assert state.records(EPOCH)["n"] == b"%d" % (one.epoch or 0)


def test_two_clears_are_two(tmp_path: Path) -> None:
    cache, report = _worker(MemoryState(tmp_path))
    epochs = []
    for _ in range(5):
        report.clear()
        epochs.append(cache.epoch)
    assert len(set(epochs)) == 5


def test_nothing_is_lost_while_the_store_is_away(redis_server: RedisServer) -> None:
    cache, report = _worker(RedisState(link_to(redis_server)))
    ask(cache, Counted(), [[1, 2]])
    report.publish()
    redis_server.config_set("maxmemory", "1")
    ask(cache, Counted(), [[1, 2]])
    with pytest.raises(StateUnavailable):
        report.publish()
    full = report.summary()
    assert (full["cache_hits"], full["cache_misses"], full["state"]) == (1, 1, "read-only")
    assert "takes no writes" in full["degraded"]
    with pytest.raises(StateUnavailable):
        report.clear()
    redis_server.config_set("maxmemory", "0")
    healed = report.summary()
    assert (healed["cache_hits"], healed["cache_misses"], healed["degraded"]) == (1, 1, None)


_TIER = {
    "mode": "auto", "active": True, "weighed": True, "hit": 0.9, "compute_s": 5e-3, "saved_s": 4.5e-3,
    "spent_s": 3e-6, "trifle_s": 5e-5,
}  # fmt: skip
_VERSION = {"entries": 1, "bytes": 2, "likeness": None, "l1": _TIER, "l2": _TIER}


@pytest.mark.parametrize(
    "versions",
    [
        None,
        [],
        {"linear": _VERSION},
        {"linear/v1": None},
        {"linear/v1": {}},
        {"linear/v1": _VERSION | {"entries": "1"}},
        {"linear/v1": _VERSION | {"bytes": 1e300}},
        {"linear/v1": _VERSION | {"likeness": [1]}},
        {"linear/v1": _VERSION | {"l1": None}},
        {"linear/v1": _VERSION | {"l2": _TIER | {"hit": None}}},
        {"linear/v1": _VERSION | {"l2": _TIER | {"spent_s": 1e300}}},
        {"linear/v1": _VERSION | {"l2": {"mode": "auto"}}},
        {"linear/v1": _VERSION | {"l2": _TIER | {"why": 5}}},
    ],
)
def test_a_page_that_is_none_is_passed_over_and_counted(tmp_path: Path, versions: object) -> None:
    state = MemoryState(tmp_path)
    _, report = _worker(state)
    good = {"at": time.time(), "versions": {"linear/v1": _VERSION}}
    bad = [b"rubbish", b"{}", b"[1]", b'{"at": true, "versions": {}}', orjson.dumps(good | {"versions": versions})]
    state.put(upkeep.WORKERS, {"good": orjson.dumps(good)} | {f"bad {at}": record for at, record in enumerate(bad)})
    summary = CacheStatsSchema().dump(report.summary())
    assert (summary["workers"], summary["unreadable"]) == (2, 5)
    assert summary["models"][0]["tiers"]["l1"]["entries"] == 1
    upkeep.Upkeep(cache_of(), state).run()
    assert len(state.records(upkeep.WORKERS)) == 2


def test_counts_and_clears_that_are_none_are_passed_over(tmp_path: Path) -> None:
    state = MemoryState(tmp_path)
    cache, report = _worker(state)
    foreign = {"linear/v1|hit-l1_bx": 1, "linear/v1|miss_b99999": 1, "nonsense": 1, "linear|miss": 1, "a/b|miss": 1e300}
    state.add(upkeep.COUNTS, {"linear/v1|miss": 3} | foreign)
    state.put(EPOCH, {"n": b"9" * 5000})
    summary = report.summary()
    assert (summary["cache_misses"], summary["unreadable"], len(summary["models"])) == (3, 5, 1)
    assert cache.epoch == 0


def test_workers_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    state = MemoryState(tmp_path)
    cache, report = _worker(state)
    state.put(upkeep.WORKERS, {"gone": b'{"at": 1.0, "versions": {}}'})
    assert report.summary()["workers"] == 1
    upkeep.Upkeep(cache, state).run()
    assert len(state.records(upkeep.WORKERS)) == 1


def test_figures_of_outlived_versions_go_and_those_in_use_stay(tmp_path: Path) -> None:
    state = MemoryState(tmp_path)
    cache, report = _worker(state)
    state.add(upkeep.COUNTS, {"old/v1|miss": 3, "linear/v1|miss": 4})
    state.put(upkeep.SEEN, {"old/v1": b"1", "linear/v1": b"1"})
    keeper = upkeep.Upkeep(cache, state)
    keeper.note(["linear/v1"])
    keeper.run()
    assert state.numbers(upkeep.COUNTS) == {"linear/v1|miss": 4}
    assert set(state.records(upkeep.SEEN)) == {"linear/v1"}
    assert report.summary()["cache_misses"] == 4


def test_idle_versions_take_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, report = _worker(MemoryState(tmp_path))
    ask(cache, Counted(), [[1, 2]])
    report.publish()
    cache.turn_epoch(9)
    monkeypatch.setattr(upkeep, "GONE_S", -1.0)
    upkeep.Upkeep(cache, MemoryState(tmp_path)).run()
    assert cache.books() == []


@pytest.mark.parametrize(
    ("standings", "words"),
    [
        ([], "nobody has asked lately"),
        ([_TIER], "pays: a lookup costs 3.0 us and saves 4,500.0 us (90% hits x 5,000.0 us of computing)"),
        ([_TIER | {"active": False}], "does not pay, bypassed and probed now and then"),
        ([_TIER, _TIER | {"active": False}], "pays in 1 of 2 workers"),
        ([_TIER | {"saved_s": 0.0}], "kept, for it costs next to nothing beside computing"),
        ([_TIER | {"saved_s": 0.0, "trifle_s": 0.0}], "about even"),
        ([_TIER | {"weighed": False}], "tried out; not weighed yet"),
        ([_TIER | {"mode": "off"}], "forced off in the deployment file"),
        ([_TIER | {"mode": "off", "why": "there is no Redis"}], "there is no Redis"),
    ],
)
def test_verdicts_are_plain_words(standings: list[dict[str, object]], words: str) -> None:
    assert verdict(standings).startswith(words)
