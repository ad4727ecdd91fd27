"""HTTP's words for where an answer comes from: ``Cache-Control`` in; ``X-Cache``, ``Age``, ``X-Route``, ... out."""

from flask import Response

from app.api.current import current_request
from app.api.headers import append
from app.cache.freshness import parse_freshness
from app.tensors import Freshness, Prediction


def wanted_freshness() -> Freshness:
    """What the current request asks of the cache."""
    return parse_freshness(current_request().environ.get("HTTP_CACHE_CONTROL"))


def tell_source(answer: Response, prediction: Prediction) -> None:
    """Where the answer came from, how old it is when it was remembered, which version gave it and why that one."""
    headers = answer.headers
    version, reason = prediction.version, prediction.reason
    append(headers, (("X-Cache", prediction.source), ("X-Model-Version", version), ("X-Route", reason)))
    if prediction.cached:
        headers.add("Age", str(prediction.age))
    if prediction.variant is not None:
        headers.add("X-Variant", prediction.variant)
