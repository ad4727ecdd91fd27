"""Probes for people, load balancers and orchestrators."""

from typing import Any

from flask import Blueprint

from app.api.access import public
from app.api.health.schemas import HealthSchema, LiveSchema, ReadySchema
from app.api.json import json_response
from app.registry.readiness import can_answer
from app.registry.registry import Model, Registry
from app.services import services

blueprint = Blueprint("health", __name__, url_prefix="/health")


@blueprint.get("")
@public
def health() -> Any:
    """Whether predictions can be had: 503 when none can."""
    status = _status(services().registry)
    body = {"status": _WORDS[status], "model_loaded": status != "unready"}
    return json_response(HealthSchema().dump(body), 503 if status == "unready" else 200)


@blueprint.get("/live")
@public
def live() -> Any:
    """Whether the process answers at all."""
    return json_response(LiveSchema().dump({"status": "live"}))


@blueprint.get("/ready")
@public
def ready() -> Any:
    """Which models and dependencies are up, and the reason for each that is not."""
    registry = services().registry
    status = _status(registry)
    body = {
        "status": status,
        "models": {name: _model(model) for name, model in registry.models.items()},
        "dependencies": _dependencies(),
    }
    return json_response(ReadySchema().dump(body), 503 if status == "unready" else 200)


_WORDS = {"ready": "healthy", "degraded": "degraded", "unready": "unhealthy"}


def _status(registry: Registry) -> str:
    """``unready`` when the server ends or nothing can be answered, ``degraded`` when a version is refused."""
    if services().closing.is_set() or not can_answer(registry):
        return "unready"
    whole = set(_dependencies().values()) <= {"up"} and all(
        state.served and state.reason is None for model in registry.models.values() for state in model.versions.values()
    )
    return "ready" if whole else "degraded"


def _dependencies() -> dict[str, str]:
    """Each outside service's own word: up, down or read-only."""
    return {name: ask() for name, ask in services().dependencies.items()}


def _model(model: Model) -> dict[str, Any]:
    return {
        "ready": model.served is not None,
        "default_version": model.default,
        "versions": [
            {"version": state.version, "state": "served" if state.served else "refused", "reason": state.reason}
            for state in model.versions.values()
        ],
    }
