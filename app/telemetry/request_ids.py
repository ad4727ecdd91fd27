"""Ids of requests: a caller's own where it can do no harm in a log, else one of ours."""

import re
from random import getrandbits

is_harmless = re.compile(r"[A-Za-z0-9._:-]{1,100}").fullmatch
"""What is taken over from a caller's X-Request-ID: enough for any tracing system."""


def new_id() -> str:
    """128 random bits in hex."""
    return f"{getrandbits(128):032x}"


def own_or_new(given: str | None) -> str:
    """The id to answer a request under."""
    return given if given and is_harmless(given) else new_id()
