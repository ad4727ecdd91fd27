"""Which version answers a gRPC call; the answer and the access log say which and why, as at the other doors."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from grpc import StatusCode

from app.registry.repository import Repository
from app.rpc.protocol import open_inference_pb2 as pb
from tests.client import message
from tests.contract.rpc.messages import linear as question
from tests.contract.rpc.messages import request as asked
from tests.contract.rpc.messages import typed
from tests.models import everything, fragile, linear
from tests.programs import wait_until
from tests.rpc_server import Reply, RpcClient, RpcServer
from tests.servers import RedisServer, Server


@dataclass
class House:
    """Both doors over the same models and the same plans."""

    rest: Server
    door: RpcServer
    client: RpcClient

    def plan(self, weights: Mapping[str, int], model: str = "linear", **more: Any) -> None:
        """Put a plan, and wait until the gRPC door knows it."""
        answer = self.rest.send(message("PUT", f"/v1/models/{model}/traffic", {"weights": weights, **more}))
        assert answer.status == 200, answer.body
        self.know(model, answer.json()["generation"])

    def know(self, model: str, generation: int) -> None:
        told = f'"model":"{model}","generation":{generation},"weights"'
        wait_until(lambda: told in self.door.log and told in self.rest.log, 10, "the plan at both doors")

    def infer(self, sent: pb.ModelInferRequest | None = None, **metadata: str) -> Reply:
        pairs = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        return self.client.infer(sent or question(), metadata=pairs)

    def line(self, request_id: str) -> Any:
        """What the access log has of a call."""
        wait_until(lambda: f'"request_id":"{request_id}"' in self.door.log, 5, "the line of the call")
        found = (json.loads(it) for it in self.door.log.splitlines() if f'"request_id":"{request_id}"' in it)
        return next(it for it in found if it.get("method") == "GRPC")


@pytest.fixture(scope="module", params=["embedded", "redis"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("traffic")
    repository = Repository(folder / "models")
    for model in (linear(), linear((3.0, 4.0), version="v2"), fragile(name="linear", version="v3")):
        model.add(repository)
    for version in ("v1", "v2"):
        everything("people", version).add(repository)
    env = {"SLUICE_DATA_DIR": str(folder / "var"), "SLUICE_CACHE": "off"}
    with ExitStack() as stack:
        if request.param == "redis":
            env["SLUICE_REDIS_URL"] = stack.enter_context(RedisServer(folder / "redis")).url
        rest = stack.enter_context(Server(folder / "rest", env, repository.root))
        door = stack.enter_context(RpcServer(folder / "rpc", env, repository.root))
        yield House(rest, door, stack.enter_context(RpcClient(door.address)))


def told(reply: Reply) -> tuple[str, str]:
    """The version that answered, and why."""
    assert reply.code is StatusCode.OK, reply
    return reply.answer.model_version, reply.answer.parameters["route"].string_param


def test_the_plan_deals_the_header_overrides_and_the_message_names(house: House) -> None:
    house.plan({"v1": 100}, unit="request")
    assert told(house.infer(x_request_id="plain")) == ("v1", "weight")
    assert told(house.infer(x_model_version="v2", x_request_id="tester")) == ("v2", "override")
    assert told(house.infer(question(version="v2"), x_request_id="named")) == ("v2", "explicit")
    assert told(house.infer(question(version="v2"), x_model_version="v1")) == ("v2", "explicit")
    logged = [house.line(name) for name in ("plain", "tester", "named")]
    assert [(it["version"], it["route"]) for it in logged] == [("v1", "weight"), ("v2", "override"), ("v2", "explicit")]


@pytest.mark.parametrize("way", ["header", "message"])
def test_a_version_that_is_none_is_not_found(house: House, way: str) -> None:
    reply = house.infer(x_model_version="v9") if way == "header" else house.infer(question(version="v9"))
    assert (reply.code, "has no version 'v9'" in reply.message) == (StatusCode.NOT_FOUND, True)


def test_a_unit_keeps_its_version_and_has_it_over_http_too(house: House) -> None:
    named = {"v1": "blue", "v2": "green"}
    house.plan({"v1": 50, "v2": 50}, unit="header", experiment="colours", variants=named)
    versions = set()
    for unit in map(str, range(20)):
        replies = [house.infer(x_unit_id=unit, x_request_id=f"unit-{unit}") for _ in range(3)]
        (only,) = {told(reply) for reply in replies}
        sent = message("POST", "/v1/models/linear/predict", {"features": [1, 2]}, {"X-Unit-ID": unit})
        assert only == (house.rest.send(sent).headers["x-model-version"], "sticky")
        assert replies[0].answer.parameters["variant"].string_param == named[only[0]]
        versions.add(only[0])
    assert versions == {"v1", "v2"}
    logged = house.line("unit-7")
    assert (logged["route"], logged["variant"]) == ("sticky", named[logged["version"]])
    assert told(house.infer())[1] == "weight"


def person(customer: str) -> pb.ModelInferRequest:
    """A row of ``everything`` about somebody."""
    sent = asked("people")
    typed(sent, "X", "FP32", [1, 5], [30.5, 5.5, 0.5, 3, 1])
    typed(sent, "N", "INT64", [1, 1], [4])
    for name, value in (("city", b"Oslo"), ("note", b"x"), ("customer_id", customer.encode())):
        typed(sent, name, "BYTES", [1, 1], [value])
    return sent


def test_an_entity_keeps_its_version(house: House) -> None:
    house.plan({"v1": 50, "v2": 50}, "people", unit="entity", experiment="people")
    seen = {}
    for customer in map(str, range(20)):
        (seen[customer],) = {told(house.infer(person(customer))) for _ in range(3)}
    assert {version for version, _ in seen.values()} == {"v1", "v2"}
    assert {why for _, why in seen.values()} == {"sticky"}


def test_a_canary_that_fails_costs_no_answer(house: House) -> None:
    house.plan({"v1": 100}, unit="request")
    start = message("POST", "/v1/models/linear/rollouts", {"canary": "v3", "steps": [99], "interval_s": 600})
    answer = house.rest.send(start)
    assert answer.status == 200, answer.body
    shown = house.rest.get("/v1/models/linear/traffic").json()
    house.know("linear", shown["generation"])
    try:
        seen = {told(house.infer(x_request_id=f"canary-{n}")) for n in range(4)}
        assert ("v1", "fallback") in seen
        assert {version for version, _ in seen} == {"v1"}
        assert house.line("canary-0")["version"] == "v1"
    finally:
        house.rest.send(message("POST", "/v1/models/linear/rollouts/abort", {}))
