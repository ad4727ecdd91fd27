"""Sluice: a model server for tabular and small neural models. ``factory.create_app`` is the way in."""
