"""The part of the OpenAPI document that is about traffic plans and rollouts."""

from typing import Any

from apispec import APISpec

from app.api.docs.parts import UNREADABLE, json_answer, operation, path_parameter, problems
from app.api.experiments.schemas import ExperimentSchema
from app.api.rollouts.schemas import RolloutRequestSchema, RolloutsSchema
from app.api.traffic.schemas import PlanSchema, TrafficSchema
from app.services import Services

_ALWAYS = {
    404: "No such model or version.",
    409: "Somebody was quicker, or this cannot follow from where things stand.",
    503: "Shared state is away, or the version is not served.",
}
_MISFIT = {422: "A member does not fit; `errors` names it."}
_SEEN: dict[str, Any] = {
    "in": "header",
    "name": "If-Match",
    "description": "The generation that you have seen; another one answers 409.",
    "schema": {"type": "string", "pattern": '^"[0-9]{1,12}"$'},
}


def add_traffic_paths(spec: APISpec, here: Services) -> None:
    """Plans, rollouts, evidence."""
    root = "/v1/models/{name}"
    put = _operation("Set the traffic of a model", TrafficSchema, _body(PlanSchema))
    back = _operation("Return to the plan before", TrafficSchema)
    for change in (put, back):
        change["parameters"] = [_SEEN]
        change["responses"] |= problems(_MISFIT)
    plan = {"get": _operation("Who answers how much", TrafficSchema), "put": put}
    rollouts = {
        "get": _operation("The rollout that runs, and those before", RolloutsSchema),
        "post": _operation("Roll a version out", RolloutsSchema, _body(RolloutRequestSchema)),
    }
    paths = {
        "/traffic": plan,
        "/traffic/rollback": {"post": back},
        "/rollouts": rollouts,
        "/rollouts/promote": {"post": _operation("Promote the canary now", RolloutsSchema)},
        "/rollouts/abort": {"post": _operation("Take the canary back now", RolloutsSchema)},
        "/experiment": {"get": _operation("What each version did, side by side", ExperimentSchema)},
    }
    for path, operations in paths.items():
        spec.path(root + path, operations=operations, parameters=[path_parameter("name", here.registry.models)])


def _body(schema: Any) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _operation(summary: str, schema: Any, body: dict[str, Any] | None = None) -> dict[str, Any]:
    refusals = _ALWAYS if body is None else _ALWAYS | UNREADABLE | _MISFIT
    made = operation(summary, "traffic", {"200": json_answer(schema)} | problems(refusals))
    return made if body is None else made | {"requestBody": body}
