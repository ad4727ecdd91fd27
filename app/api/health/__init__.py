"""Is it alive, is it ready, and if not, why."""

from app.api.health.rest import blueprint

__all__ = ["blueprint"]
