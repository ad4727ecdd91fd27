"""Routes of the repository extension, on the protocol's blueprint.

A load or an unload has taken effect in the worker process that answers; the others follow within two seconds.
"""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response

from app.api.access import needs
from app.api.asking import may_see
from app.api.bodies import parse_object, read_bytes
from app.api.inference.schemas import RepositoryEntrySchema, RepositoryScopeSchema
from app.api.json import json_response
from app.errors import InvalidInput, clip
from app.registry.registry import Model
from app.services import services

_SCOPE = {"scope": "the worker process that answered; all others within two seconds"}

blueprint = Blueprint("repository", __name__, url_prefix="/repository")


@blueprint.post("/index")
@needs("models:read")
def index() -> Response:
    """Every version the caller may see, and why some are not served. ``{"ready": true}`` leaves those out."""
    only_ready = _body().get("ready", False)
    if type(only_ready) is not bool:
        raise InvalidInput({"ready": ["must be true or false"]})
    entries = [entry for model in _models() for entry in _entries(model)]
    shown = [entry for entry in entries if entry["state"] == "READY" or not only_ready]
    return json_response(RepositoryEntrySchema(many=True).dump(shown))


@blueprint.post("/models/<name>/load")
@needs("models:write")
def load(name: str) -> Response:
    """Read a model's files again, verify them, and serve what verifies."""
    _refuse_parameters()
    services().announcements.load(name)
    return json_response(RepositoryScopeSchema().dump(_SCOPE))


@blueprint.post("/models/<name>/unload")
@needs("models:write")
def unload(name: str) -> Response:
    """Stop serving a model."""
    _refuse_parameters()
    services().announcements.unload(name)
    return json_response(RepositoryScopeSchema().dump(_SCOPE))


def _models() -> Iterator[Model]:
    return (model for model in services().registry.models.values() if may_see(model.name))


def _entries(model: Model) -> Iterator[dict[str, Any]]:
    for state in model.versions.values():
        ready = "READY" if state.served else "UNAVAILABLE"
        yield {"name": model.name, "version": state.version, "state": ready, "reason": state.reason or ""}


def _body() -> dict[str, Any]:
    """The body, which clients of this protocol leave out or send without a Content-Type."""
    raw = read_bytes(services().max_body_bytes)
    return parse_object(raw).data if raw.strip() else {}


def _refuse_parameters() -> None:
    """Files and configurations are not taken over HTTP: what is served is what lies in the repository."""
    parameters = _body().get("parameters")
    if parameters is None:
        return
    if type(parameters) is not dict:
        raise InvalidInput({"parameters": ["must be an object"]})
    for name, value in parameters.items():
        if name != "unload_dependents":
            raise InvalidInput(
                {f"parameters.{clip(name)}": ["is not supported: models come from this server's repository only"]}
            )
        if type(value) is not bool:
            raise InvalidInput({"parameters.unload_dependents": ["must be true or false"]})
