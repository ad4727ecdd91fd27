"""Routes that platforms call. Each is the pipeline's prediction with the default model in somebody else's words."""

from collections.abc import Callable
from time import perf_counter

from flask import Blueprint, Response

from app.api.access import needs, public
from app.api.asking import ask, default_model, known
from app.api.bodies import Body, read_json
from app.api.current import current_visit
from app.api.freshness import tell_source
from app.api.json import json_response
from app.api.platforms.formats import Asked, as_predictions, open_invocation, open_score
from app.api.platforms.headers import check_ids, give_ids_back
from app.api.prediction.answer import answer_to
from app.api.prediction.bodies import read_table
from app.api.tables import JSON, as_table, wanted_form
from app.registry.manifest import Manifest
from app.registry.readiness import can_answer
from app.services import services
from app.tensors import Prediction
from app.version import VERSION

blueprint = Blueprint("platforms", __name__)
blueprint.before_request(check_ids)
blueprint.after_request(give_ids_back)

Opener = Callable[[Body, Manifest, int], Asked]


@blueprint.get("/")
@public
def healthy() -> Response:
    """Azure ML's probe."""
    return _probe("Healthy", "Unhealthy")


@blueprint.get("/ping")
@public
def ping() -> Response:
    """SageMaker's and MLflow's probe."""
    return _probe("\n", "\n")


@blueprint.get("/version")
@public
def version() -> Response:
    """The version of this server, where MLflow tells its own."""
    return Response(VERSION, content_type="text/plain; charset=utf-8")


@blueprint.post("/score")
@needs("predict")
def score() -> Response:
    """Azure ML."""
    return _answer(open_score)


@blueprint.post("/invocations")
@needs("predict")
def invocations() -> Response:
    """SageMaker and MLflow."""
    return _answer(open_invocation)


def _probe(good: str, bad: str) -> Response:
    ready = can_answer(services().registry)
    return Response(good if ready else bad, 200 if ready else 503, content_type="text/plain; charset=utf-8")


def _answer(open_body: Opener) -> Response:
    here, name = services(), default_model()
    manifest = known(name, None).manifest
    table = read_table(here, manifest, guess_header=True)
    asked = (
        Asked(table, as_predictions) if table else open_body(read_json(here.max_body_bytes), manifest, here.max_rows)
    )
    entities = asked.envelope.entities
    started = perf_counter()
    prediction = ask(name, None, asked.envelope.instances, entities[0] if entities else None)
    current_visit().run_ms = (perf_counter() - started) * 1000
    answer = _written(prediction, asked, manifest.entity_key)
    tell_source(answer, prediction)
    return answer


def _written(prediction: Prediction, asked: Asked, entity_key: str | None) -> Response:
    """As REST v1 has it for its own bodies, else the predictions alone, in the form that the caller prefers."""
    if asked.answer is None:
        return answer_to(prediction, asked.envelope, entity_key)
    predictions = [answer["prediction"] for answer in prediction.answers(asked.envelope.path)]
    form = wanted_form()
    if form == JSON:
        return json_response(asked.answer(predictions))
    return as_table(form, [{"prediction": value} for value in predictions], header=False)
