"""The Open Inference Protocol v2 over REST, with binary tensors, the model repository and statistics."""

from app.api.inference.rest import blueprint

__all__ = ["blueprint"]
