"""Shapes of the health answers."""

from marshmallow import Schema, fields, validate


class HealthSchema(Schema):
    """``GET /health``: the state in one word, and whether predictions can be had."""

    status = fields.String(required=True, validate=validate.OneOf(["healthy", "degraded", "unhealthy"]))
    model_loaded = fields.Boolean(required=True)


class LiveSchema(Schema):
    """The process answers."""

    status = fields.String(required=True)


class VersionHealthSchema(Schema):
    """One version: served, or refused and why."""

    version = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["served", "refused"]))
    reason = fields.String(allow_none=True)


class ModelHealthSchema(Schema):
    """One model and its versions."""

    ready = fields.Boolean(required=True)
    default_version = fields.String(allow_none=True)
    versions = fields.List(fields.Nested(VersionHealthSchema), required=True)


class ReadySchema(Schema):
    """Per model and per dependency."""

    status = fields.String(required=True, validate=validate.OneOf(["ready", "degraded", "unready"]))
    models = fields.Dict(keys=fields.String(), values=fields.Nested(ModelHealthSchema), required=True)
    dependencies = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
