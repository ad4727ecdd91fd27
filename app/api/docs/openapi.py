"""The OpenAPI 3.1 document: fixed shapes from the marshmallow schemas, rows from each model's manifest.

Every served version has its own path with the real feature names, types, ranges and a body that works as it stands.
"""

from importlib.resources import files
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from app.api.docs.cache import add_cache_paths
from app.api.docs.inference import add_inference_paths
from app.api.docs.parts import UNREADABLE, json_answer, operation, path_parameter, problem, problems
from app.api.docs.platforms import add_platform_paths
from app.api.docs.rows import answer_schema, body_examples, body_schema, row_schemas
from app.api.docs.traffic import add_traffic_paths
from app.api.health.schemas import HealthSchema, LiveSchema, ReadySchema
from app.api.models.schemas import ModelListSchema, ModelSchema
from app.registry.manifest import Manifest
from app.services import Services
from app.version import VERSION

ASSETS = frozenset(file.name for file in (files("flask_swagger_ui") / "dist").iterdir() if file.is_file())
"""The files of Swagger UI that this server hands out."""

_ABOUT = (
    "Predictions from the models in this server's repository. Errors are RFC 9457 problem documents, except where a"
    " protocol of others has its own shape. Under /v1 and /predict rows come and go as CSV (`text/csv`, a header names"
    " the features) and as Arrow streams (`application/vnd.apache.arrow.stream`) too, by Content-Type and Accept."
)

_STATUSES = UNREADABLE | {
    404: "No such model or version.",
    422: "Rows that do not fit the model; `errors` names each field.",
    500: "The model failed.",
    503: "The model is not being served.",
}

_GETS = {
    "/health": ("Can predictions be had?", HealthSchema, (503,)),
    "/health/live": ("Does the process answer?", LiveSchema, ()),
    "/health/ready": ("What is up, and why is the rest not?", ReadySchema, (503,)),
    "/v1/models": ("All models and versions", ModelListSchema, ()),
}


def build_document(here: Services) -> dict[str, Any]:
    """The document for what is served right now."""
    spec = APISpec("Sluice", VERSION, "3.1.0", info={"description": _ABOUT}, plugins=[MarshmallowPlugin()])
    spec.components.schema("Problem", _problem_schema())
    for path, (summary, schema, failures) in _GETS.items():
        responses = {"200": json_answer(schema)} | {str(code): json_answer(schema, "Not now.") for code in failures}
        spec.path(path, operations={"get": operation(summary, "server", responses)})
    _add_documents(spec)
    _add_model_paths(spec, here)
    add_inference_paths(spec, here)
    add_platform_paths(spec, here)
    add_cache_paths(spec, here)
    add_traffic_paths(spec, here)
    return dict(spec.to_dict())


def _add_documents(spec: APISpec) -> None:
    page = {"200": {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}}
    spec.path("/docs", operations={"get": operation("This reference, to read and try", "server", page)})
    script = {"200": {"description": "The script.", "content": {"text/javascript": {"schema": {"type": "string"}}}}}
    spec.path("/docs/start.js", operations={"get": operation("Starts the reference", "server", script)})
    file = {"200": {"description": "The file."}, "404": problem("No such file.")}
    asset = operation("A file of the reference", "server", file) | {"parameters": [path_parameter("name", ASSETS)]}
    spec.path("/docs/assets/{name}", operations={"get": asset})
    body = {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}}
    spec.path("/openapi.json", operations={"get": operation("This document", "server", body)})
    text = {"text/plain": {"schema": {"type": "string"}}}
    numbers = {"200": {"description": "Prometheus' text format.", "content": text}}
    spec.path("/metrics", operations={"get": operation("The numbers of every worker", "server", numbers)})


def _add_model_paths(spec: APISpec, here: Services) -> None:
    registry = here.registry
    described = {"200": json_answer(ModelSchema, "The model."), "404": problem(_STATUSES[404])}
    show = operation("One model: versions, features, an example", "models", described)
    spec.path("/v1/models/{name}", operations={"get": show | {"parameters": [path_parameter("name", registry.models)]}})
    for name, model in registry.models.items():
        for version, state in model.versions.items():
            if state.served:
                for component, schema in row_schemas(state.served.manifest).items():
                    spec.components.schema(component, schema)
                predict = _predict(state.served.manifest, name, here.max_rows)
                spec.path(f"/v1/models/{name}/versions/{version}/predict", operations={"post": predict})
        if model.served:
            predict = _predict(model.served.manifest, name, here.max_rows)
            spec.path(f"/v1/models/{name}/predict", operations={"post": predict})
            if name == registry.default_model:
                spec.path("/predict", operations={"post": _predict(model.served.manifest, "default", here.max_rows)})


def _predict(manifest: Manifest, tag: str, max_rows: int) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": body_schema(manifest, max_rows)}
    examples = body_examples(manifest)
    if examples:
        content["examples"] = examples
    answer = json_answer(answer_schema(manifest), "The prediction, or `predictions` in the order of the rows.")
    responses = {"200": answer} | problems(_STATUSES)
    return operation(f"Predict with {manifest.name} {manifest.version}", tag, responses) | {
        "description": manifest.description,
        "requestBody": {"required": True, "content": {"application/json": content}},
    }


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "request_id": text,
            "errors": {"type": "object", "additionalProperties": {"type": "array", "items": text}},
        },
    }
