"""Which version of a model answers how much: the plan, and the way back."""

from app.api.traffic.rest import blueprint

__all__ = ["blueprint"]
