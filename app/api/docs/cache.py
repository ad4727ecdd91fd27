"""The cache's part of the OpenAPI document."""

from typing import Any

from apispec import APISpec

from app.api.cache_stats.schemas import CacheStatsSchema, ClearedSchema, WarmedSchema
from app.api.docs.parts import UNREADABLE, json_answer, operation, problem, problems
from app.api.docs.rows import body_examples, body_schema
from app.registry.manifest import Manifest
from app.services import Services

_REFUSALS = UNREADABLE | {422: "Rows that do not fit the model; `errors` names each field."}


def add_cache_paths(spec: APISpec, here: Services) -> None:
    """Figures, clearing, and the warming of every version that is served."""
    figures = _operation("What the cache did, and whether it pays", CacheStatsSchema)
    spec.path("/cache-stats", operations={"get": figures})
    cleared = _operation("Forget every remembered answer", ClearedSchema)
    cleared["responses"]["503"] = problem("Shared state is away; nothing was cleared.")
    spec.path("/v1/cache/clear", operations={"post": cleared})
    for name, model in here.registry.models.items():
        for version, state in model.versions.items():
            if state.served:
                warm = _warm(state.served.manifest, here.max_rows)
                spec.path(f"/v1/models/{name}/versions/{version}/warm", operations={"post": warm})
        if model.served:
            warm = _warm(model.served.manifest, here.max_rows)
            spec.path(f"/v1/models/{name}/warm", operations={"post": warm})


def _warm(manifest: Manifest, max_rows: int) -> dict[str, Any]:
    warm = _operation(f"Compute and remember rows of {manifest.name} {manifest.version}", WarmedSchema)
    warm["responses"] |= problems(_REFUSALS)
    content: dict[str, Any] = {"schema": body_schema(manifest, max_rows)}
    if examples := body_examples(manifest):
        content["examples"] = examples
    return warm | {"requestBody": {"required": True, "content": {"application/json": content}}}


def _operation(summary: str, schema: Any) -> dict[str, Any]:
    return operation(summary, "cache", {"200": json_answer(schema)})
