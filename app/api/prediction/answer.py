"""A prediction's answer in each of its forms."""

from typing import Any

from flask import Response

from app.api.current import current_visit
from app.api.json import json_response
from app.api.prediction.schemas import Envelope
from app.api.tables import JSON, as_table, wanted_form
from app.tensors import Prediction


def answer_to(prediction: Prediction, envelope: Envelope, entity_key: str | None) -> Response:
    """The answers to the rows of an envelope, each with whom it is about, in the form that the caller prefers.

    Raises:
        InvalidInput: a row has no finite answer.
    """
    answers = prediction.answers(envelope.path)
    form = wanted_form()
    if entity_key and envelope.entities:
        answers = [
            answer if entity is None and form == JSON else {entity_key: entity, **answer}
            for entity, answer in zip(envelope.entities, answers, strict=True)
        ]
    if form != JSON:
        return as_table(form, answers)
    return json_response(_body(prediction, answers, envelope.single))


def _body(prediction: Prediction, answers: list[dict[str, Any]], single: bool) -> dict[str, Any]:
    return {
        **(answers[0] if single else {"predictions": answers}),
        "model": prediction.model,
        "model_version": prediction.version,
        "cached": prediction.cached,
        "request_id": current_visit().request_id,
    }
