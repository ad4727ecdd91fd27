"""Cause -> status code, and what goes with it: the fields at fault, when to come again, the id to quote.

The details follow google.rpc's error model, which clients of every language can read: ``grpc-status-details-bin`` in
the trailers holds a ``Status`` with ``ErrorInfo``, ``BadRequest``, ``RetryInfo`` and ``RequestInfo``.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from app.errors import (
    DeadlineExceeded,
    Forbidden,
    GateUnavailable,
    InvalidInput,
    ModelFailed,
    ModelNotFound,
    ModelNotReady,
    ModelRefused,
    Overloaded,
    QuotaExceeded,
    SluiceError,
    TrafficConflict,
    Unauthenticated,
    VersionNotFound,
)
from app.state.base import StateUnavailable

CODES: dict[type[BaseException], StatusCode] = {
    InvalidInput: StatusCode.INVALID_ARGUMENT,
    ModelNotFound: StatusCode.NOT_FOUND,
    VersionNotFound: StatusCode.NOT_FOUND,
    ModelNotReady: StatusCode.UNAVAILABLE,
    ModelFailed: StatusCode.INTERNAL,
    ModelRefused: StatusCode.FAILED_PRECONDITION,
    Unauthenticated: StatusCode.UNAUTHENTICATED,
    Forbidden: StatusCode.PERMISSION_DENIED,
    QuotaExceeded: StatusCode.RESOURCE_EXHAUSTED,
    GateUnavailable: StatusCode.UNAVAILABLE,
    StateUnavailable: StatusCode.UNAVAILABLE,
    TrafficConflict: StatusCode.ABORTED,
    Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
    asyncio.CancelledError: StatusCode.CANCELLED,
}
"""One line per cause. A cause that is missing here is our mistake: INTERNAL, never UNKNOWN."""

_OURS_SAID = "Something went wrong here. Quote the request id when you report it."
_MOST_TEXT = 1000
_MOST_FIELDS = 3000
"""Bytes. Clients refuse trailers over 8 KiB, and would then know nothing at all."""


def code_of(cause: BaseException) -> StatusCode:
    """The status code a call ends with."""
    return CODES.get(type(cause), StatusCode.INTERNAL)


def text_of(cause: BaseException) -> str:
    """What the caller is told, short enough for a header even when every letter of it must be escaped."""
    return _cut(str(cause) if type(cause) in CODES else _OURS_SAID)


def details_of(cause: BaseException, request_id: str) -> bytes:
    """The serialized ``google.rpc.Status``."""
    status = Status(code=code_of(cause).value[0], message=text_of(cause))
    for part in (ErrorInfo(reason=_reason(cause), domain="sluice"), RequestInfo(request_id=request_id), *_hints(cause)):
        status.details.add().Pack(part)
    return bytes(status.SerializeToString())


def _reason(cause: BaseException) -> str:
    """The cause's name as google.rpc writes names; of what is not ours, the code's."""
    kind = cause.kind if isinstance(cause, SluiceError) else code_of(cause).name
    return kind.upper().replace("-", "_")


def _hints(cause: BaseException) -> Sequence[Message]:
    if isinstance(cause, SluiceError) and cause.retry_after_s is not None:
        return [RetryInfo(retry_delay=_duration(cause.retry_after_s))]
    return [_bad_request(cause.errors)] if isinstance(cause, InvalidInput) else []


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


def _bad_request(errors: Mapping[str, Sequence[Any]]) -> BadRequest:
    bad, room = BadRequest(), _MOST_FIELDS
    for field, messages in errors.items():
        violation = BadRequest.FieldViolation(field=field, description="; ".join(map(str, messages)))
        room -= violation.ByteSize()
        if room < 0:
            break
        bad.field_violations.append(violation)
    return bad


def _cut(text: str) -> str:
    """GRPC escapes a message as URLs do, up to nine bytes for a letter."""
    one_line = " ".join(text.split())
    escaped = quote(one_line, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
    if len(escaped) <= _MOST_TEXT:
        return one_line
    return one_line[: max(1, len(one_line) * (_MOST_TEXT - 3) // len(escaped))] + "..."
