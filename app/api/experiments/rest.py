"""The route of an experiment's evidence."""

from typing import Any

from flask import Blueprint, Response

from app.api.access import needs
from app.api.experiments.schemas import ExperimentSchema
from app.api.json import json_response
from app.routing.evidence import Arm
from app.routing.experiment import compare, measures_of
from app.routing.plan import Plan, Traffic
from app.services import services

blueprint = Blueprint("experiments", __name__, url_prefix="/v1/models/<name>/experiment")


@blueprint.get("")
@needs("models:read")
def show(name: str) -> Response:
    """Sizes, intervals, and whether the arms can be told apart yet. The control is the arm with most traffic."""
    services().registry.model(name)
    routing = services().routing
    traffic = routing.desk.held(name) or Traffic(Plan({}))
    known = routing.conductor.evidence(name, traffic)
    arms = _arms(traffic.plan, known)
    body = {
        "model": name,
        "experiment": traffic.plan.salt,
        "generation": traffic.generation,
        "decidable": any(it.decidable for arm in arms for it in arm["against_control"]),
        "arms": arms,
    }
    return json_response(ExperimentSchema().dump(body))


def _arms(plan: Plan, known: dict[str, Arm]) -> list[dict[str, Any]]:
    return [_arm(version, plan.heaviest, plan.variants.get(version), known) for version in known]


def _arm(version: str, control: str, variant: str | None, known: dict[str, Arm]) -> dict[str, Any]:
    arm = known[version]
    measures = measures_of(arm)
    return {
        "version": version,
        "variant": variant,
        "control": version == control,
        "requests": arm.requests,
        "errors": arm.errors,
        "latency_p50_ms": _ms(arm.quantile(0.5)),
        "latency_p95_ms": _ms(arm.quantile(0.95)),
        "measures": measures,
        "against_control": [] if version == control else compare(measures_of(known[control]), measures),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
