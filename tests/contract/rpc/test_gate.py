"""The same gate as REST's: keys in metadata, roles, quotas in calls and rows, audit, and no key in any log."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from app.rpc.protocol import open_inference_pb2 as pb
from config.roles import load_access
from tests.contract.rpc.messages import linear, request, typed, values_of
from tests.gatehouse import ROLES, Key, guarded, make_key
from tests.programs import ROOT, wait_until
from tests.rpc_server import RpcClient, RpcServer

SCOPES = {"ModelInfer": "predict", "ModelMetadata": "models:read"}
PUBLIC = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, rpc_models: Path) -> Iterator[tuple[RpcServer, dict[str, Key]]]:
    """A server with one key of each role."""
    data = tmp_path_factory.mktemp("data")
    made = {role: make_key(data, role) for role in ROLES}
    with RpcServer(tmp_path_factory.mktemp("rpc-gate"), guarded(data), rpc_models) as server:
        yield server, made


def _asked(method: str) -> Any:
    return linear() if method == "ModelInfer" else pb.ModelMetadataRequest(name="linear")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("method", SCOPES)
def test_every_role_may_exactly_what_it_was_given(
    house: tuple[RpcServer, dict[str, Key]], method: str, role: str
) -> None:
    server, made = house
    granted = load_access(ROOT / "config/roles.yaml").roles[role].scopes
    allowed = bool(granted & {SCOPES[method], "*"})
    with RpcClient(server.address, made[role].key) as client:
        reply = client.call(method, _asked(method))
    assert reply.code is (StatusCode.OK if allowed else StatusCode.PERMISSION_DENIED), reply
    if not allowed:
        assert reply.message == f"This needs the scope '{SCOPES[method]}', which your role does not have."


def test_every_method_is_public_or_has_a_scope() -> None:
    methods = set(pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name)
    assert methods == {*SCOPES, *PUBLIC}


@pytest.mark.parametrize("method", PUBLIC)
def test_probes_need_no_key(house: tuple[RpcServer, dict[str, Key]], method: str) -> None:
    with RpcClient(house[0].address) as client:
        assert client.call(method).code is StatusCode.OK
        assert client.health() == "SERVING"


def _shown(key: str) -> list[Mapping[str, str]]:
    return [
        {},
        {"x-api-key": ""},
        {"x-api-key": "nonsense"},
        {"x-api-key": key[:-1] + ("A" if key[-1] != "A" else "B")},
        {"x-api-key": key + "x"},
        {"authorization": key},
        {"authorization": f"Basic {key}"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."},
    ]


@pytest.mark.parametrize("number", range(9))
def test_what_proves_nothing(house: tuple[RpcServer, dict[str, Key]], number: int) -> None:
    server, made = house
    shown = _shown(made["predictor"].key)[number]
    with RpcClient(server.address) as client:
        for message in (linear(), b"\xff\xff"):
            reply = client.call("ModelInfer", message, metadata=list(shown.items()))
            assert (reply.code, reply.details["ErrorInfo"].reason) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@pytest.mark.parametrize("form", ["x-api-key", "authorization"])
def test_both_places_for_a_key(house: tuple[RpcServer, dict[str, Key]], form: str) -> None:
    server, made = house
    key = made["predictor"].key
    with RpcClient(server.address) as client:
        shown = [(form, key if form == "x-api-key" else f"Bearer {key}")]
        assert values_of(client.infer(linear(), metadata=shown).answer) == [11.5]


def test_a_key_for_other_models(house: tuple[RpcServer, dict[str, Key]]) -> None:
    server, _ = house
    data = Path(server.environment()["SLUICE_DATA_DIR"])
    key = make_key(data, "predictor", "--model", "identity")
    with RpcClient(server.address, key.key) as client:
        wait_until(lambda: client.infer(linear()).code is not StatusCode.UNAUTHENTICATED, 5, "the new key")
        assert client.infer(linear()).code is StatusCode.PERMISSION_DENIED
        allowed = typed(request("identity"), "X", "FP32", [1, 20], [0.0] * 20)
        assert client.infer(allowed).code is StatusCode.OK


@pytest.mark.parametrize(("quota", "paid"), [("requests=5/hour", 1), ("rows=15/hour", 3)])
def test_quotas_of_calls_and_rows(start_rpc: Callable[..., RpcServer], tmp_path: Path, quota: str, paid: int) -> None:
    """Five calls of three rows are let in, the sixth is told when to come again; refused rows cost nothing."""
    key = make_key(tmp_path / "data", "predictor", "--quota", quota)
    server = start_rpc(guarded(tmp_path / "data"))
    asked = typed(request("linear"), "X", "FP32", [3, 2], [1, 2, 3, 4, 5, 6])
    with RpcClient(server.address, key.key) as client:
        assert [client.infer(asked).code for _ in range(5)] == [StatusCode.OK] * 5
        refused = client.infer(asked)
    assert (refused.code, refused.details["ErrorInfo"].reason) == (StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
    unit = quota.partition("=")[0]
    assert refused.message == f"The limit of {5 * paid} {unit} in 3600 s is used up."
    seconds = refused.details["RetryInfo"].retry_delay.seconds
    assert 3500 < seconds <= 3600
    assert int(refused.trailers["retry-after"]) == seconds + 1
    assert refused.trailers["ratelimit-policy"] == f'"{unit}";q={5 * paid};w=3600'
    assert refused.trailers["ratelimit"].startswith(f'"{unit}";r=0;t=')


def test_denials_are_audited_and_keys_are_in_no_log(house: tuple[RpcServer, dict[str, Key]]) -> None:
    server, made = house
    audit = Path(server.environment()["SLUICE_DATA_DIR"]) / "audit.jsonl"
    with RpcClient(server.address, made["viewer"].key) as viewer, RpcClient(server.address, "slu_guess") as guess:
        assert viewer.infer(linear()).code is StatusCode.PERMISSION_DENIED
        assert guess.infer(linear()).code is StatusCode.UNAUTHENTICATED
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    forbidden = [line for line in lines if line["subject"] == f"key:{made['viewer'].id}" and "model" in line]
    assert {"action": "predict", "reason": "forbidden", "model": "linear", "address": "127.0.0.1"}.items() <= forbidden[
        -1
    ].items()
    assert any(line["subject"] == "address:127.0.0.1" and line["reason"] == "unauthenticated" for line in lines)
    for key in made.values():
        assert key.key not in audit.read_text() + server.log


def test_forwarded_addresses_count_only_from_trusted_hops(start_rpc: Callable[..., RpcServer]) -> None:
    metadata = [("x-forwarded-for", "203.0.113.9"), ("x-request-id", "forwarded-1")]
    for trusted, address in (("", "127.0.0.1"), ("127.0.0.1", "203.0.113.9")):
        server = start_rpc({"SLUICE_TRUSTED_PROXIES": trusted})
        with RpcClient(server.address) as client:
            assert client.infer(linear(), metadata=metadata).code is StatusCode.OK
        wait_until(lambda server=server: "forwarded-1" in server.log, 5, "the access line")
        (line,) = [json.loads(text) for text in server.log.splitlines() if "forwarded-1" in text]
        assert (line["client"], line["caller"], line["status"], line["rows"]) == (address, "open", "OK", 1)
