"""POST /predict and its siblings: REST v1."""

from app.api.prediction.rest import blueprint

__all__ = ["blueprint"]
