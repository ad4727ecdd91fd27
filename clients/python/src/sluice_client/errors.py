"""What can go wrong, one class per cause; all of them are a ``SluiceError``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice_client.answers import Prediction


class SluiceError(Exception):
    """Root of every error of this package. ``request_id`` finds the request in the server's log, if it got there."""

    request_id: str | None = None


class Unreachable(SluiceError):
    """No connection, or one that broke before an answer was there."""


class TimedOut(SluiceError):
    """No answer within the client's timeout. Whether the server worked on it is unknown."""


class UnreadableAnswer(SluiceError):
    """Something answered that is no Sluice server, or an answer that came apart on the way."""


class Refused(SluiceError):
    """The server answered with an error.

    ``errors`` maps a field path (``features.tenure``, ``instances[3].age``) to its messages, ``kind`` is the problem's
    own name (``invalid-input``), ``retry_after`` are seconds.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        kind: str = "",
        request_id: str | None = None,
        errors: Mapping[str, Sequence[str]] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{detail} (status {status}{f', request {request_id}' if request_id else ''})")
        self.status = status
        self.detail = detail
        self.kind = kind
        self.request_id = request_id
        self.errors = dict(errors or {})
        self.retry_after = retry_after


class InvalidInput(Refused):
    """The rows do not fit the model, or the request is malformed: ``errors`` names the fields."""


class Unauthenticated(Refused):
    """No key or token, or none that is valid."""


class Forbidden(Refused):
    """The key is valid, and its role may not do this."""


class NotFound(Refused):
    """No such model or version."""


class QuotaExceeded(Refused):
    """The caller's limit is used up until ``retry_after``."""


class Unavailable(Refused):
    """The server is overloaded, or the model is not being served."""


class ServerFailed(Refused):
    """The server's own mistake, or the model's. Quote ``request_id``."""


class BatchFailed(SluiceError):
    """One part of a batch could not be predicted; ``__cause__`` says why.

    ``done`` holds the predictions of the rows before ``start``, the first row of the part that failed.
    """

    def __init__(self, start: int, rows: int, done: Sequence[Prediction]) -> None:
        super().__init__(f"rows {start} to {start + rows - 1} could not be predicted; {len(done)} before them were")
        self.start = start
        self.rows = rows
        self.done = done


_BY_STATUS: dict[int, type[Refused]] = {
    400: InvalidInput,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    413: InvalidInput,
    415: InvalidInput,
    422: InvalidInput,
    429: QuotaExceeded,
    503: Unavailable,
}


def class_for(status: int) -> type[Refused]:
    """The error that a status stands for."""
    return _BY_STATUS.get(status, ServerFailed if status >= 500 else Refused)
