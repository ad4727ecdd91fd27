"""Refusals in our words, where no application is there to say them."""

from http import HTTPStatus

import orjson

from app.api.errors import STATUS, problem_document
from app.errors import SluiceError


def refusal(status: int, reason: str, request_id: str | None) -> bytes:
    """A whole answer to what never became a request."""
    phrase = HTTPStatus(status).phrase
    detail = reason if status != 500 else "Something went wrong here. Quote the request_id when you report it."
    body = problem_document(status, phrase.lower().replace(" ", "-"), detail, request_id)
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nX-Request-ID: {request_id}\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def quick_refusal(error: SluiceError, request_id: str, inference: bool) -> bytes:
    """The same answer that a request thread would give, for a connection that goes on."""
    status = STATUS[type(error)]
    if inference:
        kind_of_body, body = "json", orjson.dumps({"error": str(error)})
    else:
        kind_of_body, body = "problem+json", problem_document(status, error.kind, str(error), request_id)
    later = "" if error.retry_after is None else f"Retry-After: {error.retry_after}\r\n"
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nX-Request-ID: {request_id}\r\n{later}"
        f"Content-Type: application/{kind_of_body}\r\nX-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
