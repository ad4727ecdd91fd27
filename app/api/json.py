"""JSON answers, strict: orjson never writes NaN or Infinity."""

from typing import Any

import orjson
from flask import Response


class JsonResponse(Response):
    """A document that is complete before it is sent: nothing to stream, no range of it, no location to make whole."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Send it without what only those need; an answer to HEAD is left to werkzeug."""
        if environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return self.response


def json_response(body: Any, status: int = 200) -> JsonResponse:
    """The body as ``application/json``."""
    return JsonResponse(orjson.dumps(body), status, content_type="application/json")
