"""What happens around every request: its id, its clock, its line in the access log."""

import re
from random import getrandbits
from time import perf_counter

from flask import Flask, Response, g, request

from app.services import services
from app.telemetry.access import write_access
from app.telemetry.logs import request_id

_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,100}").fullmatch
"""What is taken over from a caller's X-Request-ID: enough for any tracing system, harmless in a log."""


def register_hooks(app: Flask) -> None:
    """Attach the hooks to the application."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.started = perf_counter()
    given = request.environ.get("HTTP_X_REQUEST_ID")
    g.request_id = given if given and _WELL_FORMED(given) else f"{getrandbits(128):032x}"
    request_id.set(g.request_id)


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    if services().access_log:
        environ = request.environ
        write_access(
            {
                "request_id": g.request_id,
                "method": environ["REQUEST_METHOD"],
                "path": environ["PATH_INFO"],
                "status": response.status_code,
                "duration_ms": round((perf_counter() - g.started) * 1000, 3),
                "client": environ.get("REMOTE_ADDR"),
                **g.get("facts", {}),
            }
        )
    return response
