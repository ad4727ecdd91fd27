"""The OpenAPI 3.1 document: fixed shapes from the marshmallow schemas, rows from each model's manifest.

Every served version has its own path with the real feature names, types, ranges and a body that works as it stands.
"""

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from app.api.docs.cache import add_cache_paths
from app.api.docs.inference import add_inference_paths
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

_STATUSES = {
    400: "The body is no JSON object.",
    404: "No such model or version.",
    413: "The body is too large.",
    415: "The body is no application/json.",
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
        responses = {"200": _json(schema, "The answer.")} | {str(code): _json(schema, "Not now.") for code in failures}
        spec.path(path, operations={"get": _operation(summary, "server", responses)})
    _add_documents(spec)
    _add_model_paths(spec, here)
    add_inference_paths(spec, here)
    add_platform_paths(spec, here)
    add_cache_paths(spec, here)
    add_traffic_paths(spec, here)
    return dict(spec.to_dict())


def _add_documents(spec: APISpec) -> None:
    page = {"200": {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}}
    spec.path("/docs", operations={"get": _operation("This reference, to read and try", "server", page)})
    script = {"200": {"description": "The script.", "content": {"text/javascript": {"schema": {"type": "string"}}}}}
    spec.path("/docs/start.js", operations={"get": _operation("Starts the reference", "server", script)})
    asset = {"200": {"description": "The file."}, "404": _problem("No such file.")}
    spec.path(
        "/docs/assets/{name}",
        operations={
            "get": _operation("A file of the reference", "server", asset) | {"parameters": [_parameter("name", ASSETS)]}
        },
    )
    body = {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}}
    spec.path("/openapi.json", operations={"get": _operation("This document", "server", body)})
    text = {"text/plain": {"schema": {"type": "string"}}}
    numbers = {"200": {"description": "Prometheus' text format.", "content": text}}
    spec.path("/metrics", operations={"get": _operation("The numbers of every worker", "server", numbers)})


def _add_model_paths(spec: APISpec, here: Services) -> None:
    registry = here.registry
    described = {"200": _json(ModelSchema, "The model."), "404": _problem(_STATUSES[404])}
    operation = _operation("One model: versions, features, an example", "models", described)
    spec.path(
        "/v1/models/{name}", operations={"get": operation | {"parameters": [_parameter("name", registry.models)]}}
    )
    for name, model in registry.models.items():
        paths = {
            state.version: f"/v1/models/{name}/versions/{state.version}/predict" for state in model.versions.values()
        }
        for version, path in paths.items():
            served = model.versions[version].served
            if served:
                for component, schema in row_schemas(served.manifest).items():
                    spec.components.schema(component, schema)
                spec.path(path, operations={"post": _predict(served.manifest, name, here.max_rows)})
        if model.served:
            operation = _predict(model.served.manifest, name, here.max_rows)
            spec.path(f"/v1/models/{name}/predict", operations={"post": operation})
            if name == registry.default_model:
                spec.path("/predict", operations={"post": _predict(model.served.manifest, "default", here.max_rows)})


def _predict(manifest: Manifest, tag: str, max_rows: int) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": body_schema(manifest, max_rows)}
    examples = body_examples(manifest)
    if examples:
        content["examples"] = examples
    answer = {"description": "The prediction, or `predictions` in the order of the rows."}
    responses: dict[str, Any] = {
        "200": answer | {"content": {"application/json": {"schema": answer_schema(manifest)}}},
        **{str(code): _problem(text) for code, text in _STATUSES.items()},
    }
    operation = _operation(f"Predict with {manifest.name} {manifest.version}", tag, responses)
    return operation | {
        "description": manifest.description,
        "requestBody": {"required": True, "content": {"application/json": content}},
    }


def _operation(summary: str, tag: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "tags": [tag], "responses": responses}


def _json(schema: Any, text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _problem(text: str) -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/Problem"}
    return {"description": text, "content": {"application/problem+json": {"schema": reference}}}


def _parameter(name: str, known: Iterable[str]) -> dict[str, Any]:
    return {"in": "path", "name": name, "required": True, "schema": {"type": "string", "enum": sorted(known)}}


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
