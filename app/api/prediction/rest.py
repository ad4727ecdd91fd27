"""Routes of REST v1. A body in, rows through the pipeline, an answer out."""

from flask import Blueprint, Response

from app.api.access import needs
from app.api.asking import ask, default_model, known
from app.api.freshness import tell_source
from app.api.prediction.answer import answer_to
from app.api.prediction.bodies import read_envelope
from app.services import services

blueprint = Blueprint("prediction", __name__)


@blueprint.post("/predict")
@needs("predict")
def predict_default() -> Response:
    """Predict with the default model."""
    return _answer(default_model(), None)


@blueprint.post("/v1/models/<name>/predict")
@needs("predict")
def predict(name: str) -> Response:
    """Predict with a model's default version."""
    return _answer(name, None)


@blueprint.post("/v1/models/<name>/versions/<version>/predict")
@needs("predict")
def predict_version(name: str, version: str) -> Response:
    """Predict with one version of a model."""
    return _answer(name, version)


def _answer(name: str, version: str | None) -> Response:
    manifest = known(name, version).manifest
    envelope = read_envelope(services(), manifest)
    prediction = ask(name, version, envelope.instances, envelope.entities[0] if envelope.entities else None)
    answer = answer_to(prediction, envelope, manifest.entity_key)
    tell_source(answer, prediction)
    return answer
