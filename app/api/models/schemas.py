"""Shapes of the model listing."""

from typing import get_args

from marshmallow import Schema, fields, validate

from app.registry.manifest import Missing


class FeatureSchema(Schema):
    """One value of a row."""

    name = fields.String(required=True)
    dtype = fields.String(required=True)
    shape = fields.List(fields.Integer(allow_none=True))
    range = fields.List(fields.Float(allow_none=True), allow_none=True)
    categories = fields.List(fields.Raw(), allow_none=True)
    missing = fields.String(required=True, validate=validate.OneOf(get_args(Missing)))
    impute = fields.Raw(allow_none=True)
    policy = fields.String(required=True, metadata={"description": "what happens to a missing value, in words"})
    decimals = fields.Integer(
        allow_none=True, metadata={"description": "how many decimals the model sees; null: all of them"}
    )
    observed = fields.Dict(keys=fields.String(), allow_none=True)
    description = fields.String()


class VersionSchema(Schema):
    """One version."""

    version = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["served", "refused"]))
    reason = fields.String(allow_none=True)
    digest = fields.String(allow_none=True)
    created = fields.String(allow_none=True)
    load_ms = fields.Float()


class ModelSummarySchema(Schema):
    """A model in the list."""

    name = fields.String(required=True)
    ready = fields.Boolean(required=True)
    task = fields.String(allow_none=True)
    description = fields.String(allow_none=True)
    default_version = fields.String(allow_none=True)
    versions = fields.List(fields.Nested(VersionSchema), required=True)


class ModelListSchema(Schema):
    """All models."""

    default_model = fields.String(allow_none=True)
    models = fields.List(fields.Nested(ModelSummarySchema), required=True)


class ModelSchema(ModelSummarySchema):
    """A model with its default version's features and a body that predicts as it stands."""

    source = fields.String(allow_none=True)
    entity_key = fields.String(allow_none=True)
    labels = fields.List(fields.Raw())
    probability_name = fields.String(allow_none=True)
    features = fields.List(fields.Nested(FeatureSchema), required=True)
    example = fields.Dict(keys=fields.String(), allow_none=True)
