"""HTTP's words for the cache: ``Cache-Control`` in, ``X-Cache`` and ``Age`` out."""

from flask import Response, request

from app.tensors import ANY_AGE, Freshness, Prediction


def wanted_freshness() -> Freshness:
    """What the current request asks of the cache; anything that is not understood is ignored, as HTTP demands."""
    header = request.environ.get("HTTP_CACHE_CONTROL")
    if header is None:
        return ANY_AGE
    directives = dict(part.strip().lower().partition("=")[::2] for part in header.split(","))
    if "no-store" in directives:
        return Freshness(read=False, store=False)
    if "no-cache" in directives:
        return Freshness(read=False)
    age = directives.get("max-age", "").strip('"')
    return Freshness(max_age=float(age)) if age.isdecimal() and age.isascii() else ANY_AGE


def tell_source(answer: Response, prediction: Prediction) -> None:
    """Where the answer came from, and how old it is when it was remembered."""
    answer.headers["X-Cache"] = prediction.source
    if prediction.cached:
        answer.headers["Age"] = str(prediction.age)
