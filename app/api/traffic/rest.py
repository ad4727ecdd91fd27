"""Routes of traffic plans. ``If-Match`` names the generation that the writer has seen; without it the last one wins."""

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from app.api.access import needs
from app.api.bodies import read_json
from app.api.current import current_visit
from app.api.json import json_response
from app.api.loading import load
from app.api.rollouts.rest import default_version
from app.api.traffic.schemas import PlanSchema, TrafficSchema, traffic_body
from app.errors import InvalidInput
from app.routing.plan import WHOLE, Plan, Traffic, shares
from app.services import services

blueprint = Blueprint("traffic", __name__, url_prefix="/v1/models/<name>/traffic")

_GENERATION = re.compile(r'(?:W/)?"?(\d{1,12})"?').fullmatch


@blueprint.get("")
@needs("models:read")
def show(name: str) -> Response:
    """The plan in force, the ones before it, and the rollout."""
    default = default_version(name)
    held = services().routing.desk.held(name) or Traffic(Plan({default: WHOLE}, note="the default version"))
    return _answer(name, held)


@blueprint.put("")
@needs("traffic:write")
def replace(name: str) -> Response:
    """Another plan. 100 percent for one version is a blue-green switch."""
    default = default_version(name)
    plan = _plan(name, load(PlanSchema(), read_json(services().max_body_bytes).data))
    return _answer(name, services().routing.desk.set_plan(name, default, plan, _seen_generation()))


@blueprint.post("/rollback")
@needs("traffic:write")
def roll_back(name: str) -> Response:
    """The plan before; a rollout that is running is aborted."""
    default = default_version(name)
    caller = current_visit().caller
    return _answer(name, services().routing.desk.roll_back(name, default, caller.subject, _seen_generation()))


def _seen_generation() -> int | None:
    """The generation in ``If-Match``, None where the caller does not care.

    Raises:
        InvalidInput: it names none.
    """
    text = request.headers.get("If-Match", "").strip()
    if text in ("", "*"):
        return None
    match = _GENERATION(text)
    if match is None:
        raise InvalidInput({"If-Match": ['must be a generation, for example "3"']})
    return int(match[1])


def _plan(name: str, data: Mapping[str, Any]) -> Plan:
    """Versions must be known before they can have traffic: a typing error would otherwise be a fallback."""
    registry = services().registry
    for version in (*data["weights"], *data["variants"], *data["shadow"]):
        registry.version(name, version)
    try:
        weights = shares(data["weights"])
    except ValueError as error:
        raise InvalidInput({"weights": [str(error)]}) from None
    return Plan(
        weights,
        data["unit"],
        data["header"],
        data["experiment"],
        data["variants"],
        {version: round(share * 100) for version, share in data["shadow"].items() if share},
        data["note"],
        current_visit().caller.subject,
    )


def _answer(name: str, traffic: Traffic) -> Response:
    answer = json_response(TrafficSchema().dump(traffic_body(name, traffic)))
    answer.headers["ETag"] = f'"{traffic.generation}"'
    return answer
