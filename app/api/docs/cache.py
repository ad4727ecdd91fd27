"""The cache's part of the OpenAPI document."""

from typing import Any

from apispec import APISpec

from app.api.cache_stats.schemas import CacheStatsSchema, ClearedSchema, WarmedSchema
from app.api.docs.rows import body_examples, body_schema
from app.registry.manifest import Manifest
from app.services import Services

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_REFUSALS = {
    "400": {"description": "The body is no JSON object.", "content": _PROBLEM},
    "413": {"description": "The body is too large.", "content": _PROBLEM},
    "415": {"description": "The body is no application/json.", "content": _PROBLEM},
    "422": {"description": "Rows that do not fit the model; `errors` names each field.", "content": _PROBLEM},
}


def add_cache_paths(spec: APISpec, here: Services) -> None:
    """Figures, clearing, and the warming of every version that is served."""
    figures = _operation("What the cache did, and whether it pays", CacheStatsSchema)
    spec.path("/cache-stats", operations={"get": figures})
    cleared = _operation("Forget every remembered answer", ClearedSchema)
    cleared["responses"]["503"] = {"description": "Shared state is away; nothing was cleared.", "content": _PROBLEM}
    spec.path("/v1/cache/clear", operations={"post": cleared})
    for name, model in here.registry.models.items():
        for version, state in model.versions.items():
            if state.served:
                operation = _warm(state.served.manifest, here.max_rows)
                spec.path(f"/v1/models/{name}/versions/{version}/warm", operations={"post": operation})
        if model.served:
            operation = _warm(model.served.manifest, here.max_rows)
            spec.path(f"/v1/models/{name}/warm", operations={"post": operation})


def _warm(manifest: Manifest, max_rows: int) -> dict[str, Any]:
    operation = _operation(f"Compute and remember rows of {manifest.name} {manifest.version}", WarmedSchema)
    operation["responses"] |= _REFUSALS
    content: dict[str, Any] = {"schema": body_schema(manifest, max_rows)}
    if examples := body_examples(manifest):
        content["examples"] = examples
    return operation | {"requestBody": {"required": True, "content": {"application/json": content}}}


def _operation(summary: str, schema: Any) -> dict[str, Any]:
    answer = {"description": "The answer.", "content": {"application/json": {"schema": schema}}}
    return {"summary": summary, "tags": ["cache"], "responses": {"200": answer}}
