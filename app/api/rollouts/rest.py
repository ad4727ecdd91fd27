"""Routes of rollouts. They judge themselves; promote and abort are for whoever knows better."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response

from app.api.access import needs
from app.api.bodies import read_json
from app.api.current import current_visit
from app.api.json import json_response
from app.api.loading import load
from app.api.rollouts.schemas import RolloutRequestSchema, RolloutsSchema, rollout_body, verdict_body
from app.errors import TrafficConflict
from app.routing.plan import Traffic
from app.routing.rollout import Rollout, RolloutState, Thresholds
from app.services import services

blueprint = Blueprint("rollouts", __name__, url_prefix="/v1/models/<name>/rollouts")


@blueprint.get("")
@needs("models:read")
def show(name: str) -> Response:
    """The rollout that runs, what the judge makes of it now, and those before."""
    services().registry.model(name)
    return _answer(name, services().routing.desk.held(name))


@blueprint.post("")
@needs("traffic:write")
def start(name: str) -> Response:
    """Begin; everything that has no say in the body has a default."""
    default = default_version(name)
    data = load(RolloutRequestSchema(), read_json(services().max_body_bytes).data)
    desk = services().routing.desk
    held = desk.held(name)
    stable = held.plan.heaviest if held else default
    return _answer(name, desk.start(name, default, _rollout(name, stable, data), data["force"]))


@blueprint.post("/promote")
@needs("traffic:write")
def promote(name: str) -> Response:
    """All traffic to the canary now."""
    return _ended(name, "promoted")


@blueprint.post("/abort")
@needs("traffic:write")
def abort(name: str) -> Response:
    """All traffic back to the stable version now."""
    return _ended(name, "aborted")


def _ended(name: str, state: RolloutState) -> Response:
    return _answer(
        name, services().routing.desk.end(name, default_version(name), state, current_visit().caller.subject)
    )


def default_version(name: str) -> str:
    """What answers for a model without a plan.

    Raises:
        ModelNotFound
        TrafficConflict: it has no version at all.
    """
    default = services().registry.model(name).default
    if default is None:
        raise TrafficConflict(f"model '{name}' has no version to answer with")
    return default


def _rollout(name: str, stable: str, data: Mapping[str, Any]) -> Rollout:
    registry = services().registry
    registry.version(name, stable)
    thresholds = Thresholds(
        data["min_samples"], data["alpha"], data["latency_ratio"], data["latency_floor_ms"], data["drift"]
    )
    return Rollout(
        uuid4().hex[:12],
        stable,
        data["canary"],
        registry.version(name, data["canary"]).digest,
        tuple(round(share * 100) for share in data["steps"]),
        data["interval_s"],
        thresholds,
        data["dry_run"],
        by=current_visit().caller.subject,
    )


def _answer(name: str, traffic: Traffic | None) -> Response:
    rollout = traffic.rollout if traffic else None
    running = rollout if rollout and rollout.running else None
    over = [rollout] if rollout and not running else []
    past = [*over, *(traffic.past if traffic else ())]
    verdict = services().routing.conductor.verdict(name, traffic) if traffic and running else None
    body = {
        "model": name,
        "running": rollout_body(running) if running else None,
        "verdict": verdict_body(verdict) if verdict else None,
        "history": [rollout_body(item) for item in past],
    }
    return json_response(RolloutsSchema().dump(body))
