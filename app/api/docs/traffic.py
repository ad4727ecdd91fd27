"""The part of the OpenAPI document that is about traffic plans and rollouts."""

from typing import Any

from apispec import APISpec

from app.api.experiments.schemas import ExperimentSchema
from app.api.rollouts.schemas import RolloutRequestSchema, RolloutsSchema
from app.api.traffic.schemas import PlanSchema, TrafficSchema
from app.services import Services

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ABSENT = {
    "404": {"description": "No such model or version.", "content": _PROBLEM},
    "409": {"description": "Somebody was quicker, or this cannot follow from where things stand.", "content": _PROBLEM},
    "503": {"description": "Shared state is away, or the version is not served.", "content": _PROBLEM},
}
_REFUSALS = {
    "400": {"description": "The body is no JSON object.", "content": _PROBLEM},
    "413": {"description": "The body is too large.", "content": _PROBLEM},
    "415": {"description": "The body is no application/json.", "content": _PROBLEM},
    "422": {"description": "A member does not fit; `errors` names it.", "content": _PROBLEM},
}
_SEEN: dict[str, Any] = {
    "in": "header",
    "name": "If-Match",
    "description": "The generation that you have seen; another one answers 409.",
    "schema": {"type": "string", "pattern": '^"[0-9]{1,12}"$'},
}


def add_traffic_paths(spec: APISpec, here: Services) -> None:
    """Plans, rollouts, evidence."""
    names = sorted(here.registry.models)
    place: dict[str, Any] = {
        "in": "path",
        "name": "name",
        "required": True,
        "schema": {"type": "string", "enum": names},
    }
    root = "/v1/models/{name}"
    put = _operation("Set the traffic of a model", TrafficSchema, _body(PlanSchema))
    back = _operation("Return to the plan before", TrafficSchema)
    for operation in (put, back):
        operation["parameters"] = [_SEEN]
        operation["responses"]["422"] = _REFUSALS["422"]
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
        spec.path(root + path, operations=operations, parameters=[place])


def _body(schema: Any) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _operation(summary: str, schema: Any, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = {"description": "The answer.", "content": {"application/json": {"schema": schema}}}
    operation: dict[str, Any] = {"summary": summary, "tags": ["traffic"], "responses": {"200": answer, **_ABSENT}}
    return (
        operation
        if body is None
        else operation
        | {
            "requestBody": body,
            "responses": operation["responses"] | _REFUSALS,
        }
    )
