"""What happens around every request: its id, its clock, the gate, its line in the access log."""

from collections.abc import Collection, Mapping
from functools import partial
from time import perf_counter
from typing import Any

from flask import Flask, Request, Response

from app import passage
from app.api.access import PUBLIC, about_every, declared_scopes
from app.api.current import Visit, current_request, current_visit
from app.api.headers import allow_origin, answer_preflight, append
from app.api.urgency import begin_clock
from app.gateway.addresses import client_address, is_trusted
from app.gateway.caller import EVERY_MODEL, Credentials
from app.services import EXTENSION, Doorkeeping, Services
from app.telemetry.access import AccessLog, Answered
from app.telemetry.logs import request_id
from app.telemetry.request_ids import own_or_new


def register_hooks(app: Flask) -> None:
    """Attach the hooks to the application, once every route is there.

    Raises:
        LookupError: a view does not say what it needs.
    """
    here: Services = app.extensions[EXTENSION]
    app.before_request(partial(_begin, here.doorkeeping))
    app.before_request(partial(_admit, here, declared_scopes(app), about_every(app)))
    app.after_request(partial(_end, here))


def _begin(door: Doorkeeping) -> None:
    visit, environ = current_visit(), current_request().environ
    visit.started = perf_counter()
    visit.request_id = own_or_new(environ.get("HTTP_X_REQUEST_ID"))
    request_id.set(visit.request_id)
    visit.address = client_address(
        environ.get("REMOTE_ADDR") or "", environ.get("HTTP_X_FORWARDED_FOR"), door.trusted_networks, door.trust_socket
    )
    passage.begin(_passage(door, environ))
    begin_clock(environ, door.request_timeout_s)


def _passage(door: Doorkeeping, environ: Mapping[str, Any]) -> str | None:
    """Anybody can send the header; it means something when it is our proxy's."""
    number: str | None = environ.get("HTTP_X_SLUICE_PASSAGE")
    if number and is_trusted(environ.get("REMOTE_ADDR") or "", door.trusted_networks, door.trust_socket):
        return number
    return None


def _admit(here: Services, scopes: Mapping[str, str], about_all: Collection[str]) -> Response | None:
    """Let the caller in. An address without a route is left to the 404 or 405 that follows."""
    visit, request = current_visit(), current_request()
    preflight = answer_preflight(here.doorkeeping.cors_origins)
    scope = scopes.get(request.endpoint or "", PUBLIC)
    if preflight is not None or scope == PUBLIC:
        return preflight
    model = EVERY_MODEL if request.endpoint in about_all else _model(here, request, scope)
    environ = request.environ
    shown = Credentials.shown(environ.get("HTTP_X_API_KEY"), environ.get("HTTP_AUTHORIZATION"), visit.address)
    visit.caller, visit.standing = here.gate.admit(shown, scope, model)
    return None


def _model(here: Services, request: Request, scope: str) -> str | None:
    """The model that an address is about; predictions without a name are about the default one."""
    name: str | None = (request.view_args or {}).get("name")
    return here.registry.default_model if name is None and scope == "predict" else name


def _end(here: Services, response: Response) -> Response:
    visit, request = current_visit(), current_request()
    headers = response.headers
    append(headers, (("X-Request-ID", visit.request_id), ("X-Content-Type-Options", "nosniff")))
    if visit.standing:
        append(headers, visit.standing.fields)
    if here.doorkeeping.cors_origins:
        allow_origin(headers, here.doorkeeping.cors_origins)
    seconds = perf_counter() - visit.started
    rule = request.url_rule
    here.metrics.request(rule.rule if rule else "", response.status_code, seconds, visit.facts)
    if here.access_log:
        _log(here.access_log, visit, request.environ, response.status_code, seconds)
    return response


def _log(log: AccessLog, visit: Visit, environ: Mapping[str, Any], status: int, seconds: float) -> None:
    caller = visit.caller.subject or None
    about = Answered(environ["REQUEST_METHOD"], environ["PATH_INFO"], status, visit.address, caller, visit.facts)
    log.write(visit.request_id, seconds, about)
