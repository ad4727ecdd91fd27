"""The request in hand and its ``g``, as they are.

Flask's proxies look the context up again at each attribute, which costs seven times what is done with it; a prediction
reads two dozen of them.
"""

from typing import Any, cast

from flask import Request, g, request

_request: Any = request
_g: Any = g


def current_request() -> Request:
    """The request that this thread is answering."""
    return cast(Request, _request._get_current_object())  # noqa: SLF001 - flask's documented way to what is behind it


def current_g() -> Any:
    """What belongs to it: ``request_id``, ``caller``, ``facts``, ..."""
    return _g._get_current_object()  # noqa: SLF001
