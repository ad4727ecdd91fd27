"""Routes of REST v1. A body in, rows through the pipeline, an answer out."""

from typing import Any

import orjson
from flask import Blueprint, Response, g

from app.api.access import needs
from app.api.asking import ask, known
from app.api.bodies import read_json
from app.api.freshness import tell_source
from app.api.prediction.schemas import Envelope, open_envelope
from app.errors import ModelNotFound
from app.services import services
from app.tensors import Prediction

blueprint = Blueprint("prediction", __name__)


@blueprint.post("/predict")
@needs("predict")
def predict_default() -> Response:
    """Predict with the default model."""
    name = services().registry.default_model
    if name is None:
        raise ModelNotFound("default", " Set default_model in the deployment file, or name the model in the address.")
    return _answer(name, None)


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
    here = services()
    entity_key = known(name, version).manifest.entity_key
    envelope = open_envelope(read_json(here.max_body_bytes), entity_key, here.max_rows)
    prediction = ask(name, version, envelope.instances, envelope.entities[0] if envelope.entities else None)
    answer = Response(orjson.dumps(_body(prediction, envelope, entity_key)), 200, content_type="application/json")
    tell_source(answer, prediction)
    return answer


def _body(prediction: Prediction, envelope: Envelope, entity_key: str | None) -> dict[str, Any]:
    answers = prediction.answers(envelope.path)
    if entity_key and envelope.entities:
        answers = [
            answer if entity is None else {entity_key: entity, **answer}
            for entity, answer in zip(envelope.entities, answers, strict=True)
        ]
    return {
        **(answers[0] if envelope.single else {"predictions": answers}),
        "model": prediction.model,
        "model_version": prediction.version,
        "cached": prediction.cached,
        "request_id": g.request_id,
    }
