"""Shapes of traffic plans. Weights are percentages at this door, basis points behind it."""

from collections.abc import Mapping
from typing import Any, get_args

from marshmallow import Schema, fields, validate

from app.api.rollouts.schemas import RolloutSchema, rollout_body
from app.routing.plan import WHOLE, Plan, Traffic, Unit

_PERCENT = validate.Range(min=0, max=100)
_SHARES: dict[str, Any] = {"keys": fields.String(), "values": fields.Float(validate=_PERCENT, allow_nan=False)}
_WORD = validate.Regexp(r"^[A-Za-z0-9._-]{1,64}\Z", error="must be letters, digits, '.', '_' and '-', 64 at most")
"""For what travels in a header. The document says it in JSON Schema's own words, which know no ``\\Z``."""


class PlanSchema(Schema):
    """What ``PUT`` takes."""

    weights = fields.Dict(
        required=True,
        validate=validate.Length(min=1, max=32),
        metadata={"description": "percent by version; together 100", "minProperties": 1, "maxProperties": 32},
        **_SHARES,
    )
    unit = fields.String(
        load_default="entity",
        validate=validate.OneOf(get_args(Unit)),
        metadata={"description": "what keeps its version: the first row's entity id, a header's value, or nothing"},
    )
    header = fields.String(
        load_default="X-Unit-ID",
        validate=validate.Regexp(r"^[A-Za-z0-9-]{1,64}\Z", error="must be a header's name"),
        metadata={"description": "the header, where the unit is one", "pattern": "^[A-Za-z0-9-]{1,64}$"},
    )
    experiment = fields.String(
        load_default="",
        validate=validate.Length(max=64),
        metadata={"description": "another name deals all units again"},
    )
    variants = fields.Dict(
        load_default=dict,
        keys=fields.String(),
        values=fields.String(validate=_WORD, metadata={"pattern": "^[A-Za-z0-9._-]{1,64}$"}),
        validate=validate.Length(max=32),
        metadata={"description": "version -> its name in the experiment", "maxProperties": 32},
    )
    shadow = fields.Dict(
        load_default=dict,
        validate=validate.Length(max=4),
        metadata={
            "description": "percent of requests copied to a version whose answers nobody sees",
            "maxProperties": 4,
        },
        **_SHARES,
    )
    note = fields.String(load_default="", validate=validate.Length(max=200))


class PlanShownSchema(PlanSchema):
    """A plan that is or was in force."""

    by = fields.String(required=True)
    at = fields.Float(required=True, allow_none=True, metadata={"description": "Unix seconds"})


class TrafficSchema(PlanShownSchema):
    """The whole document of a model. ``generation`` is what ``If-Match`` compares."""

    model = fields.String(required=True)
    generation = fields.Integer(required=True)
    before = fields.List(fields.Nested(PlanShownSchema), required=True)
    banned = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, metadata={"description": "digest -> why it failed"}
    )
    rollout = fields.Nested(RolloutSchema, required=True, allow_none=True)


def traffic_body(model: str, traffic: Traffic) -> dict[str, Any]:
    """A document as it is shown."""
    return {
        "model": model,
        "generation": traffic.generation,
        **plan_body(traffic.plan),
        "before": [plan_body(plan) for plan in traffic.before],
        "banned": dict(traffic.banned),
        "rollout": rollout_body(traffic.rollout) if traffic.rollout else None,
    }


def plan_body(plan: Plan) -> dict[str, Any]:
    """A plan as it is shown."""
    return {
        "weights": percents(plan.weights),
        "unit": plan.unit,
        "header": plan.header,
        "experiment": plan.salt,
        "variants": dict(plan.variants),
        "shadow": percents(plan.shadow),
        "note": plan.note,
        "by": plan.by,
        "at": plan.at or None,
    }


def percents(points: Mapping[str, int]) -> dict[str, float]:
    """Basis points as percentages."""
    return {name: share * 100 / WHOLE for name, share in points.items()}
