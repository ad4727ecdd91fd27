"""REST v1, the inference protocol in JSON and in binary, gRPC in both forms, and platforms are doors to one pipeline.

The same rows (``fixtures/*.json``) give identical numbers, verdicts, cache entries, quota charges and log lines, asked
of a REST server and a gRPC server that share one Redis and one key store.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode

from app.oip.datatypes import DATATYPES
from app.oip.raw import to_raw
from app.registry.repository import Repository
from tests.client import Answer
from tests.contract.inference import LENGTH, outputs_of, raw_tensor, tensor
from tests.contract.rpc.messages import raw, request, typed, values_of
from tests.gatehouse import Key, guarded, make_key
from tests.models import everything
from tests.programs import wait_until
from tests.rpc_server import Reply, RpcClient, RpcServer
from tests.servers import RedisServer, Server

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "everything.json").read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = FIXTURE["cases"]
MODEL: str = FIXTURE["model"]

COLUMNS = {
    "age": "FP32", "income": "FP32", "score": "FP32", "visits": "INT32", "member": "BOOL", "count": "INT64",
    "city": "BYTES", "note": "BYTES",
}  # fmt: skip

Rows = Sequence[Mapping[str, Any]]

WARM = CASES[0]["rows"][0] | {"count": 99, "note": "warm"}
"""A row of no case."""


@dataclass(frozen=True)
class Seen:
    """What a door said: the numbers or the fault, where they came from, what is left of the quota, which request."""

    sums: list[float] | None
    fault: list[Any] | None
    cache: str | None
    left: int | None
    refused: bool
    request_id: str


@dataclass
class House:
    """Both servers, behind one Redis, and where their keys lie."""

    rest: Server
    rpc: RpcServer
    data: Path


Door = Callable[[House, Key, Rows], Seen]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("doors")
    repository = Repository(folder / "models")
    repository.root.mkdir()
    everything().add(repository)
    (folder / "deployment.yaml").write_text("cache: {l1: on, l2: on}\n", encoding="utf-8")
    (folder / "redis").mkdir()
    with RedisServer(folder / "redis") as redis:
        url = f"{redis.url}?socket_timeout=2&socket_connect_timeout=2"  # a busy machine is no fault to go on without it
        env = guarded(folder / "data", SLUICE_REDIS_URL=url, SLUICE_CACHE_SECRET="a secret of the tests")
        env["SLUICE_DEPLOYMENT_FILE"] = str(folder / "deployment.yaml")
        make_key(folder / "data", "viewer")
        with (
            Server(folder / "rest", env, repository.root) as rest,
            RpcServer(folder / "rpc", env, repository.root) as rpc,
        ):
            yield House(rest, rpc, folder / "data")


def array(name: str, rows: Rows) -> np.ndarray[Any, Any]:
    """A column; what is missing among numbers is NaN."""
    values = [math.nan if row[name] is None else row[name] for row in rows]
    return np.array(values, dtype=DATATYPES[COLUMNS[name]])


def v1(house: House, key: Key, rows: Rows) -> Seen:
    answer = house.rest.post(f"/v1/models/{MODEL}/predict", {"instances": list(rows)}, key.header)
    found = re.search(r"instances\[(\d+)\]\.(\w+)", json.dumps(answer.json().get("errors", {})))
    sums = [row["prediction"] for row in answer.json()["predictions"]] if answer.status == 200 else None
    return _seen(answer.headers, sums, found, answer.status == 429)


def v2_json(house: House, key: Key, rows: Rows) -> Seen:
    inputs = [tensor(name, kind, [len(rows)], [row[name] for row in rows]) for name, kind in COLUMNS.items()]
    answer = house.rest.post(f"/v2/models/{MODEL}/infer", {"inputs": inputs}, key.header)
    return _v2(answer)


def v2_binary(house: House, key: Key, rows: Rows) -> Seen:
    data = {name: to_raw(array(name, rows)) for name in COLUMNS}
    inputs = [raw_tensor(name, kind, [len(rows)], len(data[name])) for name, kind in COLUMNS.items()]
    header = json.dumps({"inputs": inputs}).encode()
    headers = {LENGTH: str(len(header)), "Content-Type": "application/octet-stream"} | key.header
    return _v2(house.rest.post(f"/v2/models/{MODEL}/infer", header + b"".join(data.values()), headers))


def rpc_typed(house: House, key: Key, rows: Rows) -> Seen:
    asked = request(MODEL)
    for name, kind in COLUMNS.items():
        values = array(name, rows).tolist()
        typed(asked, name, kind, [len(rows)], [text.encode() for text in values] if kind == "BYTES" else values)
    with RpcClient(house.rpc.address, key.key) as client:
        reply = client.infer(asked)
    return _rpc(reply, values_of(reply.answer) if reply.answer else None)


def rpc_raw(house: House, key: Key, rows: Rows) -> Seen:
    asked = request(MODEL)
    for name, kind in COLUMNS.items():
        raw(asked, name, kind, [len(rows)], array(name, rows))
    with RpcClient(house.rpc.address, key.key) as client:
        reply = client.infer(asked)
    return _rpc(reply, np.frombuffer(reply.answer.raw_output_contents[0], "<f4").tolist() if reply.answer else None)


def score(house: House, key: Key, rows: Rows) -> Seen:
    """Azure ML."""
    answer = house.rest.post("/score", {"data": list(rows)}, key.header)
    return _platform(answer, answer.json())


def invocations(house: House, key: Key, rows: Rows) -> Seen:
    """SageMaker and MLflow."""
    answer = house.rest.post("/invocations", {"dataframe_records": list(rows)}, key.header)
    return _platform(answer, answer.json().get("predictions"))


DOORS: list[Door] = [v1, v2_json, v2_binary, rpc_typed, rpc_raw, score, invocations]


def _platform(answer: Answer, predictions: Any) -> Seen:
    found = None if answer.status == 200 else re.search(r"\[(\d+)\]\.(\w+)", answer.json()["message"])
    return _seen(answer.headers, predictions if answer.status == 200 else None, found, answer.status == 429)


def _v2(answer: Any) -> Seen:
    sums = [row[0] for row in outputs_of(answer)["Y"]] if answer.status == 200 else None
    found = None if sums else re.search(r"\.data\[(\d+)\]: (\w+)", answer.json()["error"])
    return _seen(answer.headers, sums, found, answer.status == 429)


def _rpc(reply: Reply, sums: list[float] | None) -> Seen:
    found = re.search(r"\.data\[(\d+)\]: (\w+)", reply.message)
    cache = {"x-cache": reply.answer.parameters["cache"].string_param} if reply.answer else {}
    return _seen({**reply.trailers, **cache}, sums, found, reply.code is StatusCode.RESOURCE_EXHAUSTED)


def _seen(said: Mapping[str, str], sums: list[float] | None, found: Any, refused: bool) -> Seen:
    fault = [int(found[1]), found[2]] if found else None
    left = re.search(r'"requests";r=(\d+)', said.get("ratelimit", ""))
    return Seen(sums, fault, said.get("x-cache"), int(left[1]) if left else None, refused, said["x-request-id"])


@pytest.fixture(scope="module")
def free(house: House) -> Key:
    """A key without limits, known to both servers, which have found their Redis: a busy machine may take a while."""
    key = known(house, make_key(house.data, "predictor"))
    for door in (v1, rpc_typed):
        wait_until(lambda door=door: "hit" in (door(house, key, [WARM]).cache or ""), 30, "the cache to remember")
    return key


def known(house: House, key: Key) -> Key:
    """The same key, when both servers have heard of it."""
    with RpcClient(house.rpc.address, key.key) as client:
        wait_until(lambda: house.rest.get("/v1/models", key.header).status == 200, 10, "REST to know the key")
        probe = request(MODEL)
        wait_until(lambda: client.infer(probe).code is not StatusCode.UNAUTHENTICATED, 10, "gRPC to know the key")
    return key


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["name"].replace(" ", "-") for case in CASES])
def test_same_rows_same_numbers_same_verdicts_same_entries(house: House, free: Key, number: int) -> None:
    """Another door begins each time, and what it computed reaches the other process; then every door finds it."""
    case = CASES[number]
    order = DOORS[number % len(DOORS) :] + DOORS[: number % len(DOORS)]
    seen = [order[0](house, free, case["rows"])]
    if "fault" not in case:
        for door in (v1, rpc_typed):
            wait_until(lambda door=door: "hit" in (door(house, free, case["rows"]).cache or ""), 30, "the entry")
    seen += [door(house, free, case["rows"]) for door in order[1:]]
    if "fault" in case:
        assert [one.fault for one in seen] == [case["fault"]] * len(order)
        assert {one.sums is None for one in seen} == {True}
        return
    assert [one.sums for one in seen] == [seen[0].sums] * len(order)
    assert seen[0].sums == pytest.approx(case["sums"], rel=1e-6)
    assert [one.cache for one in seen[1:]] == [cache for one in seen[1:] if (cache := one.cache) and "hit" in cache]


def test_every_door_pays_one_call(house: House) -> None:
    """Good rows or bad: what is left goes down by one, whoever asks."""
    key = known(house, make_key(house.data, "predictor", "--quota", "requests=90/hour"))
    left = [seen.left for case in CASES[5:8] for door in DOORS if (seen := door(house, key, case["rows"]))]
    assert None not in left
    assert left == list(range(left[0], left[0] - len(left), -1))  # type: ignore[arg-type,operator]


def test_every_door_pays_for_its_rows(house: House) -> None:
    """Seven doors with four rows each use up twenty-eight; then each of them is closed."""
    key = known(house, make_key(house.data, "predictor", "--quota", "rows=28/hour"))
    rows = CASES[1]["rows"]
    assert [door(house, key, rows).refused for door in DOORS] == [False] * len(DOORS)
    assert [door(house, key, rows).refused for door in DOORS] == [True] * len(DOORS)


OWN = {"timestamp", "request_id", "method", "path", "status", "duration_ms", "cache"}
"""What an access line says of its door, or of the moment."""


def test_every_door_writes_the_same_line(house: House, free: Key) -> None:
    lines = [_line(house, door(house, free, CASES[0]["rows"]).request_id) for door in DOORS]
    facts = [{name: value for name, value in line.items() if name not in OWN} for line in lines]
    assert facts == [facts[0]] * len(DOORS)
    assert facts[0].items() >= {"model": MODEL, "version": "v1", "rows": 1, "caller": f"key:{free.id}"}.items()
    assert [line.keys() for line in lines] == [lines[0].keys()] * len(DOORS)


def _line(house: House, request_id: str) -> dict[str, Any]:
    def written() -> list[str]:
        text = house.rest.log + house.rpc.log
        return [line for line in text.splitlines() if request_id in line and '"event":"request"' in line]

    wait_until(lambda: bool(written()), 5, f"an access line of {request_id}")
    (line,) = written()
    found: dict[str, Any] = json.loads(line)
    return found
