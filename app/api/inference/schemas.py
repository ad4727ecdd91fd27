"""Shapes of the protocol's answers; request bodies are checked in ``envelope``."""

from marshmallow import Schema, fields


class ErrorSchema(Schema):
    """Every error under /v2."""

    error = fields.String(required=True)


class ServerMetadataSchema(Schema):
    """Who is speaking."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    extensions = fields.List(fields.String(), required=True)


class ServerLiveSchema(Schema):
    """The process answers."""

    live = fields.Boolean(required=True)


class ServerReadySchema(Schema):
    """Predictions can be had."""

    ready = fields.Boolean(required=True)
    live = fields.Boolean(required=True)


class ModelReadySchema(Schema):
    """A model can predict."""

    name = fields.String(required=True)
    ready = fields.Boolean(required=True)


class TensorMetadataSchema(Schema):
    """One input or output."""

    name = fields.String(required=True)
    datatype = fields.String(required=True)
    shape = fields.List(
        fields.Integer(), required=True, metadata={"description": "-1 is any length; the rows come first"}
    )


class ModelMetadataSchema(Schema):
    """What a model takes and gives."""

    name = fields.String(required=True)
    versions = fields.List(fields.String(), required=True)
    platform = fields.String(required=True)
    inputs = fields.List(fields.Nested(TensorMetadataSchema), required=True)
    outputs = fields.List(fields.Nested(TensorMetadataSchema), required=True)


class DurationSchema(Schema):
    """How often, and how many nanoseconds together."""

    count = fields.Integer(required=True)
    ns = fields.Integer(required=True)


class VersionStatisticsSchema(Schema):
    """One version's figures since the counters began."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    inference_count = fields.Integer(required=True, metadata={"description": "rows"})
    execution_count = fields.Integer(required=True, metadata={"description": "requests that were computed"})
    inference_stats = fields.Dict(keys=fields.String(), values=fields.Nested(DurationSchema), required=True)
    batch_stats = fields.List(fields.Dict(), required=True)


class StatisticsSchema(Schema):
    """The statistics extension."""

    model_stats = fields.List(fields.Nested(VersionStatisticsSchema), required=True)


class RepositoryEntrySchema(Schema):
    """One version in the repository."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    state = fields.String(required=True, metadata={"description": "READY or UNAVAILABLE"})
    reason = fields.String(required=True)


class RepositoryScopeSchema(Schema):
    """Where a load or an unload took effect."""

    scope = fields.String(required=True)
