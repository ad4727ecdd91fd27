"""JSON answers, strict: orjson never writes NaN or Infinity."""

from typing import Any

import orjson
from flask import Response


def json_response(body: Any, status: int = 200) -> Response:
    """The body as ``application/json``."""
    return Response(orjson.dumps(body), status, content_type="application/json")
