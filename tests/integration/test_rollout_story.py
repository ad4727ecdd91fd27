"""The life of a model over HTTP: a good canary, one that raises, one that predicts otherwise, one too idle to tell.

With the embedded state and one worker, and with two workers around a Redis. Traffic flows all the time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from app.registry.repository import Repository
from tests.client import Answer, message
from tests.load import Load, Question
from tests.models import fragile, linear
from tests.programs import wait_until
from tests.servers import RedisServer, Server

ROOT = "/v1/models/shop"
FAST = {"steps": [10, 50], "interval_s": 1, "min_samples": 60}
EXPECTED = {"v1": 0.5, "v2": 0.6, "v4": 30.5, "v5": 0.5}
"""What each version adds to the row's number; v3 raises on all of them."""


@dataclass
class Shop:
    """The server, and what its callers have seen."""

    server: Server
    served: list[tuple[float, str, str]] = field(default_factory=list)

    def question(self, number: int) -> Question:
        row = 5 + number % 10

        def wrong(answer: Answer) -> str:
            version = answer.headers.get("x-model-version", "")
            fine = answer.status == 200 and answer.json()["prediction"] == pytest.approx(
                row + EXPECTED[version], rel=1e-4
            )
            self.served.append((monotonic(), version, answer.headers.get("x-route", "")))
            return "" if fine else f"{answer.status} from {version}"

        return Question(f"{ROOT}/predict", {"features": [row]}, wrong)

    def rollouts(self) -> Any:
        return self.ask("GET", "rollouts").json()

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask again while shared state is away: a busy machine may not reach Redis in its 50 ms."""
        for _ in range(20):
            answer = self.server.send(message(method, f"{ROOT}/{path}", body))
            if answer.status != 503:
                break
            sleep(0.3)
        return answer

    def start(self, canary: str, **more: Any) -> None:
        answer = self.ask("POST", "rollouts", {"canary": canary, **FAST, **more})
        begun = answer.status == 200 or (answer.status == 409 and self.running() == canary)
        assert begun, answer.body

    def running(self) -> str | None:
        """The canary on trial: one that was begun though its answer was lost on the way from Redis is begun."""
        running = self.rollouts()["running"]
        return str(running["canary"]) if running else None

    def ends(self, canary: str, state: str, seconds: float) -> Any:
        """The finished rollout. Fails when it ends otherwise, or too late."""

        def over() -> bool:
            shown = self.rollouts()
            return shown["running"] is None and shown["history"][0]["canary"] == canary

        wait_until(over, seconds, f"the rollout of {canary} to end: {self.rollouts()}", pause=0.2)
        ended = self.rollouts()["history"][0]
        assert ended["state"] == state, (ended["reason"], ended["log"])
        return ended

    def weights(self) -> Any:
        return self.ask("GET", "traffic").json()["weights"]


@pytest.fixture(params=["embedded", "redis"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, repository: Repository) -> Iterator[Shop]:
    for version, bias in EXPECTED.items():
        linear((1.0,), bias, name="shop", version=version).add(repository)
    fragile(name="shop", version="v3").add(repository)
    env = {"SLUICE_CACHE": "off"}
    if request.param == "redis":
        redis: RedisServer = request.getfixturevalue("redis_server")
        env |= {"SLUICE_REDIS_URL": redis.url, "WEB_CONCURRENCY": "2"}
    (tmp_path / "server").mkdir()
    with Server(tmp_path / "server", env, repository.root) as server:
        yield Shop(server)


def test_versions_side_by_side(shop: Shop) -> None:
    put = shop.ask("PUT", "traffic", {"weights": {"v1": 100}})
    assert put.status == 200, put.body
    load = Load(shop.server.port, connections=4, rate=120, ask=shop.question).start()
    try:
        _good_bad_and_shifted(shop)
    finally:
        outcome = load.stop()
    assert outcome.wrong == []
    _held_without_traffic(shop)


def _good_bad_and_shifted(shop: Shop) -> None:
    shop.start("v2")
    promoted = shop.ends("v2", "promoted", 40)
    assert [event["decision"] for event in promoted["log"]] == ["started", "passed", "promoted"]
    assert shop.weights() == {"v2": 100}

    began = monotonic()
    shop.start("v3")
    failed = shop.ends("v3", "failed", 10)
    assert "requests failed" in failed["reason"]
    wait_until(lambda: _settled(shop, "v2"), 10 - (monotonic() - began), "everybody to be on v2 again")
    again = shop.ask("POST", "rollouts", {"canary": "v3"})
    assert (again.status, "failed before" in again.json()["detail"]) == (409, True)

    shop.start("v4")
    shifted = shop.ends("v4", "failed", 30)
    assert "distributed otherwise" in shifted["reason"]
    assert shop.weights() == {"v2": 100}


def _settled(shop: Shop, version: str) -> bool:
    """Nobody else has answered for a second, not even instead of a failing canary."""
    since = monotonic() - 1
    latest = [entry for entry in shop.served[-400:] if entry[0] > since]
    return bool(latest) and all(entry[1:] == (version, "weight") for entry in latest)


def _held_without_traffic(shop: Shop) -> None:
    shop.start("v5")
    for _ in range(30):
        shop.server.post(f"{ROOT}/predict", {"features": [7]})
    end = monotonic() + 5
    while monotonic() < end:
        shown = shop.rollouts()
        assert shown["running"]["step"] == 1
        assert shown["verdict"]["decision"] == "hold"
    assert "are needed" in shown["verdict"]["reasons"][0]
    assert shop.ask("POST", "rollouts/abort", {}).status == 200
    assert shop.weights() == {"v2": 100}
