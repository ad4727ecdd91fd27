"""GET /docs and /openapi.json."""

from app.api.docs.rest import blueprint

__all__ = ["blueprint"]
