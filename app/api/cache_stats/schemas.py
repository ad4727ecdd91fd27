"""Shapes of the cache's answers."""

from marshmallow import Schema, fields


class TierSchema(Schema):
    """One tier of one version's cache."""

    hits = fields.Integer(required=True)
    active_workers = fields.Integer(required=True)
    workers = fields.Integer(required=True)
    verdict = fields.String(required=True, metadata={"description": "whether the tier pays, in words, and why"})
    entries = fields.Integer(metadata={"description": "rows held now, over all workers"})
    bytes = fields.Integer()
    evictions = fields.Integer()
    stored = fields.Integer(metadata={"description": "rows written"})
    dropped = fields.Integer(metadata={"description": "rows that were not written: the store was away, full or slow"})
    rejected = fields.Integer(metadata={"description": "entries that were damaged or not ours"})


class LatencySchema(Schema):
    """Percentiles in ms."""

    p50 = fields.Float(required=True, allow_none=True)
    p95 = fields.Float(required=True, allow_none=True)


class FiguresSchema(Schema):
    """What the cache did and what that saved, counted in rows."""

    cache_hit_rate = fields.Float(required=True)
    total_requests = fields.Integer(required=True)
    cache_hits = fields.Integer(required=True)
    cache_misses = fields.Integer(required=True)
    cache_bypassed = fields.Integer(required=True)
    cost_savings = fields.String(required=True)
    compute_seconds_saved = fields.Float(required=True)
    avg_latency_cached = fields.String(required=True)
    avg_latency_uncached = fields.String(required=True)


class VersionFiguresSchema(FiguresSchema):
    """The same for one version, with its tiers."""

    model = fields.String(required=True)
    version = fields.String(required=True)
    single_flight_joins = fields.Integer(
        required=True, metadata={"description": "missed rows that another request was computing already"}
    )
    warmed = fields.Integer(required=True)
    latency_ms = fields.Dict(keys=fields.String(), values=fields.Nested(LatencySchema), required=True)
    rows = fields.String(required=True, allow_none=True, metadata={"description": "how rows of one request are kept"})
    tiers = fields.Dict(keys=fields.String(), values=fields.Nested(TierSchema), required=True)


class StoreSchema(Schema):
    """What the whole Redis holds, ours and whatever else is there."""

    keys = fields.Integer(required=True)
    bytes = fields.Integer(required=True)
    evictions = fields.Integer(required=True)


class CacheStatsSchema(FiguresSchema):
    """``GET /cache-stats``."""

    scope = fields.String(required=True)
    workers = fields.Integer(required=True)
    unreadable = fields.Integer(
        required=True, metadata={"description": "records in Redis under our names that are none of ours"}
    )
    state = fields.String(required=True)
    degraded = fields.String(required=True, allow_none=True)
    store = fields.Nested(StoreSchema, required=True, allow_none=True)
    models = fields.List(fields.Nested(VersionFiguresSchema), required=True)


class ClearedSchema(Schema):
    """Every remembered answer is out of reach."""

    cleared = fields.Boolean(required=True)


class WarmedSchema(Schema):
    """Rows that are now remembered."""

    model = fields.String(required=True)
    model_version = fields.String(required=True)
    warmed = fields.Integer(required=True)
    tiers = fields.List(fields.String(), required=True)
