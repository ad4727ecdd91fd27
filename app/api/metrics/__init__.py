"""What Prometheus comes for."""

from app.api.metrics.rest import blueprint

__all__ = ["blueprint"]
