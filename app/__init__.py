"""Sluice: a model server for tabular and small neural models. ``create_app`` is the way in."""

from app.factory import create_app

__all__ = ["create_app"]
