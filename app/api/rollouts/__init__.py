"""Versions that take over in steps: start, look, promote, abort."""

from app.api.rollouts.rest import blueprint

__all__ = ["blueprint"]
