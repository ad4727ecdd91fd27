"""Shapes of rollouts."""

from typing import Any, get_args

from marshmallow import Schema, fields, validate

from app.routing.judge import Decision, Verdict
from app.routing.rollout import STEPS, Rollout, RolloutState, Thresholds

_DEFAULT = Thresholds()


class RolloutRequestSchema(Schema):
    """What starts one."""

    canary = fields.String(required=True, metadata={"description": "the version that shall take over"})
    steps = fields.List(
        fields.Float(validate=validate.Range(min=0.01, max=99), allow_nan=False),
        load_default=lambda: [share / 100 for share in STEPS],
        validate=validate.Length(min=1, max=20),
        metadata={"description": "percent for the canary, step by step"},
    )
    interval_s = fields.Float(
        load_default=60.0, allow_nan=False, validate=validate.Range(min=1, max=604_800),
        metadata={"description": "least duration of a step"},
    )  # fmt: skip
    min_samples = fields.Integer(
        load_default=_DEFAULT.min_samples, validate=validate.Range(min=10, max=10_000_000),
        metadata={"description": "requests of each version that a step must have seen"},
    )  # fmt: skip
    alpha = fields.Float(
        load_default=_DEFAULT.alpha, allow_nan=False, validate=validate.Range(min=1e-9, max=0.05),
        metadata={"description": "chance of failing a canary that is no worse"},
    )  # fmt: skip
    latency_ratio = fields.Float(
        load_default=_DEFAULT.latency_ratio, allow_nan=False, validate=validate.Range(min=1, max=100),
        metadata={"description": "how many times the stable p95 is too slow"},
    )  # fmt: skip
    latency_floor_ms = fields.Float(
        load_default=_DEFAULT.latency_floor_ms, allow_nan=False, validate=validate.Range(min=0, max=60_000),
        metadata={"description": "a difference in p95 under this does not matter"},
    )  # fmt: skip
    drift = fields.Float(
        load_default=_DEFAULT.drift, allow_nan=False, validate=validate.Range(min=0, max=10),
        metadata={"description": "how far predictions may move: in standard deviations, or as share of rows"},
    )  # fmt: skip
    dry_run = fields.Boolean(
        load_default=False, metadata={"description": "give the canary copies of requests, and promote nothing"}
    )
    force = fields.Boolean(load_default=False, metadata={"description": "try a file again that failed before"})


class EventSchema(Schema):
    """One decision, and what it rests on."""

    at = fields.Float(required=True)
    step = fields.Integer(required=True)
    percent = fields.Float(required=True)
    decision = fields.String(required=True)
    reason = fields.String(required=True)
    evidence = fields.Dict(keys=fields.String(), required=True)


class VerdictSchema(Schema):
    """What the judge would say now."""

    decision = fields.String(required=True, validate=validate.OneOf(get_args(Decision)))
    reasons = fields.List(fields.String(), required=True)
    evidence = fields.Dict(keys=fields.String(), required=True)


class RolloutSchema(Schema):
    """A rollout, running or over."""

    id = fields.String(required=True)
    stable = fields.String(required=True)
    canary = fields.String(required=True)
    digest = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(get_args(RolloutState)))
    step = fields.Integer(required=True, metadata={"description": "counted from 1"})
    percent = fields.Float(required=True, metadata={"description": "the canary's share at that step"})
    steps = fields.List(fields.Float(), required=True)
    interval_s = fields.Float(required=True)
    thresholds = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)
    dry_run = fields.Boolean(required=True)
    started = fields.Float(required=True)
    ended = fields.Float(required=True, allow_none=True)
    by = fields.String(required=True)
    reason = fields.String(required=True)
    log = fields.List(fields.Nested(EventSchema), required=True)


class RolloutsSchema(Schema):
    """The rollout that runs, if one does, and those before it, newest first."""

    model = fields.String(required=True)
    running = fields.Nested(RolloutSchema, required=True, allow_none=True)
    verdict = fields.Nested(VerdictSchema, required=True, allow_none=True)
    history = fields.List(fields.Nested(RolloutSchema), required=True)


def rollout_body(rollout: Rollout) -> dict[str, Any]:
    """A rollout as it is shown."""
    held = rollout.to_json()
    return {
        **held,
        "steps": [share / 100 for share in rollout.steps],
        "step": rollout.step + 1,
        "percent": rollout.share / 100,
        "log": list(rollout.log),
    }


def verdict_body(verdict: Verdict) -> dict[str, Any]:
    """A verdict as it is shown."""
    return {"decision": verdict.decision, "reasons": list(verdict.reasons), "evidence": dict(verdict.evidence)}
