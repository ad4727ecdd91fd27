"""Quotas over real sockets: exact over workers, machines and an absent Redis; addresses nobody can make up."""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.client import message
from tests.conftest import StartServer
from tests.gatehouse import at_once, guarded, make_key, statuses
from tests.programs import HOST, ROOT, wait_until
from tests.servers import RedisServer, Server

DIABETES = "/v1/models/diabetes/predict"
TOGETHER = 32


def _roles(folder: Path, **replace: str) -> str:
    """The committed roles with some limits replaced."""
    text = (ROOT / "config/roles.yaml").read_text()
    for old, new in {"600/minute": "600/minute", **replace}.items():
        text = text.replace(old.replace("_", "/"), new)
    path = folder / "roles.yaml"
    path.write_text(text)
    return str(path)


PATIENT = "?socket_timeout=2&socket_connect_timeout=2"
"""Where Redis is well, a time-out would only tell of a busy machine: the address allows more."""


def _shared(data: Path, redis: RedisServer, patience: str = PATIENT, **more: str) -> dict[str, str]:
    return guarded(data, SLUICE_REDIS_URL=f"{redis.url}{patience}", **more)


def test_four_workers_admit_exactly_the_limit(
    start_server: StartServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    key = make_key(tmp_path, "viewer", "--quota", "requests=100/minute")
    server = start_server(_shared(tmp_path, redis_server, WEB_CONCURRENCY="4"))
    found = at_once([server.port], message("GET", "/v1/models", headers=key.header), 1000)
    assert found == Counter({200: 100, 429: 900})


def test_two_machines_admit_exactly_the_limit(
    start_server: StartServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    key = make_key(tmp_path, "viewer", "--quota", "requests=100/minute")
    servers = [start_server(_shared(tmp_path, redis_server, WEB_CONCURRENCY="2")) for _ in range(2)]
    found = at_once([server.port for server in servers], message("GET", "/v1/models", headers=key.header), 1000)
    assert found == Counter({200: 100, 429: 900})


def test_a_generous_limit_is_reserved_ahead_and_never_exceeded(
    start_server: StartServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    key = make_key(tmp_path, "viewer", "--quota", "requests=500/minute")
    server = start_server(_shared(tmp_path, redis_server, WEB_CONCURRENCY="2"))
    found = statuses(lambda _: server.get("/v1/models", key.header).status, 1000, TOGETHER)
    assert 490 <= found[200] <= 500
    assert found[200] + found[429] == 1000


def test_one_worker_without_redis_admits_exactly_the_limit(start_server: StartServer, tmp_path: Path) -> None:
    key = make_key(tmp_path, "viewer", "--quota", "requests=50/minute")
    server = start_server(guarded(tmp_path))
    assert statuses(lambda _: server.get("/v1/models", key.header).status, 200, TOGETHER) == Counter(
        {200: 50, 429: 150}
    )


def test_several_workers_without_redis_share_the_limit_out(start_server: StartServer, tmp_path: Path) -> None:
    key = make_key(tmp_path, "viewer", "--quota", "requests=40/minute")
    server = start_server(guarded(tmp_path, WEB_CONCURRENCY="2"))
    found = statuses(lambda _: server.get("/v1/models", key.header).status, 300, TOGETHER)
    assert 20 <= found[200] <= 40


def test_rows_are_counted_and_a_refused_request_takes_none(start_server: StartServer, tmp_path: Path) -> None:
    key = make_key(tmp_path, "predictor", "--quota", "rows=25/minute")
    server = start_server(guarded(tmp_path))
    row = server.get("/v1/models/diabetes", key.header).json()["example"]["features"]

    def ask(rows: int) -> int:
        return server.post(DIABETES, {"instances": [row] * rows}, key.header).status

    assert [ask(10), ask(10), ask(10), ask(5), ask(1)] == [200, 200, 429, 200, 429]


def test_a_refusal_says_when_to_come_again(start_server: StartServer, tmp_path: Path) -> None:
    key = make_key(tmp_path, "viewer", "--quota", "requests=3 per 2 second")
    server = start_server(guarded(tmp_path))
    first = server.get("/v1/models", key.header)
    assert first.headers["ratelimit-policy"] == '"requests";q=3;w=2'
    assert first.headers["ratelimit"].startswith('"requests";r=2;t=')
    for _ in range(2):
        server.get("/v1/models", key.header)
    refused = server.get("/v1/models", key.header)
    assert refused.status == 429
    assert refused.json()["type"] == "urn:sluice:problem:quota-exceeded"
    assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 3
    time.sleep(wait)
    assert server.get("/v1/models", key.header).status == 200


def test_all_callers_together_have_a_ceiling(start_server: StartServer, tmp_path: Path) -> None:
    key, other = make_key(tmp_path, "viewer"), make_key(tmp_path, "viewer")
    env = guarded(tmp_path, SLUICE_ROLES_FILE=_roles(tmp_path, **{"100000_second": "30/minute"}))
    server = start_server(env)
    found = statuses(lambda n: server.get("/v1/models", (key, other)[n % 2].header).status, 60, 8)
    assert found == Counter({200: 30, 429: 30})


def test_asking_for_what_one_may_not_have_is_no_way_around_a_limit(start_server: StartServer, tmp_path: Path) -> None:
    key = make_key(tmp_path, "predictor", "--quota", "requests=3/minute")
    server = start_server(guarded(tmp_path))
    found = Counter(server.get("/cache-stats", key.header).status for _ in range(8))
    assert found == Counter({403: 3, 429: 5})


def test_guessing_keys_has_a_price_that_valid_callers_do_not_pay(start_server: StartServer, tmp_path: Path) -> None:
    key = make_key(tmp_path, "viewer")
    server = start_server(guarded(tmp_path, SLUICE_ROLES_FILE=_roles(tmp_path, **{"600_minute": "20/minute"})))
    assert statuses(lambda _: server.get("/v1/models").status, 50, 8) == Counter({401: 20, 429: 30})
    assert server.get("/v1/models", key.header).status == 200
    assert server.get("/health").status == 200


def test_an_untrusted_peer_cannot_change_its_address(
    start_server: StartServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = _shared(
        tmp_path,
        redis_server,
        WEB_CONCURRENCY="4",
        SLUICE_ROLES_FILE=_roles(tmp_path, **{"600_minute": "100/minute"}),
        SLUICE_TRUSTED_PROXIES="10.0.0.0/8",
    )
    server = start_server(env)
    found = statuses(
        lambda n: server.get("/v1/models", {"X-Forwarded-For": f"198.51.100.{n % 250}"}).status, 1000, TOGETHER
    )
    assert found == Counter({401: 100, 429: 900})
    server.stop()
    audit = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    told: Counter[str] = Counter()
    for line in audit:
        told[line["reason"]] += line.get("repeated", 1)
    assert told == Counter(unauthenticated=100, quota=900), "in few lines, and none is lost"
    assert len(audit) < 200


def test_a_trusted_proxy_tells_callers_apart_by_the_last_hop_it_saw(start_server: StartServer, tmp_path: Path) -> None:
    env = guarded(
        tmp_path,
        SLUICE_ROLES_FILE=_roles(tmp_path, **{"600_minute": "5/minute"}),
        SLUICE_TRUSTED_PROXIES="127.0.0.1",
    )
    server = start_server(env)

    def ask(hops: str) -> int:
        return server.get("/v1/models", {"X-Forwarded-For": hops}).status

    made_up = [ask(f"203.0.113.{n}, 198.51.100.7") for n in range(10)]
    assert Counter(made_up) == Counter({401: 5, 429: 5}), "only the hop our proxy saw counts"
    assert ask("198.51.100.8") == 401
    neighbours = [ask(f"2001:db8:0:1:{n}::{n}") for n in range(10)]
    assert Counter(neighbours) == Counter({401: 5, 429: 5}), "one subscriber of IPv6 has all of a /64"
    assert ask("2001:db8:0:2::1") == 401


@pytest.mark.parametrize(("trusted", "admitted"), [("10.0.0.0/8", 5 - 1), (HOST, 5 - 1 + 1)])
def test_a_request_that_is_asked_again_is_free_once_and_only_if_our_proxy_says_so(
    start_server: StartServer, redis_server: RedisServer, tmp_path: Path, trusted: str, admitted: int
) -> None:
    """Of five units one is used by a worker that is killed then; whoever repeats its number gets at most that one."""
    key = make_key(tmp_path, "viewer", "--quota", "requests=5/minute")
    server = start_server(_shared(tmp_path, redis_server, SLUICE_TRUSTED_PROXIES=trusted))
    headers = key.header | {"X-Sluice-Passage": "0123456789abcdef" * 2, "X-Request-ID": "always-the-same"}
    assert server.get("/v1/models", headers).status == 200
    victim = server.workers[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in server.workers and server.answers(), 30, "a successor")
    found = Counter(server.get("/v1/models", headers).status for _ in range(12))
    assert found == Counter({200: admitted, 429: 12 - admitted})


@pytest.mark.parametrize("trouble", ["killed", "stopped"])
def test_without_redis_limits_hold_and_changes_are_refused(
    start_server: StartServer, redis_server: RedisServer, tmp_path: Path, trouble: str
) -> None:
    key = make_key(tmp_path, "viewer", "--quota", "requests=60/minute")
    operator = make_key(tmp_path, "operator")
    server = start_server(_shared(tmp_path, redis_server, "", WEB_CONCURRENCY="2"))
    assert server.get("/v1/models", key.header).status == 200
    if trouble == "killed":
        redis_server.kill()
    else:
        redis_server.pause()
    found = statuses(lambda _: server.get("/v1/models", key.header).status, 300, 8)
    assert set(found) <= {200, 429}
    assert 1 <= found[200] <= 60
    refused = server.post("/v1/cache/clear", {}, operator.header)
    assert refused.status == 503
    assert refused.json()["type"] == "urn:sluice:problem:state-unavailable"
    assert server.get("/health/ready").json()["dependencies"]["redis"] == "down"


def test_keys_in_redis_reach_every_server_and_outlive_its_absence(
    start_server: StartServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = _shared(tmp_path, redis_server, "", SLUICE_KEY_STORE="redis")
    servers = [start_server(env) for _ in range(2)]
    key = make_key(tmp_path, "viewer", env={"SLUICE_REDIS_URL": redis_server.url, "SLUICE_KEY_STORE": "redis"})
    wait_until(lambda: _statuses(servers, key.header) == [200, 200], 10, "every server to know the key")
    redis_server.flush()
    time.sleep(2)
    assert _statuses(servers, key.header) == [200, 200], "an emptied store locks nobody out"
    redis_server.kill()
    time.sleep(1.5)
    assert _statuses(servers, key.header) == [200, 200]
    assert servers[0].get("/health/ready").json()["dependencies"]["keys"] == "down"


def _statuses(servers: list[Server], headers: dict[str, str]) -> list[int]:
    return [server.get("/v1/models", headers).status for server in servers]


def test_pages_without_a_key_are_bounded_per_address(start_server: StartServer) -> None:
    server = start_server({"SLUICE_TRUSTED_PROXIES": "127.0.0.1"})
    found = statuses(lambda _: server.get("/docs/start.js").status, 650, TOGETHER)
    assert found == Counter({200: 600, 429: 50})
    refused = server.get("/docs")
    assert (refused.status, refused.headers["content-type"]) == (429, "application/problem+json")
    assert server.get("/docs", {"X-Forwarded-For": "198.51.100.1"}).status == 200
    assert server.get("/health").status == 200
