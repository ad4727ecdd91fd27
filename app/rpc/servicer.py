"""The six methods of the service: a message in, the shared services asked, a message out."""

from collections.abc import Callable, Iterable
from typing import Any

from app.cache.freshness import parse_freshness
from app.errors import SluiceError
from app.oip.metadata import PLATFORM, SERVER_NAME, TensorMetadata, inputs_of, outputs_of, served_versions
from app.rpc.call import Call
from app.rpc.convert import request_tensors, response_message
from app.rpc.hooks import PUBLIC, Method
from app.rpc.protocol import open_inference_pb2 as pb
from app.services import Services
from app.telemetry.metrics import Facts
from app.tensors import Prediction, Request
from app.version import VERSION

SERVICE: str = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name


class Servicer:
    """Speaks for the models of this process."""

    def __init__(self, services: Services, ready: Callable[[], bool]) -> None:
        self._services = services
        self._ready = ready

    def methods(self) -> dict[str, Method[Any]]:
        """Every method of the service by name, and the scope it needs."""
        return {
            "ServerLive": Method(pb.ServerLiveRequest, PUBLIC, self.server_live),
            "ServerReady": Method(pb.ServerReadyRequest, PUBLIC, self.server_ready),
            "ModelReady": Method(pb.ModelReadyRequest, PUBLIC, self.model_ready),
            "ServerMetadata": Method(pb.ServerMetadataRequest, PUBLIC, self.server_metadata),
            "ModelMetadata": Method(
                pb.ModelMetadataRequest, "models:read", self.model_metadata, lambda it: (it.name, it.version)
            ),
            "ModelInfer": Method(
                pb.ModelInferRequest, "predict", self.model_infer, lambda it: (it.model_name, it.model_version)
            ),
        }

    def server_live(self, _: pb.ServerLiveRequest, __: Call) -> pb.ServerLiveResponse:
        """The process answers."""
        return pb.ServerLiveResponse(live=True)

    def server_ready(self, _: pb.ServerReadyRequest, __: Call) -> pb.ServerReadyResponse:
        """Whether predictions can be had, and go on to be had."""
        return pb.ServerReadyResponse(ready=self._ready())

    def model_ready(self, request: pb.ModelReadyRequest, _: Call) -> pb.ModelReadyResponse:
        """Whether a model, or a version of it, can predict; what does not exist cannot."""
        try:
            self._services.registry.version(request.name, request.version or None)
        except SluiceError:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=True)

    def server_metadata(self, _: pb.ServerMetadataRequest, __: Call) -> pb.ServerMetadataResponse:
        """Who is speaking. The protocol's extensions are REST's; what gRPC can do is in its service."""
        return pb.ServerMetadataResponse(name=SERVER_NAME, version=VERSION)

    def model_metadata(self, request: pb.ModelMetadataRequest, _: Call) -> pb.ModelMetadataResponse:
        """A model's versions, inputs and outputs."""
        registry = self._services.registry
        version = registry.version(request.name, request.version or None)
        return pb.ModelMetadataResponse(
            name=request.name,
            versions=served_versions(registry.model(request.name)),
            platform=PLATFORM,
            inputs=_tensors(inputs_of(version)),
            outputs=_tensors(outputs_of(version)),
        )

    def model_infer(self, request: pb.ModelInferRequest, call: Call) -> pb.ModelInferResponse:
        """Predict."""
        here, version = self._services, request.model_version or None
        here.registry.version(request.model_name, version)
        rows = request_tensors(request, here.max_rows)
        freshness = parse_freshness(call.metadata.get("cache-control"))
        asked = here.steered(Request(request.model_name, version, rows, freshness), call.metadata.get)
        prediction = here.predict(asked, call.known_caller)
        answer = response_message(request, prediction)
        _tell(call, answer, prediction)
        return answer


def _tensors(items: Iterable[TensorMetadata]) -> list[pb.ModelMetadataResponse.TensorMetadata]:
    return [pb.ModelMetadataResponse.TensorMetadata(name=it.name, datatype=it.datatype, shape=it.shape) for it in items]


def _tell(call: Call, answer: pb.ModelInferResponse, prediction: Prediction) -> None:
    """For the access log what every door writes, for the caller what HTTP says in X-Cache, Age, X-Route and X-Variant.

    The caller finds it in the answer's parameters: each trailer would cost some 15 us more.
    """
    call.facts = Facts.of(prediction)
    told = answer.parameters
    told["cache"].string_param = prediction.source
    told["route"].string_param = prediction.reason
    if prediction.cached:
        told["age"].int64_param = prediction.age
    if prediction.variant is not None:
        told["variant"].string_param = prediction.variant
