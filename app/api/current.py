"""The request in hand, and what is known of it.

Flask's proxies look the context up again at each attribute, which costs seven times what is done with it; a prediction
reads two dozen of them. These hand out what is behind them.
"""

from typing import Any

from flask import Request
from flask.globals import _cv_app, _cv_request

from app.gateway.caller import Caller, Standing
from app.telemetry.metrics import NO_FACTS

_NOBODY = Caller("", "", "", frozenset(), frozenset())


class Visit:
    """Flask's ``g`` here: everything that is found out about a request on its way, each with a name and a type.

    ``started`` is a ``perf_counter`` reading; ``facts`` is what the access log and the observers want to know of a
    prediction; ``run_ms`` is how long the platforms' routes took to predict.
    """

    started = 0.0
    request_id = ""
    address = ""
    caller = _NOBODY
    standing: Standing | None = None
    facts = NO_FACTS
    run_ms: float | None = None


def current_request() -> Request:
    """The request that this thread is answering."""
    return _cv_request.get().request


def current_visit() -> Visit:
    """What is known of it."""
    visit: Any = _cv_app.get().g
    return visit  # type: ignore[no-any-return]
