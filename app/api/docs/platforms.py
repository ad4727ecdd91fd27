"""The platforms' part of the OpenAPI document: what Azure ML, SageMaker and MLflow call."""

from typing import Any

from apispec import APISpec

from app.api.docs.parts import json_answer, operation, problem
from app.api.docs.rows import answer_schema, body_examples, body_schema, row_schemas
from app.api.platforms.schemas import MessageSchema, MlflowErrorSchema, PredictionsSchema, ResultsSchema
from app.registry.manifest import Manifest
from app.services import Services

_STATUSES = {
    400: "The body is not what it says, or its rows do not fit the model.",
    404: "There is no default model.",
    413: "The body is too large.",
    415: "The body is of another kind.",
    500: "The model failed.",
    503: "The model is not being served.",
}
_ABOUT = (
    "Predicts with the default model. CSV is taken too, with a header that names the features or with rows alone, and"
    " given when Accept prefers it. `x-ms-client-request-id` of at most 100 characters comes back;"
    " `x-ms-run-fn-exec-ms` says how long the model took."
)


def add_platform_paths(spec: APISpec, here: Services) -> None:
    """Probes, and predictions with the default model."""
    spec.components.schema("Message", schema=MessageSchema)
    spec.components.schema("MlflowError", schema=MlflowErrorSchema)
    for path, summary in {"/": "Azure ML's probe", "/ping": "SageMaker's and MLflow's probe"}.items():
        spec.path(path, operations={"get": _operation(summary, {"200": _text("Yes."), "503": _text("Not now.")})})
    spec.path("/version", operations={"get": _operation("The version of this server", {"200": _text("It.")})})
    version = {"in": "query", "name": "version", "schema": {"enum": ["3"]}}
    found = {"200": json_answer({"type": "object"}), "404": problem("No such version.")}
    swagger = _operation("This document, where Azure ML looks for it", found)
    spec.path("/swagger.json", operations={"get": swagger | {"parameters": [version]}})
    model = here.registry.models.get(here.registry.default_model or "")
    if model is not None and model.served is not None:
        manifest = model.served.manifest
        invocation, score = _invocations(manifest, here.max_rows), _scores(manifest, here.max_rows)
        answers = [PredictionsSchema, answer_schema(manifest)]
        _add(spec, "/invocations", "SageMaker and MLflow", manifest, invocation, answers, "MlflowError")
        answers = [{"type": "array"}, ResultsSchema, *answers]
        _add(spec, "/score", "Azure ML", manifest, [*score, *invocation[1:]], answers, "Message")


def _add(
    spec: APISpec, path: str, who: str, manifest: Manifest, forms: list[Any], answers: list[Any], error: str
) -> None:
    shape = {"$ref": f"#/components/schemas/{error}"}
    refusals = {str(code): json_answer(shape, text) for code, text in _STATUSES.items()}
    content: dict[str, Any] = {"schema": {"oneOf": forms}}
    examples = {name: example for name, example in body_examples(manifest).items() if name != "many"}
    if examples:
        content["examples"] = examples
    body = {"required": True, "content": {"application/json": content}}
    predict = _operation(f"Predict for {who}", {"200": json_answer({"anyOf": answers})} | refusals)
    spec.path(path, operations={"post": predict | {"description": _ABOUT, "requestBody": body}})


def _invocations(manifest: Manifest, max_rows: int) -> list[dict[str, Any]]:
    """``instances`` first; then MLflow's other forms, then those of REST v1 that are told apart from them."""
    own = [form for form in body_schema(manifest, max_rows)["oneOf"] if "instances" not in form["properties"]]
    values, rows = _many(manifest, max_rows)
    names = [feature.name for feature in manifest.features]
    split = {"columns": {"const": names}, "data": values, "index": {"type": "array"}}
    return [
        _object({"instances": {"oneOf": [values, rows]}}),
        _object({"inputs": {"oneOf": [values, rows]}}),
        _object({"dataframe_records": {"oneOf": [values, rows]}}),
        _object({"dataframe_split": _object(split, ["data"])}),
        *own,
    ]


def _scores(manifest: Manifest, max_rows: int) -> list[dict[str, Any]]:
    values, rows = _many(manifest, max_rows)
    either = {"oneOf": [values, rows]}
    instances = next(form for form in body_schema(manifest, max_rows)["oneOf"] if "instances" in form["properties"])
    return [instances, _object({"data": either}), _object({"input_data": either}), _object({"Inputs": either})]


def _many(manifest: Manifest, max_rows: int) -> list[dict[str, Any]]:
    names = [name for name in row_schemas(manifest) if name.endswith((".values", ".row"))]
    items = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return [{"type": "array", "items": item, "minItems": 1, "maxItems": max_rows} for item in items]


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    named = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": named, "additionalProperties": False}


def _operation(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return operation(summary, "platforms", responses)


def _text(about: str) -> dict[str, Any]:
    return {"description": about, "content": {"text/plain": {"schema": {"type": "string"}}}}
