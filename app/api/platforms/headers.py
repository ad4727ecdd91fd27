"""Azure ML's headers: whose request it is, in the client's words, and how long the model took."""

from flask import Response, request
from werkzeug.exceptions import RequestHeaderFieldsTooLarge

from app.api.current import current_visit

_LONGEST = 100
_IDS = ("x-request-id", "x-ms-request-id", "x-ms-client-request-id")


def check_ids() -> None:
    """Refuse ids that are too long to be carried through every log.

    Raises:
        RequestHeaderFieldsTooLarge
    """
    for name in _IDS:
        if len(request.headers.get(name, "")) > _LONGEST:
            raise RequestHeaderFieldsTooLarge(f"{name} must not exceed {_LONGEST} characters.")


def give_ids_back(answer: Response) -> Response:
    """The client's own id as it came; its older name too, under which everybody finds some id."""
    visit = current_visit()
    client = request.headers.get("x-ms-client-request-id", "") or request.headers.get("x-ms-request-id", "")
    if client and _is_plain(client):
        answer.headers["x-ms-client-request-id"] = client
    older = request.headers.get("x-ms-request-id", "") or client
    answer.headers["x-ms-request-id"] = older if older and _is_plain(older) else visit.request_id
    if answer.status_code >= 500:
        answer.headers["x-ms-run-function-failed"] = "True"
    if visit.run_ms is not None:
        answer.headers["x-ms-run-fn-exec-ms"] = f"{visit.run_ms:.3f}"
    return answer


def _is_plain(text: str) -> bool:
    return len(text) <= _LONGEST and text.isascii() and text.isprintable()
