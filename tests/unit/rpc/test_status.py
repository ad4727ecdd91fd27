"""Cause -> code, and trailers that every client can take."""

import asyncio

import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput, ModelNotFound, Overloaded, QuotaExceeded
from app.rpc.status import CODES, code_of, details_of, text_of

TRAILERS = 8192
"""What clients take of headers by default, in bytes."""


def test_a_surprise_is_ours_and_says_nothing() -> None:
    surprise = RuntimeError("/srv/secret")
    assert code_of(surprise) is StatusCode.INTERNAL
    assert "secret" not in text_of(surprise)
    assert b"secret" not in details_of(surprise, "id")


def test_no_cause_is_unknown() -> None:
    assert StatusCode.UNKNOWN not in set(CODES.values())
    assert code_of(asyncio.CancelledError()) is StatusCode.CANCELLED


def test_when_to_come_again() -> None:
    """Both doors ask the cause."""
    assert QuotaExceeded("requests", 5, 60, 12.5).retry_after == 13
    assert Overloaded(0.2).retry_after == 1
    assert ModelNotFound("x").retry_after is None


@pytest.mark.parametrize("letter", ["a", "%", "é", "字", "🏔", "\n", '"'])
def test_long_texts_fit_into_the_trailers(letter: str) -> None:
    """The message is escaped as in an address, the details go as base64."""
    error = InvalidInput({f"instances[{at}].{letter * 300}": [letter * 2000] for at in range(20)})
    assert len(text_of(error).encode()) <= 1000
    assert len(details_of(error, "r" * 100)) * 4 / 3 + 1000 < TRAILERS - 1000


@given(st.text(max_size=3000))
def test_every_text_can_be_said(text: str) -> None:
    error = InvalidInput({"field": [text]})
    said = text_of(error)
    assert said.isprintable() or "\n" not in said
    status = Status.FromString(details_of(error, "id"))
    assert status.message == said
    info, bad = ErrorInfo(), BadRequest()
    assert status.details[0].Unpack(info)
    assert info.domain == "sluice"
    assert status.details[2].Unpack(bad)
    assert [item.field for item in bad.field_violations] in (["field"], [])
