"""The gRPC door as tests meet it: the program, and a client that says everything a call ended with."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from app.rpc.protocol import open_inference_pb2 as pb
from tests.client import Answer, exchange, message
from tests.programs import HOST, free_port
from tests.servers import Sluice

SERVICE = "inference.GRPCInferenceService"
_METHODS = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name


class RpcServer(Sluice):
    """``python -m app.rpc``."""

    name = "rpc"
    started_event = "rpc_ready"

    def choose_ports(self) -> None:
        """For calls, and for scrapes."""
        super().choose_ports()
        self.metrics_port = free_port()

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{HOST}:{self.port}"

    def ports(self) -> Mapping[str, str]:
        """Both of them."""
        return {"SLUICE_GRPC_PORT": str(self.port), "SLUICE_GRPC_METRICS_PORT": str(self.metrics_port)}

    def command(self) -> Sequence[str]:
        """The module, in the interpreter that runs the tests."""
        return [sys.executable, "-m", "app.rpc"]

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET where scrapes go."""
        return exchange(HOST, self.metrics_port, message("GET", path, headers=headers))


@dataclass(frozen=True)
class Reply:
    """How a call ended. ``answer`` is None unless ``code`` is OK; ``trailers`` holds text, ``details`` the rest."""

    code: grpc.StatusCode
    message: str
    answer: Any
    trailers: Mapping[str, str]
    details: Mapping[str, Message] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def fields(self) -> dict[str, str]:
        """Field path -> what is wrong with it."""
        bad = self.details.get("BadRequest", BadRequest())
        return {item.field: item.description for item in bad.field_violations}  # type: ignore[attr-defined]


class RpcClient:
    """One channel with a connection of its own."""

    def __init__(self, address: str, key: str | None = None, options: Sequence[tuple[str, Any]] = ()) -> None:
        own = {"grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0}
        self.channel = grpc.insecure_channel(address, options=list((own | dict(options)).items()))
        self._metadata = [("x-api-key", key)] if key else []

    def call(
        self,
        method: str,
        request: Message | bytes | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        timeout: float | None = 30,
    ) -> Reply:
        """Call a method of the inference service with a message, or with bytes that need not be one."""
        raw = request if isinstance(request, bytes) else request.SerializeToString() if request else b""
        read = getattr(pb, _METHODS[method].output_type.name).FromString
        stub = self.channel.unary_unary(f"/{SERVICE}/{method}", response_deserializer=read)
        started = time.perf_counter()
        try:
            answer, ended = stub.with_call(raw, timeout=timeout, metadata=[*self._metadata, *metadata])
        except grpc.RpcError as error:
            return _reply(error, None, time.perf_counter() - started)
        return _reply(ended, answer, time.perf_counter() - started)

    def infer(self, request: pb.ModelInferRequest, **how: Any) -> Reply:
        """``ModelInfer``."""
        return self.call("ModelInfer", request, **how)

    def health(self, service: str = "") -> str:
        """The name of a status, or of the code when there is none."""
        try:
            answer = HealthStub(self.channel).Check(HealthCheckRequest(service=service), timeout=5)
        except grpc.RpcError as error:
            return str(error.code().name)
        return str(HealthCheckResponse.ServingStatus.Name(answer.status))

    def close(self) -> None:
        """Hang up."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reply(ended: Any, answer: Any, seconds: float) -> Reply:
    trailers = dict(ended.trailing_metadata() or ())
    status = Status.FromString(trailers.pop("grpc-status-details-bin", b""))
    return Reply(ended.code(), ended.details() or "", answer, trailers, dict(map(_unpacked, status.details)), seconds)


def _unpacked(packed: Any) -> tuple[str, Message]:
    for kind in (BadRequest, ErrorInfo, RequestInfo, RetryInfo):
        if packed.Is(kind.DESCRIPTOR):
            detail = kind()
            packed.Unpack(detail)
            return kind.__name__, detail
    raise AssertionError(packed.type_url)
