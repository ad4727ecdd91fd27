"""Routes of the cache."""

from typing import Any

from flask import Blueprint, g

from app.api.access import needs
from app.api.bodies import read_json
from app.api.cache_stats.schemas import CacheStatsSchema, ClearedSchema, WarmedSchema
from app.api.json import json_response
from app.api.prediction.schemas import open_envelope
from app.services import services
from app.tensors import Freshness, Request

blueprint = Blueprint("cache_stats", __name__)

_WARMING = Freshness(read=False, force=True)


@blueprint.get("/cache-stats")
@needs("stats:read")
def cache_stats() -> Any:
    """Hits, misses, money saved, and whether each tier pays."""
    return json_response(CacheStatsSchema().dump(services().cache_report.summary()))


@blueprint.post("/v1/cache/clear")
@needs("cache:write")
def clear() -> Any:
    """Forget every remembered answer, in every worker."""
    services().cache_report.clear()
    return json_response(ClearedSchema().dump({"cleared": True}))


@blueprint.post("/v1/models/<name>/warm")
@needs("cache:write")
def warm(name: str) -> Any:
    """Compute and remember rows; the body is that of a prediction."""
    here = services()
    entity_key = here.registry.version(name).manifest.entity_key
    envelope = open_envelope(read_json(here.max_body_bytes), entity_key, here.max_rows)
    prediction = here.predict(Request(name, None, envelope.instances, _WARMING), g.caller)
    body = {"model": name, "model_version": prediction.version, "warmed": prediction.rows}
    return json_response(WarmedSchema().dump(body))
