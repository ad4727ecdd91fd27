"""Routes of the cache."""

from typing import Any

from flask import Blueprint

from app.api.access import about_every_model, needs
from app.api.asking import may_see
from app.api.bodies import read_json
from app.api.cache_stats.schemas import CacheStatsSchema, ClearedSchema, WarmedSchema
from app.api.current import current_visit
from app.api.json import json_response
from app.api.prediction.schemas import open_envelope
from app.services import services
from app.tensors import Request

blueprint = Blueprint("cache_stats", __name__)


@blueprint.get("/cache-stats")
@needs("stats:read")
def cache_stats() -> Any:
    """Hits, misses, money saved, and whether each tier pays."""
    return json_response(CacheStatsSchema().dump(services().cache_report.summary(may_see)))


@blueprint.post("/v1/cache/clear")
@needs("cache:write")
@about_every_model
def clear() -> Any:
    """Forget every remembered answer, in every worker."""
    services().cache_report.clear()
    return json_response(ClearedSchema().dump({"cleared": True}))


@blueprint.post("/v1/models/<name>/warm")
@needs("cache:write")
def warm(name: str) -> Any:
    """Compute and remember rows; the body is that of a prediction."""
    return _warmed(name, None)


@blueprint.post("/v1/models/<name>/versions/<version>/warm")
@needs("cache:write")
def warm_version(name: str, version: str) -> Any:
    """The same for one version, before it becomes the default."""
    return _warmed(name, version)


def _warmed(name: str, version: str | None) -> Any:
    here = services()
    entity_key = here.registry.version(name, version).manifest.entity_key
    envelope = open_envelope(read_json(here.max_body_bytes), entity_key, here.max_rows)
    warmed = here.warm(Request(name, version, envelope.instances), current_visit().caller)
    body = {"model": name, "model_version": warmed.version, "warmed": warmed.rows, "tiers": warmed.tiers}
    return json_response(WarmedSchema().dump(body))
