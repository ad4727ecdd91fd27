"""The standard services: health of the server, the service and each model; reflection; and what the metadata says."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from app.registry.repository import Repository
from app.rpc.protocol import open_inference_pb2 as pb
from tests.models import everything, linear
from tests.rpc_server import SERVICE, RpcClient, RpcServer


@pytest.fixture(scope="module")
def lame(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RpcServer]:
    """Serves ``linear``; of ``everything`` the file is damaged."""
    repository = Repository(tmp_path_factory.mktemp("lame") / "models")
    linear().add(repository)
    (everything().add(repository) / "model.onnx").write_bytes(b"no model")
    with RpcServer(tmp_path_factory.mktemp("lame-server"), models=repository.root) as running:
        yield running


def test_health_of_each(lame: RpcServer) -> None:
    with RpcClient(lame.address) as client:
        asked = ("", SERVICE, "models/linear", "models/everything", "models/absent")
        assert [client.health(name) for name in asked] == ["SERVING", "SERVING", "SERVING", "NOT_SERVING", "NOT_FOUND"]


def test_readiness_of_each(lame: RpcServer) -> None:
    with RpcClient(lame.address) as client:
        assert client.call("ServerLive").answer.live
        assert client.call("ServerReady").answer.ready
        wanted = {("linear", ""): True, ("linear", "v1"): True, ("linear", "v9"): False, ("everything", ""): False}
        for (name, version), ready in wanted.items():
            asked = pb.ModelReadyRequest(name=name, version=version)
            assert client.call("ModelReady", asked).answer.ready is ready


def test_a_server_without_models_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with RpcServer(tmp_path, models=tmp_path / "models") as server, RpcClient(server.address) as client:
        assert client.health() == "NOT_SERVING"
        assert not client.call("ServerReady").answer.ready
        assert client.call("ServerLive").answer.live


def test_watchers_hear_of_the_end_first(tmp_path: Path, rpc_models: Path) -> None:
    with RpcServer(tmp_path, models=rpc_models) as server, RpcClient(server.address) as client:
        watch = HealthStub(client.channel).Watch(HealthCheckRequest(service=SERVICE), timeout=20)
        assert next(watch).status == HealthCheckResponse.SERVING
        server.signal(signal.SIGTERM)
        assert next(watch).status == HealthCheckResponse.NOT_SERVING
        assert client.call("ServerLive").answer.live, "calls are still taken while balancers look away"
        assert not client.call("ServerReady").answer.ready


def test_a_watcher_who_leaves_takes_nobodys_news_along(tmp_path: Path, rpc_models: Path) -> None:
    with (
        RpcServer(tmp_path, models=rpc_models) as server,
        RpcClient(server.address) as client,
        RpcClient(server.address) as other,
    ):
        staying = HealthStub(client.channel).Watch(HealthCheckRequest(), timeout=20)
        leaving = HealthStub(other.channel).Watch(HealthCheckRequest(), timeout=20)
        assert [next(staying).status, next(leaving).status] == [HealthCheckResponse.SERVING] * 2
        leaving.cancel()
        server.signal(signal.SIGTERM)
        assert next(staying).status == HealthCheckResponse.NOT_SERVING


def test_metadata(rpc: RpcClient) -> None:
    answer = rpc.call("ModelMetadata", pb.ModelMetadataRequest(name="everything")).answer
    assert (answer.name, answer.platform, list(answer.versions)) == ("everything", "onnxruntime_onnx", ["v1"])
    assert [(it.name, it.datatype, list(it.shape)) for it in answer.inputs] == [
        ("X", "FP32", [-1, 5]),
        ("N", "INT64", [-1, 1]),
        ("city", "BYTES", [-1, 1]),
        ("note", "BYTES", [-1, 1]),
    ]
    assert [(it.name, it.datatype, list(it.shape)) for it in answer.outputs] == [
        ("Y", "FP32", [-1, 1]),
        ("T", "BYTES", [-1, 2]),
    ]
    assert rpc.call("ServerMetadata").answer.name == "sluice"


def test_reflection(rpc: RpcClient) -> None:
    """Services by name, and the messages behind them: the very file that the code was made from."""
    told = ProtoReflectionDescriptorDatabase(rpc.channel)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(told.get_services())
    assert told.FindFileContainingSymbol(SERVICE).SerializeToString() == pb.DESCRIPTOR.serialized_pb
