"""The Open Inference Protocol's part of the OpenAPI document.

Bodies are shown with one row: JSON Schema cannot say that ``data`` holds as many values as ``shape`` says.
"""

from collections.abc import Iterable
from math import prod
from typing import Any

from apispec import APISpec

from app.api.docs.parts import json_answer, operation, path_parameter
from app.api.docs.rows import cell_schema
from app.api.inference.schemas import (
    ErrorSchema,
    ModelMetadataSchema,
    ModelReadySchema,
    RepositoryEntrySchema,
    RepositoryScopeSchema,
    ServerLiveSchema,
    ServerMetadataSchema,
    ServerReadySchema,
    StatisticsSchema,
)
from app.oip.exchange import MAX_ID
from app.oip.metadata import inputs_of, outputs_of
from app.registry.version import ServedVersion
from app.runtimes.base import TensorSpec
from app.services import Services

_ABOUT = (
    "Values flat in row-major order, or nested as the shape has them; any number of rows. Tensors may also be named"
    " after features, of shape `[rows]`. With the header `Inference-Header-Content-Length` tensors follow the JSON as"
    " bytes, as `parameters.binary_data_size` of each input says; `parameters.binary_data` of an output, or"
    " `binary_data_output` of the request, asks for bytes back."
)
_STATUSES = {
    400: "The body is not what it says, or its tensors do not fit the model.",
    404: "No such model or version.",
    413: "The body is too large.",
    415: "The body is of another kind.",
    500: "The model failed.",
    503: "The model is not being served.",
}
_GETS: dict[str, tuple[str, Any, tuple[int, ...]]] = {
    "/v2": ("Who is speaking", ServerMetadataSchema, ()),
    "/v2/health/live": ("Does the process answer?", ServerLiveSchema, ()),
    "/v2/models/stats": ("What every version has been asked", StatisticsSchema, ()),
    "/v2/models/{name}": ("What a model takes and gives", ModelMetadataSchema, (404, 503)),
    "/v2/models/{name}/stats": ("What a model has been asked", StatisticsSchema, (404, 503)),
    "/v2/models/{name}/versions/{version}": ("What a version takes and gives", ModelMetadataSchema, (404, 503)),
    "/v2/models/{name}/versions/{version}/stats": ("What a version has been asked", StatisticsSchema, (404, 503)),
}
_READY: dict[str, tuple[str, Any, tuple[int, ...]]] = {
    "/v2/health/ready": ("Can predictions be had?", ServerReadySchema, ()),
    "/v2/models/{name}/ready": ("Can a model predict?", ModelReadySchema, (404,)),
    "/v2/models/{name}/versions/{version}/ready": ("Can a version predict?", ModelReadySchema, (404,)),
}


def add_inference_paths(spec: APISpec, here: Services) -> None:
    """Metadata, health, statistics, the repository, and an inference for every version that is served."""
    spec.components.schema("Error", schema=ErrorSchema)
    models = here.registry.models
    known = {
        "name": sorted(models),
        "version": sorted({version for model in models.values() for version in model.versions}),
    }
    for path, (summary, schema, failures) in (_GETS | _READY).items():
        get = _operation(summary, json_answer(schema), failures, path, known)
        if path in _READY:
            get["responses"]["503"] = json_answer(schema, "Not now.")
        spec.path(path, operations={"get": get})
    _add_repository(spec, known)
    for name, model in models.items():
        served = {f"/v2/models/{name}/versions/{version}/infer": it.served for version, it in model.versions.items()}
        for path, version in {f"/v2/models/{name}/infer": model.served, **served}.items():
            if version is not None:
                spec.path(path, operations={"post": _inference(version)})


def _add_repository(spec: APISpec, known: dict[str, list[str]]) -> None:
    entries = {"type": "array", "items": RepositoryEntrySchema}
    index = _operation("Every version in the repository", json_answer(entries), (400, 413, 415), "", known)
    spec.path("/v2/repository/index", operations={"post": index | _body({"ready": {"type": "boolean"}})})
    dependents = {"unload_dependents": {"type": "boolean"}}
    parameters = {"parameters": {"type": ["object", "null"], "properties": dependents, "additionalProperties": False}}
    actions = {
        "load": "Read a model again and serve what verifies, in the worker that answers",
        "unload": "Stop serving a model in the worker that answers",
    }
    for action, summary in actions.items():
        path = f"/v2/repository/models/{{name}}/{action}"
        post = _operation(summary, json_answer(RepositoryScopeSchema), (400, 404, 413, 415), path, known)
        spec.path(path, operations={"post": post | _body(parameters)})


def _inference(version: ServedVersion) -> dict[str, Any]:
    answer = json_answer(_answer(version))
    answer["content"]["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    manifest = version.manifest
    summary = f"Infer with {manifest.name} {manifest.version}"
    content = {"application/json": {"schema": _request(version)}}
    return _operation(summary, answer, tuple(_STATUSES), "", {}) | {
        "description": _ABOUT,
        "requestBody": {"required": True, "content": content},
    }


def _request(version: ServedVersion) -> dict[str, Any]:
    inputs = [_tensor(version, item) for item in version.inputs]
    names = {"type": "object", "properties": {"name": {"enum": [item.name for item in version.outputs]}}}
    properties = {
        "id": {"type": ["string", "null"], "maxLength": MAX_ID},
        "model_name": {"type": ["string", "null"]},
        "model_version": {"type": ["string", "null"]},
        "parameters": {
            "type": ["object", "null"],
            "properties": {"binary_data_output": {"type": ["boolean", "null"]}},
        },
        "inputs": {"type": "array", "prefixItems": inputs, "minItems": len(inputs), "maxItems": len(inputs)},
        "outputs": {
            "type": ["array", "null"],
            "items": names | {"required": ["name"], "additionalProperties": False},
            "uniqueItems": True,
        },
    }
    return {"type": "object", "properties": properties, "required": ["inputs"], "additionalProperties": False}


def _tensor(version: ServedVersion, item: TensorSpec) -> dict[str, Any]:
    features = [feature for feature in version.manifest.features if feature.input == item.name]
    shaped = features[0].shape
    shape = [1, *(axis or 1 for axis in shaped)] if shaped else [1, len(features)]
    cells = [cell_schema(feature, item.dtype) for feature in features] * prod(shape[1:] if shaped else (1,))
    metadata = next(one for one in inputs_of(version) if one.name == item.name)
    properties = {
        "name": {"const": item.name},
        "datatype": {"const": metadata.datatype},
        "shape": {"const": shape},
        "data": {"type": "array", "prefixItems": cells, "minItems": len(cells), "maxItems": len(cells)},
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _answer(version: ServedVersion) -> dict[str, Any]:
    text = {"type": "string"}
    outputs = {
        "name": {"enum": [item.name for item in outputs_of(version)]},
        "datatype": text,
        "shape": {"type": "array", "items": {"type": "integer"}},
        "data": {"type": "array"},
    }
    properties = {
        "model_name": {"const": version.manifest.name},
        "model_version": text,
        "id": text,
        "outputs": {"type": "array", "items": {"type": "object", "properties": outputs, "required": ["name"]}},
    }
    return {"type": "object", "properties": properties, "required": ["model_name", "model_version", "outputs"]}


def _operation(
    summary: str, answer: dict[str, Any], failures: Iterable[int], path: str, known: dict[str, list[str]]
) -> dict[str, Any]:
    error = {"$ref": "#/components/schemas/Error"}
    refusals = {str(code): json_answer(error, _STATUSES[code]) for code in failures}
    made = operation(summary, "inference", {"200": answer} | refusals)
    parameters = [path_parameter(name, values) for name, values in known.items() if f"{{{name}}}" in path]
    return made | {"parameters": parameters} if parameters else made


def _body(properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}}
