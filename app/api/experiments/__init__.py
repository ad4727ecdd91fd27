"""What an experiment has shown so far."""

from app.api.experiments.rest import blueprint

__all__ = ["blueprint"]
