"""Routes of the Open Inference Protocol. Errors under /v2 have its shape: ``{"error": ...}`` (``api.errors``)."""

from flask import Blueprint, Response

from app.api.access import needs, public
from app.api.asking import ask, known, may_see
from app.api.freshness import tell_source
from app.api.inference.answer import answer_to
from app.api.inference.bodies import read_inference
from app.api.inference.envelope import open_request
from app.api.inference.repository import blueprint as repository
from app.api.inference.schemas import (
    ModelMetadataSchema,
    ModelReadySchema,
    ServerLiveSchema,
    ServerMetadataSchema,
    ServerReadySchema,
    StatisticsSchema,
)
from app.api.json import json_response
from app.errors import ModelNotReady
from app.oip.metadata import EXTENSIONS, PLATFORM, SERVER_NAME, inputs_of, outputs_of, served_versions
from app.oip.statistics import model_statistics
from app.registry.readiness import can_answer
from app.services import services
from app.version import VERSION

blueprint = Blueprint("inference", __name__, url_prefix="/v2")
blueprint.register_blueprint(repository)


@blueprint.get("")
@public
def server_metadata() -> Response:
    """Who is speaking, and which extensions."""
    body = {"name": SERVER_NAME, "version": VERSION, "extensions": list(EXTENSIONS)}
    return json_response(ServerMetadataSchema().dump(body))


@blueprint.get("/health/live")
@public
def live() -> Response:
    """The process answers."""
    return json_response(ServerLiveSchema().dump({"live": True}))


@blueprint.get("/health/ready")
@public
def ready() -> Response:
    """Whether predictions can be had. The protocol calls the member ``live`` in one place and ``ready`` in another."""
    answer = can_answer(services().registry)
    return json_response(ServerReadySchema().dump({"ready": answer, "live": True}), 200 if answer else 503)


@blueprint.get("/models/<name>")
@needs("models:read")
def model_metadata(name: str) -> Response:
    """A model's versions, and what its default version takes and gives."""
    return _metadata(name, None)


@blueprint.get("/models/<name>/versions/<version>")
@needs("models:read")
def version_metadata(name: str, version: str) -> Response:
    """What one version takes and gives."""
    return _metadata(name, version)


@blueprint.get("/models/<name>/ready")
@public
def model_ready(name: str) -> Response:
    """Whether a model can predict."""
    return _readiness(name, None)


@blueprint.get("/models/<name>/versions/<version>/ready")
@public
def version_ready(name: str, version: str) -> Response:
    """Whether one version can predict."""
    return _readiness(name, version)


@blueprint.post("/models/<name>/infer")
@needs("predict")
def infer(name: str) -> Response:
    """Predict with a model's default version."""
    return _inference(name, None)


@blueprint.post("/models/<name>/versions/<version>/infer")
@needs("predict")
def infer_version(name: str, version: str) -> Response:
    """Predict with one version of a model."""
    return _inference(name, version)


@blueprint.get("/models/stats")
@needs("stats:read")
def statistics() -> Response:
    """What every version has been asked so far."""
    return _statistics(None, None)


@blueprint.get("/models/<name>/stats")
@needs("stats:read")
def statistics_of_model(name: str) -> Response:
    """The same for one model."""
    return _statistics(name, None)


@blueprint.get("/models/<name>/versions/<version>/stats")
@needs("stats:read")
def statistics_of_version(name: str, version: str) -> Response:
    """The same for one version."""
    return _statistics(name, version)


def _metadata(name: str, version: str | None) -> Response:
    registry = services().registry
    served = registry.version(name, version)
    body = {
        "name": name,
        "versions": served_versions(registry.model(name)),
        "platform": PLATFORM,
        "inputs": inputs_of(served),
        "outputs": outputs_of(served),
    }
    return json_response(ModelMetadataSchema().dump(body))


def _readiness(name: str, version: str | None) -> Response:
    registry = services().registry
    model = registry.model(name)
    try:
        registry.version(name, version)
    except ModelNotReady:
        return json_response(ModelReadySchema().dump({"name": model.name, "ready": False}), 503)
    return json_response(ModelReadySchema().dump({"name": model.name, "ready": True}))


def _inference(name: str, version: str | None) -> Response:
    here = services()
    known(name, version)
    body, binary = read_inference(here.max_body_bytes)
    tensors, wanted = open_request(body, binary, here.max_rows)
    prediction = ask(name, version, tensors)
    answer = answer_to(prediction, wanted)
    tell_source(answer, prediction)
    return answer


def _statistics(name: str | None, version: str | None) -> Response:
    here = services()
    if name is not None:
        here.registry.version(name, version)
    figures = model_statistics(here.cache_report.counts(), name, version)
    figures = [one for one in figures if may_see(one["name"])]
    return json_response(StatisticsSchema().dump({"model_stats": figures}))
