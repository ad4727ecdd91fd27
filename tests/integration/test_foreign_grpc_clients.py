"""Clients nobody here wrote, over gRPC, unchanged and with their defaults: tritonclient, kserve, and reflection."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

from app.registry.repository import Repository
from app.rpc.protocol import open_inference_pb2 as pb
from tests.clients.environments import KSERVE, TRITON, drive
from tests.gatehouse import Key, guarded, make_key
from tests.integration.test_foreign_http_clients import DATA, ROWS, SEVERAL, SHAPE
from tests.models import everything, identity
from tests.rpc_server import SERVICE, RpcServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RpcServer, Key]]:
    """``identity`` and ``everything`` behind the gate, and a key."""
    folder = tmp_path_factory.mktemp("foreign-grpc")
    repository = Repository(folder / "models")
    for model in (identity(20), everything()):
        model.add(repository)
    key = make_key(folder / "data", "predictor")
    with RpcServer(folder, guarded(folder / "data"), folder / "models") as running:
        yield running, key


def task(served: tuple[RpcServer, Key], **more: Any) -> dict[str, Any]:
    server, key = served
    return {"url": server.address, "headers": {"x-api-key": key.key}} | more


@pytest.fixture(scope="module")
def triton(served: tuple[RpcServer, Key]) -> Any:
    """What tritonclient saw."""
    return drive(TRITON, "triton_grpc.py", task(served, **DATA))


def test_tritonclient_finds_its_way(triton: Any) -> None:
    seen = triton["sync"]
    assert (seen["live"], seen["ready"], seen["model_ready"], seen["stranger_ready"]) == (True, True, True, False)
    assert seen["server"]["name"] == "sluice"
    assert seen["metadata"]["inputs"] == [{"name": "X", "datatype": "FP32", "shape": ["-1", "20"]}]
    assert triton["asyncio"]["metadata"] == seen["metadata"]


def test_tritonclient_predicts(triton: Any) -> None:
    assert triton["sync"]["infer"] == {"Y": ROWS, "id": "id-1"}
    assert triton["sync"]["several"] == triton["asyncio"]["several"] == SEVERAL
    assert triton["asyncio"]["infer"] == [ROWS] * 8


@pytest.mark.parametrize("way", ["gzip", "deflate", "with_timeout"])
def test_tritonclient_s_options(triton: Any, way: str) -> None:
    assert triton["sync"][way] == ROWS


def test_tritonclient_overlaps(triton: Any) -> None:
    assert triton["sync"]["async_infer"] == [ROWS] * 4


def test_tritonclient_reads_refusals(triton: Any) -> None:
    assert triton["sync"]["refusal"] == ["StatusCode.INVALID_ARGUMENT", SHAPE]
    assert triton["sync"]["no_key"][0] == "StatusCode.UNAUTHENTICATED"
    assert triton["sync"]["not_there"][0] == "StatusCode.UNIMPLEMENTED"


def _fields(message: Descriptor) -> dict[str, Any]:
    told = {field.name: [field.number, field.type, field.is_repeated] for field in message.fields}
    return {"fields": told, "inner": {nested.name: _fields(nested) for nested in message.nested_types}}


def _holds(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    return ours["fields"].items() <= theirs["fields"].items() and all(
        name in theirs["inner"] and _holds(theirs["inner"][name], inner) for name, inner in ours["inner"].items()
    )


def test_our_protocol_is_the_one_that_others_publish(triton: Any) -> None:
    """Every field we have stands in NVIDIA's messages under the same name, number and type."""
    for name, theirs in triton["protocol"].items():
        assert _holds(theirs, _fields(pb.DESCRIPTOR.message_types_by_name[name])), name


def test_kserve(served: tuple[RpcServer, Key]) -> None:
    seen = drive(KSERVE, "kserve_grpc.py", task(served, rows=ROWS))
    assert [seen["live"], seen["ready"], seen["model_ready"]] == [True, True, True]
    assert seen["raw"] == {"Y": ROWS, "id": "id-1"}
    assert seen["typed"] == {"Y": ROWS, "id": "id-1"}
    assert seen["refusal"] == ["INVALID_ARGUMENT", SHAPE]


def test_reflection_is_enough_to_call(served: tuple[RpcServer, Key]) -> None:
    """What grpcurl does: ask the server for its own messages, write one in JSON, call."""
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, 20], "contents": {"fp32Contents": ROWS[0]}}
    message = {"modelName": "identity", "inputs": [tensor]}
    seen = drive(TRITON, "reflection.py", task(served, call=f"{SERVICE}/ModelInfer", message=message))
    assert seen["services"] == ["grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", SERVICE]
    (output,) = seen["answer"]["outputs"]
    assert output["contents"]["fp32Contents"] == pytest.approx(ROWS[0], rel=1e-6)
