"""HTTP's words for how far a caller trusts a remembered answer; gRPC callers send the same as metadata."""

from app.tensors import ANY_AGE, Freshness


def parse_freshness(directives: str | None) -> Freshness:
    """What a ``Cache-Control`` asks for; anything that is not understood is ignored, as HTTP demands."""
    if directives is None:
        return ANY_AGE
    words = dict(part.strip().lower().partition("=")[::2] for part in directives.split(","))
    if "no-store" in words:
        return Freshness(read=False, store=False)
    if "no-cache" in words:
        return Freshness(read=False)
    age = words.get("max-age", "").strip('"')
    return Freshness(max_age=float(age)) if age.isdecimal() and age.isascii() else ANY_AGE
