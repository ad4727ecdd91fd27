"""Shapes of what an experiment has shown."""

from marshmallow import Schema, fields


class MeasureSchema(Schema):
    """An estimate and its 95 percent confidence interval."""

    value = fields.Float(required=True)
    low = fields.Float(required=True)
    high = fields.Float(required=True)
    n = fields.Integer(required=True)


class ComparisonSchema(Schema):
    """A measure of this arm minus the control's."""

    measure = fields.String(required=True)
    difference = fields.Float(required=True)
    low = fields.Float(required=True)
    high = fields.Float(required=True)
    decidable = fields.Boolean(required=True, metadata={"description": "the interval leaves zero out"})
    needed = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "requests of each arm that would tell this difference four times in five"},
    )


class ArmSchema(Schema):
    """A version under the plan."""

    version = fields.String(required=True)
    variant = fields.String(required=True, allow_none=True)
    control = fields.Boolean(required=True)
    requests = fields.Integer(required=True)
    errors = fields.Integer(required=True)
    latency_p50_ms = fields.Float(required=True, allow_none=True)
    latency_p95_ms = fields.Float(required=True, allow_none=True)
    measures = fields.Dict(keys=fields.String(), values=fields.Nested(MeasureSchema), required=True)
    against_control = fields.List(fields.Nested(ComparisonSchema), required=True)


class ExperimentSchema(Schema):
    """All arms since the plan's generation came into force."""

    model = fields.String(required=True)
    experiment = fields.String(required=True)
    generation = fields.Integer(required=True)
    decidable = fields.Boolean(required=True)
    arms = fields.List(fields.Nested(ArmSchema), required=True)
