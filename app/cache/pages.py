"""What workers wrote into shared state for ``/cache-stats``, read by somebody who does not trust it.

Whoever else writes to the same Redis may put anything under our names, and a server of another version its own shapes.
What is not as ours is passed over, and counted.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

SEPARATOR = "|"

Page = Mapping[str, Any]
"""What one worker holds and how it judges: ``at`` (Unix time) and ``versions``, by label."""

WEIGHED = ("hit", "compute_s", "saved_s", "spent_s", "trifle_s")
"""What a verdict on a tier rests on."""

_MOST = 1e18
_COUNTED = re.compile(
    r"(?:hit-l1|hit-l2|miss|bypass)(?:_n|_s|_b\d{1,3})?"
    r"|joins|warmed|evictions|stored|dropped|rejected|saved_s|failed_n|failed_s"
).fullmatch


def read_page(record: bytes) -> Page | None:
    """A worker's page, None for a record that is none."""
    try:
        page = orjson.loads(record)
    except ValueError:
        return None
    if type(page) is not dict or not _is_amount(page.get("at")) or type(page.get("versions")) is not dict:
        return None
    return page if all(_is_version(label, said) for label, said in page["versions"].items()) else None


def read_count(field: str, amount: float) -> tuple[str, str] | None:
    """The label and the name of a counter; None for what is none of ours."""
    label, _, name = field.rpartition(SEPARATOR)
    return (label, name) if "/" in label and _COUNTED(name) and _is_amount(amount) else None


def _is_version(label: str, said: Any) -> bool:
    return (
        "/" in label
        and type(said) is dict
        and all(type(said.get(name)) is int and _is_amount(said[name]) for name in ("entries", "bytes"))
        and (type(said.get("likeness", 0)) in (str, type(None)))
        and _is_standing(said.get("l1"))
        and _is_standing(said.get("l2"))
    )


def _is_standing(said: Any) -> bool:
    return (
        type(said) is dict
        and type(said.get("mode")) is str
        and type(said.get("why", "")) is str
        and type(said.get("active")) is type(said.get("weighed")) is bool
        and all(_is_amount(said.get(name)) for name in WEIGHED)
    )


def _is_amount(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _MOST
