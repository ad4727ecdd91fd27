"""HTTP's words for the cache: ``Cache-Control`` in, ``X-Cache`` and ``Age`` out."""

from flask import Response, request

from app.cache.freshness import parse_freshness
from app.tensors import Freshness, Prediction


def wanted_freshness() -> Freshness:
    """What the current request asks of the cache."""
    return parse_freshness(request.environ.get("HTTP_CACHE_CONTROL"))


def tell_source(answer: Response, prediction: Prediction) -> None:
    """Where the answer came from, and how old it is when it was remembered."""
    answer.headers["X-Cache"] = prediction.source
    if prediction.cached:
        answer.headers["Age"] = str(prediction.age)
