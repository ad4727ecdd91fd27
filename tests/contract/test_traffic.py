"""Traffic plans, rollouts and experiments over HTTP: shapes, refusals, two writers at once."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from app.registry.repository import Repository
from tests.client import Answer, message
from tests.models import everything, linear
from tests.programs import wait_until
from tests.servers import RedisServer, Server

ROOT = "/v1/models/linear"


@contextmanager
def _serving(folder: Path, kind: str) -> Iterator[Server]:
    """One worker by itself, or two around a Redis."""
    repository = Repository(folder / "models")
    for model in (linear(), linear((10.0, 10.0), version="v2"), everything().but(name="people")):
        model.add(repository)
    env = {"SLUICE_LOG_LEVEL": "debug"}
    with ExitStack() as stack:
        if kind == "redis":
            redis = stack.enter_context(RedisServer(folder / "redis"))
            env |= {"SLUICE_REDIS_URL": redis.url, "WEB_CONCURRENCY": "2"}
        yield stack.enter_context(Server(folder / "server", env, repository.root))


@pytest.fixture(params=["embedded", "redis"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server for one test."""
    with _serving(tmp_path, request.param) as server:
        yield server


@pytest.fixture(scope="module", params=["embedded", "redis"])
def unplanned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for those who never get a plan in."""
    with _serving(tmp_path_factory.mktemp("unplanned"), request.param) as server:
        yield server


def put(server: Server, weights: Mapping[str, float], headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
    return patiently(server, message("PUT", f"{ROOT}/traffic", {"weights": weights, **more}, headers))


def patiently(server: Server, raw: bytes) -> Answer:
    """Ask again while shared state is away, as the answer says: a busy machine may not reach Redis in its 50 ms."""
    for _ in range(20):
        answer = server.send(raw)
        if answer.status != 503:
            break
        sleep(0.3)
    return answer


def post(server: Server, path: str, body: Any = None) -> Answer:
    return patiently(server, message("POST", f"{ROOT}/{path}", body or {}))


def get(server: Server, path: str) -> Answer:
    return patiently(server, message("GET", f"{ROOT}/{path}"))


def ask(server: Server, headers: Mapping[str, str] | None = None) -> Answer:
    answer = server.post(f"{ROOT}/predict", {"features": [1, 2]}, headers)
    assert answer.status == 200, answer.body
    return answer


def everywhere(server: Server, weights: Mapping[str, float]) -> None:
    """Until every worker routes by these weights: two seconds, were the machine idle."""
    shown = json.dumps({name: round(share * 100) for name, share in weights.items()}, separators=(",", ":"))
    count = len(server.workers)
    wait_until(lambda: server.log.count(f'"weights":{shown}') >= count, 10, f"{shown} in every worker")


def test_a_plan_is_set_followed_and_taken_back(running: Server) -> None:
    shown = get(running, "traffic").json()
    assert (shown["generation"], shown["weights"]) == (0, {"v2": 100})
    first = put(running, {"v1": 100})
    assert first.status == 200, first.body
    assert first.headers["etag"] == '"1"'
    everywhere(running, {"v1": 100})
    answer = ask(running)
    assert (answer.headers["x-model-version"], answer.headers["x-route"]) == ("v1", "weight")
    assert answer.json()["model_version"] == "v1"
    put(running, {"v2": 100})
    back = post(running, "traffic/rollback")
    assert back.json()["weights"] == {"v1": 100}
    assert back.json()["generation"] == 3


def test_units_stick_in_every_worker_and_variants_are_named(running: Server) -> None:
    put(running, {"v1": 50, "v2": 50}, unit="header", experiment="colours", variants={"v1": "blue", "v2": "green"})
    everywhere(running, {"v1": 50, "v2": 50})
    seen: dict[str, set[str]] = {}
    for _ in range(4):
        for unit in map(str, range(30)):
            answer = ask(running, {"X-Unit-ID": unit})
            assert answer.headers["x-route"] == "sticky"
            assert {"blue": "v1", "green": "v2"}[answer.headers["x-variant"]] == answer.headers["x-model-version"]
            seen.setdefault(unit, set()).add(answer.headers["x-model-version"])
    assert all(len(versions) == 1 for versions in seen.values())
    assert {version for versions in seen.values() for version in versions} == {"v1", "v2"}
    assert ask(running).headers["x-route"] == ask(running, {"X-Unit-ID": " "}).headers["x-route"] == "weight"
    assert '"route":"sticky","variant":"blue"' in running.log


def test_testers_name_a_version(running: Server) -> None:
    put(running, {"v1": 100})
    everywhere(running, {"v1": 100})
    answer = ask(running, {"X-Model-Version": "v2"})
    assert (answer.headers["x-model-version"], answer.headers["x-route"]) == ("v2", "override")
    pinned = running.post(f"{ROOT}/versions/v2/predict", {"features": [1, 2]}, {"X-Model-Version": "v1"})
    assert (pinned.headers["x-model-version"], pinned.headers["x-route"]) == ("v2", "explicit")
    unknown = running.post(f"{ROOT}/predict", {"features": [1, 2]}, {"X-Model-Version": "v9"})
    assert (unknown.status, unknown.json()["type"]) == (404, "urn:sluice:problem:version-not-found")
    inference = {"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
    answer = running.post("/v2/models/linear/infer", inference, {"X-Model-Version": "v2"})
    assert (answer.headers["x-model-version"], answer.headers["x-route"]) == ("v2", "override")


def test_of_two_deployers_one_wins_each_generation(running: Server) -> None:
    for generation in range(4):
        with ThreadPoolExecutor(8) as pool:
            seen = {"If-Match": f'"{generation}"'}
            answers = list(pool.map(lambda n, seen=seen: put(running, {f"v{n % 2 + 1}": 100}, seen), range(8)))
        assert Counter(answer.status for answer in answers) == {200: 1, 409: 7}
        assert get(running, "traffic").json()["generation"] == generation + 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"weights": {"v1": 60, "v2": 60}}, 422, "weights"),
        ({"weights": {}}, 422, "weights"),
        ({"weights": {"v1": 99.999, "v2": 0.001}}, 422, "weights"),
        ({"weights": {"v1": -1, "v2": 101}}, 422, "weights.v1.value"),
        ({"weights": {"v1": 100}, "variants": {"v1": "blue\n"}}, 422, "variants.v1.value"),
        ({"weights": {"v1": 100}, "unit": "moon"}, 422, "unit"),
        ({"weights": {"v1": 100}, "extra": 1}, 422, "extra"),
        ({"weights": {"v9": 100}}, 404, None),
        ({"weights": {"v1": 100}, "shadow": {"v9": 5}}, 404, None),
    ],
)
def test_plans_that_are_none(unplanned: Server, body: Any, status: int, field: str | None) -> None:
    answer = patiently(unplanned, message("PUT", f"{ROOT}/traffic", body))
    assert answer.status == status, answer.body
    assert field is None or field in answer.json()["errors"]
    assert get(unplanned, "traffic").json()["generation"] == 0


def test_what_cannot_follow_is_a_conflict(running: Server) -> None:
    for path in ("traffic/rollback", "rollouts/promote", "rollouts/abort"):
        assert post(running, path).status == 409
    assert post(running, "rollouts", {"canary": "v2"}).status == 409
    put(running, {"v1": 100})
    started = post(running, "rollouts", {"canary": "v2", "steps": [5]})
    assert started.status == 200
    assert started.json()["running"]["percent"] == 5
    assert started.json()["verdict"]["decision"] == "hold"
    assert put(running, {"v1": 100}).status == 409
    assert post(running, "rollouts", {"canary": "v2"}).status == 409
    assert post(running, "rollouts/abort").json()["history"][0]["state"] == "aborted"
    assert get(running, "traffic").json()["weights"] == {"v1": 100}


def test_what_is_not_served_gets_no_traffic(running: Server) -> None:
    put(running, {"v1": 100})
    assert post(running, "rollouts", {"canary": "v2", "steps": [5]}).status == 200
    assert running.post("/v2/repository/models/linear/unload", {}).status == 200
    wait_until(lambda: running.log.count('"event":"model_unloaded"') >= len(running.workers), 10, "it to be unloaded")
    promoted = running.post(f"{ROOT}/rollouts/promote", {})
    assert promoted.json()["type"] == "urn:sluice:problem:model-not-ready"
    assert post(running, "rollouts/abort").status == 200
    back = running.post(f"{ROOT}/traffic/rollback", {})
    assert back.json()["type"] == "urn:sluice:problem:model-not-ready"


def test_evidence_of_an_experiment(running: Server) -> None:
    put(running, {"v1": 50, "v2": 50}, unit="request", experiment="sums", variants={"v1": "a", "v2": "b"})
    everywhere(running, {"v1": 50, "v2": 50})
    for _ in range(60):
        ask(running)

    def counted() -> int:
        answer = get(running, "experiment")
        assert answer.status == 200, answer.body
        arms = answer.json()["arms"]
        return sum(int(arm["requests"]) for arm in arms)

    wait_until(lambda: counted() == 60, 15, "60 requests to be counted")
    shown = get(running, "experiment").json()
    assert {arm["variant"] for arm in shown["arms"]} == {"a", "b"}
    assert shown["decidable"] is False
    rate = shown["arms"][0]["measures"]["error_rate"]
    assert rate["low"] == 0 < rate["high"] < 0.3
