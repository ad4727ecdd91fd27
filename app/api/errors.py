"""Cause -> status, and the JSON shape of every error: RFC 9457 ``application/problem+json``.

Where a protocol that others wrote has a shape of its own, its addresses answer in that one: ``_SHAPES``.
"""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from app.api.current import current_visit
from app.api.headers import add_refusal
from app.errors import (
    DeadlineExceeded,
    Forbidden,
    GateUnavailable,
    InvalidInput,
    ModelFailed,
    ModelNotFound,
    ModelNotReady,
    ModelRefused,
    Overloaded,
    QuotaExceeded,
    SluiceError,
    TrafficConflict,
    Unauthenticated,
    VersionNotFound,
    clip,
)
from app.registry.faults import MAX_REPORTED
from app.services import services
from app.state.base import StateUnavailable
from app.telemetry.metrics import tell_refusal

STATUS: dict[type[SluiceError], int] = {
    InvalidInput: 422,
    ModelNotFound: 404,
    VersionNotFound: 404,
    ModelNotReady: 503,
    ModelFailed: 500,
    Unauthenticated: 401,
    Forbidden: 403,
    QuotaExceeded: 429,
    GateUnavailable: 503,
    StateUnavailable: 503,
    Overloaded: 503,
    DeadlineExceeded: 504,
    ModelRefused: 422,
    TrafficConflict: 409,
}
"""One line per cause. A cause that is missing here is our mistake, and answers 500."""

_HINTS = {
    404: "There is nothing at this address; GET /docs lists what there is.",
    500: "Something went wrong here. Quote the request_id when you report it.",
}


def register_error_handlers(app: Flask) -> None:
    """Every exception leaves as a problem document."""
    app.register_error_handler(SluiceError, _from_cause)
    app.register_error_handler(ValidationError, _from_schema)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _from_surprise)


def problem_document(
    status: int, kind: str, detail: str, request_id: str | None, errors: Mapping[str, Any] | None = None
) -> bytes:
    """The JSON of a problem; ``errors`` maps field paths to messages."""
    body: dict[str, Any] = {
        "type": f"urn:sluice:problem:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    if errors:
        body["errors"] = errors
    return orjson.dumps(body)


def problem(status: int, kind: str, detail: str, errors: Mapping[str, Any] | None = None) -> Response:
    """An error as the answer to the current request, in the shape of its address."""
    first = request.environ["PATH_INFO"].split("/", 2)[1:2]
    return _SHAPES.get("".join(first), _as_problem)(status, kind, detail, errors)


def _as_problem(status: int, kind: str, detail: str, errors: Mapping[str, Any] | None) -> Response:
    body = problem_document(status, kind, detail, current_visit().request_id, errors)
    return Response(body, status, content_type="application/problem+json")


def _as_inference_error(status: int, _: str, detail: str, errors: Mapping[str, Any] | None) -> Response:
    """The Open Inference Protocol's: one text, and 400 for whatever is wrong with a request's tensors."""
    return _plainly(status, {"error": _in_one_text(detail, errors)})


def _as_azure_error(status: int, _: str, detail: str, errors: Mapping[str, Any] | None) -> Response:
    return _plainly(status, {"message": _in_one_text(detail, errors)})


def _as_mlflow_error(status: int, kind: str, detail: str, errors: Mapping[str, Any] | None) -> Response:
    code = kind.upper().replace("-", "_")
    return _plainly(status, {"error_code": code, "message": _in_one_text(detail, errors)})


def _in_one_text(detail: str, errors: Mapping[str, Any] | None) -> str:
    return "; ".join(f"{field}: {' '.join(map(str, texts))}" for field, texts in (errors or {}).items()) or detail


def _plainly(status: int, body: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(body), 400 if status == 422 else status, content_type="application/json")


_SHAPES: Mapping[str, Callable[[int, str, str, Mapping[str, Any] | None], Response]] = {
    "v2": _as_inference_error,
    "score": _as_azure_error,
    "invocations": _as_mlflow_error,
}
"""First step of an address -> the shape of its errors."""


def _from_cause(error: SluiceError) -> Response:
    status = STATUS.get(type(error), 500)
    if isinstance(error, ModelFailed):
        services().log.error("model_failed", detail=str(error), reason=error.reason)
    tell_refusal(services().metrics, error)
    answer = problem(status, error.kind, str(error), getattr(error, "errors", None))
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, QuotaExceeded):
        add_refusal(answer.headers, error)
    elif isinstance(error, Unauthenticated):
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _from_schema(error: ValidationError) -> Response:
    error.__traceback__ = None  # marshmallow's frame refers to the error: a cycle that would keep the body
    messages = sorted(_by_path(error.normalized_messages()))[:MAX_REPORTED]
    return _from_cause(InvalidInput({clip(path): texts for path, texts in messages}))


def _by_path(messages: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, list[str]]]:
    """Nested messages by the dotted path of their field; a list's items and a mapping's values have paths too."""
    for name, inner in messages.items():
        path = f"{above}.{name}" if above else str(name)
        if isinstance(inner, Mapping):
            yield from _by_path(inner, path)
        else:
            yield path, list(map(str, inner))


def _from_http(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return Response(error.get_body(), error.code, error.get_headers())
    kind = HTTPStatus(error.code).phrase.lower().replace(" ", "-").replace("'", "")
    written_here = error.description if error.description != type(error).description else None
    answer = problem(error.code, kind, written_here or _HINTS.get(error.code) or str(error.description))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After", "Accept"):
            answer.headers[name] = value
    return answer


def _from_surprise(error: Exception) -> Response:
    services().log.exception("unexpected_error", error=type(error).__name__)
    return problem(500, "internal", _HINTS[500])
