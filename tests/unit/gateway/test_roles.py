"""Quotas as people write them for a key."""

import pytest

from app.gateway.caller import Quota
from app.gateway.roles import parse_quota
from config.roles import parse_limits


def test_a_unit_has_one_limit_or_several() -> None:
    assert parse_quota("rows=5/second;100/minute", parse_limits) == (Quota("rows", 5, 1), Quota("rows", 100, 60))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5", "requests=... or rows=..., not '5'"),
        ("requests=", "'' is no limit; write requests=100/minute"),
        ("rows=5/fortnight", "'5/fortnight' is no limit; write rows=100/minute"),
    ],
)
def test_what_is_no_quota_is_said_as_it_was_written(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_quota(text, parse_limits)
