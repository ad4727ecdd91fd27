"""Rollouts while judges are killed, Redis goes away and several people deploy at once: two instances around one Redis.

And the embedded default, whose only worker is the judge. Requests flow all the time; the only ones that go wrong are
those of a connection whose worker was killed.
"""

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from app.registry.repository import Repository
from tests.client import Answer, message
from tests.load import Load, Outcome, Question
from tests.models import fragile, linear
from tests.programs import wait_until
from tests.servers import RedisServer, Server

ROOT = "/v1/models/shop"
LEASE = "sluice:lease:rollouts"
EXPECTED = {"v1": 0.5, "v2": 0.6}
"""What each version adds to the row's number; v3 raises on all of them."""

QUICK = {"steps": [10, 30], "interval_s": 1, "min_samples": 40}
AGREE_S = 2.0
NO_ANSWER = re.compile(
    r"load-\d+: (ConnectionResetError|BrokenPipeError|RemoteDisconnected|BadStatusLine|IncompleteRead)\("
).match
"""What the requests of a worker that is killed end with."""


@dataclass
class Shop:
    """The servers, and when which version answered."""

    servers: Sequence[Server]
    redis: RedisServer | None = None
    served: list[tuple[float, str]] = field(default_factory=list)

    def question(self, number: int) -> Question:
        row, asked = 5 + number % 10, monotonic()

        def wrong(answer: Answer) -> str:
            version = answer.headers.get("x-model-version", "")
            self.served.append((asked, version))
            right = answer.status == 200 and answer.json()["prediction"] == pytest.approx(
                row + EXPECTED[version], rel=1e-4
            )
            return "" if right else "wrong answer"

        return Question(f"{ROOT}/predict", {"features": [row]}, wrong)

    @contextmanager
    def busy(self, rate: float = 120) -> Iterator[None]:
        """Requests to every server. Whatever else goes wrong with them, no answer is one that should not be."""
        loads = [Load(it.port, 4, rate / len(self.servers), self.question).start() for it in self.servers]
        outcomes: list[Outcome] = []
        try:
            yield
        finally:
            outcomes += [load.stop() for load in loads]
        wrong = [line for outcome in outcomes for line in outcome.wrong]
        assert not [line for line in wrong if NO_ANSWER(line) is None]

    def ask(self, method: str, path: str, body: Any = None, server: int = 0, **headers: str) -> Answer:
        """Ask again while shared state is away or the worker is just killed."""
        for _ in range(40):
            try:
                answer = self.servers[server].send(message(method, f"{ROOT}/{path}", body, headers))
            except (OSError, ValueError):
                sleep(0.2)
                continue
            if answer.status != 503:
                break
            sleep(0.2)
        return answer

    def put(self, weights: dict[str, float], **headers: str) -> Answer:
        return self.ask("PUT", "traffic", {"weights": weights}, **headers)

    def begin(self, version: str) -> None:
        """Everybody on one version."""
        assert self.put({version: 100}).status == 200
        self.know({version: 100})

    def know(self, weights: Mapping[str, int]) -> None:
        """Until every worker routes by these weights."""
        shown = json.dumps({name: share * 100 for name, share in weights.items()}, separators=(",", ":"))

        def known(server: Server) -> bool:
            return server.log.count(f'"weights":{shown},"event":"plan_in_force"') >= len(server.workers)

        wait_until(lambda: all(map(known, self.servers)), 10, f"{shown} in every worker")

    def start(self, canary: str, **more: Any) -> None:
        answer = self.ask("POST", "rollouts", {"canary": canary, **QUICK, **more})
        begun = answer.status == 200 or (answer.status == 409 and self.running() == canary)
        assert begun, answer.body

    def running(self) -> str | None:
        """The canary on trial: one that was begun though its answer was lost on the way from Redis is begun."""
        running = self.rollouts()["running"]
        return str(running["canary"]) if running else None

    def rollouts(self) -> Any:
        return self.ask("GET", "rollouts").json()

    def over(self, canary: str, seconds: float) -> Any:
        """The finished rollout."""

        def ended() -> bool:
            shown = self.rollouts()
            return shown["running"] is None and shown["history"][0]["canary"] == canary

        wait_until(ended, seconds, f"the rollout of {canary} to end", pause=0.1)
        return self.rollouts()["history"][0]

    def progress(self) -> int:
        """Entries in the log of the last rollout."""
        shown = self.rollouts()
        return len((shown["running"] or shown["history"][0])["log"])

    def judge(self) -> int:
        """The worker that holds the lease, once one does."""
        redis = self.redis
        if redis is None:
            return self.servers[0].workers[0]
        wait_until(lambda: redis.call("GET", LEASE) != "", 10, "a worker to hold the lease")
        return int(redis.call("GET", LEASE).split(":")[1])

    def kill_the_judge(self) -> None:
        victim = self.judge()
        os.kill(victim, signal.SIGKILL)


@contextmanager
def shop(tmp_path: Path, repository: Repository, redis: RedisServer | None) -> Iterator[Shop]:
    for version, bias in EXPECTED.items():
        linear((1.0,), bias, name="shop", version=version).add(repository)
    fragile(name="shop", version="v3").add(repository)
    env = {"SLUICE_CACHE": "off"} | ({"SLUICE_REDIS_URL": redis.url, "WEB_CONCURRENCY": "2"} if redis else {})
    with ExitStack() as stack:
        count = 2 if redis else 1
        servers = [stack.enter_context(Server(tmp_path / f"server-{n}", env, repository.root)) for n in range(count)]
        yield Shop(servers, redis)


@pytest.fixture(params=["embedded", "redis"])
def any_shop(request: pytest.FixtureRequest, tmp_path: Path, repository: Repository) -> Iterator[Shop]:
    """One worker by itself, or two instances of two workers around a Redis."""
    redis = request.getfixturevalue("redis_server") if request.param == "redis" else None
    with shop(tmp_path, repository, redis) as running:
        yield running


@pytest.fixture
def pair(tmp_path: Path, repository: Repository, redis_server: RedisServer) -> Iterator[Shop]:
    """Two instances around a Redis."""
    with shop(tmp_path, repository, redis_server) as running:
        yield running


def test_the_judge_is_killed_at_every_step(any_shop: Shop) -> None:
    """After the start, after a step that was passed, and while a canary fails: another goes on from there."""
    any_shop.begin("v1")
    with any_shop.busy():
        any_shop.start("v2")
        any_shop.kill_the_judge()
        wait_until(lambda: any_shop.progress() >= 2, 40, "the first step to be passed", pause=0.1)
        any_shop.kill_the_judge()
        promoted = any_shop.over("v2", 40)
        assert [event["decision"] for event in promoted["log"]] == ["started", "passed", "promoted"]
        any_shop.start("v3")
        any_shop.kill_the_judge()
        failed = any_shop.over("v3", 20)
        assert [event["decision"] for event in failed["log"]] == ["started", "failed"]
        assert failed["ended"] - failed["started"] < 10
    assert any_shop.ask("GET", "traffic").json()["weights"] == {"v2": 100}


@dataclass(frozen=True)
class Loss:
    """How Redis goes and comes back."""

    begin: Callable[[RedisServer], object]
    end: Callable[[RedisServer], object]


LOSSES = {
    "stopped": Loss(RedisServer.pause, RedisServer.resume),
    "killed, and everything in it": Loss(RedisServer.kill, RedisServer.start),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_without_redis_a_rollout_is_held_and_goes_on_by_itself(pair: Shop, loss: str) -> None:
    """While it is away the canary keeps its share, in a worker that starts meanwhile as well."""
    redis = pair.redis
    assert redis is not None
    pair.begin("v1")
    with pair.busy():
        pair.start("v2", steps=[30])
        pair.know({"v1": 70, "v2": 30})
        LOSSES[loss].begin(redis)
        gone = monotonic()
        os.kill(pair.servers[0].workers[0], signal.SIGKILL)
        sleep(4)
        seen = Counter(version for asked, version in pair.served if asked > gone + 1)
        LOSSES[loss].end(redis)
        assert 0.1 < seen["v2"] / seen.total() < 0.5
        promoted = pair.over("v2", 40)
    assert promoted["state"] == "promoted"
    assert promoted["ended"] - promoted["started"] > 4
    assert pair.ask("GET", "traffic").json()["weights"] == {"v2": 100}


def test_of_deployers_at_two_instances_one_wins_each_generation(pair: Shop) -> None:
    for generation in range(5):

        def deploy(number: int, seen: str = f'"{generation}"') -> int:
            body = {"weights": {f"v{number % 2 + 1}": 100}}
            return pair.ask("PUT", "traffic", body, number % 2, **{"If-Match": seen}).status

        with ThreadPoolExecutor(8) as pool:
            assert Counter(pool.map(deploy, range(8))) == {200: 1, 409: 7}
        assert pair.ask("GET", "traffic", server=1).json()["generation"] == generation + 1


def test_of_two_who_start_a_rollout_one_does(pair: Shop) -> None:
    pair.begin("v1")
    with ThreadPoolExecutor(2) as pool:
        started = list(pool.map(lambda at: pair.ask("POST", "rollouts", {"canary": "v2"}, at).status, range(2)))
    assert sorted(started) == [200, 409]


def test_everybody_follows_within_two_seconds(any_shop: Shop) -> None:
    """Every answer to a request that was sent two seconds after the change, at every worker and instance."""
    any_shop.begin("v1")
    with any_shop.busy(rate=200):
        for version in ("v2", "v1"):
            assert any_shop.put({version: 100}).status == 200
            changed = monotonic()

            def late(since: float = changed + AGREE_S) -> list[str]:
                return [seen for asked, seen in any_shop.served.copy() if asked > since]

            wait_until(lambda: len(late()) > 50, 30, "50 requests sent when all should agree")
            assert set(late()) == {version}


def test_a_dry_run_is_judged_on_copies_and_changes_nothing(any_shop: Shop) -> None:
    """The good one passes and is not promoted; the one that raises fails; all the while v1 answers everything."""
    any_shop.begin("v1")
    with any_shop.busy(rate=60):
        any_shop.start("v2", dry_run=True, steps=[99])
        passed = any_shop.over("v2", 40)
        assert (passed["state"], passed["dry_run"]) == ("promoted", True)
        assert any_shop.ask("GET", "traffic").json()["weights"] == {"v1": 100}
        any_shop.start("v3", dry_run=True, steps=[99])
        assert any_shop.over("v3", 40)["state"] == "failed"
    assert {version for _, version in any_shop.served} == {"v1"}
    assert any_shop.ask("GET", "traffic").json()["shadow"] == {}
