"""What can be asked: the models, their versions, their features."""

from app.api.models.rest import blueprint

__all__ = ["blueprint"]
