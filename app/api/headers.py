"""Headers of answers: how a caller stands with its quota, and what a browser may do."""

from collections.abc import Sequence

from flask import Response, request
from werkzeug.datastructures import Headers

from app.errors import QuotaExceeded
from app.gateway.caller import Fields, rate_limit_fields

_METHODS = "GET, POST, PUT, DELETE, OPTIONS"
_ALLOWED = (
    "Authorization, Content-Type, X-API-Key, X-Request-ID, Cache-Control, X-Model-Version, "
    "X-Priority, X-Request-Timeout"
)
_EXPOSED = "X-Request-ID, X-Cache, Age, X-Model-Version, X-Route, X-Variant, RateLimit, RateLimit-Policy, Retry-After"


def append(headers: Headers, fields: Fields) -> None:
    """Add fields of our own making as they are; werkzeug would search each value for newlines, ten times the work."""
    headers._list.extend(fields)  # noqa: SLF001


def add_refusal(headers: Headers, error: QuotaExceeded) -> None:
    """How a caller stands that has no more left."""
    append(headers, rate_limit_fields(error.unit, error.limit, error.seconds, 0, error.reset_s))


def answer_preflight(origins: Sequence[str]) -> Response | None:
    """The answer to a browser's preflight, when pages of other origins may call at all."""
    if not origins or request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    answer = Response(status=204)
    answer.headers["Access-Control-Allow-Methods"] = _METHODS
    answer.headers["Access-Control-Allow-Headers"] = _ALLOWED
    answer.headers["Access-Control-Max-Age"] = "600"
    return answer


def allow_origin(headers: Headers, origins: Sequence[str]) -> None:
    """Let the page read the answer when its origin is allowed. No credentials mode: keys travel in headers."""
    headers.add("Vary", "Origin")
    origin = request.headers.get("Origin")
    if origin is not None and ("*" in origins or origin in origins):
        headers["Access-Control-Allow-Origin"] = "*" if "*" in origins else origin
        headers["Access-Control-Expose-Headers"] = _EXPOSED
