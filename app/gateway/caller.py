"""Whoever stands at a door, before and after the gate."""

from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Literal, NamedTuple

Unit = Literal["requests", "rows"]

EVERY_MODEL = "*"
"""In place of a name, for what tells of all models or changes all: a caller limited to some does not see it."""


class Quota(NamedTuple):
    """At most ``limit`` units in any window of ``seconds``; a window opens with the first unit taken from it."""

    unit: Unit
    limit: int
    seconds: int


class Credentials(NamedTuple):
    """What a caller showed. ``address`` is the caller's own, never a header of an untrusted peer."""

    api_key: str | None = None
    bearer: str | None = None
    address: str = ""

    @classmethod
    def shown(cls, api_key: str | None, authorization: str | None, address: str) -> "Credentials":
        """Those of the headers ``X-API-Key`` and ``Authorization: Bearer ...``."""
        if authorization is None:
            return cls(api_key, None, address)
        kind, _, token = authorization.partition(" ")
        bearer = token.strip() if kind.lower() == "bearer" else ""
        return cls(api_key, bearer or None, address)

    def __repr__(self) -> str:
        """Without what is secret: it may end in a log."""
        return f"Credentials(address={self.address!r})"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody the gate knows.

    ``subject`` identifies it to quotas and logs (``key:ab12cd34``, ``token:alice``); ``models`` is None for all.
    """

    subject: str
    name: str
    role: str
    scopes: frozenset[str]
    models: frozenset[str] | None = None
    request_quotas: tuple[Quota, ...] = ()
    row_quotas: tuple[Quota, ...] = ()
    address: str = ""

    def holds(self, scope: str) -> bool:
        """Whether the caller's role includes a scope."""
        return scope in self.scopes or "*" in self.scopes

    def sees(self, model: str) -> bool:
        """Whether the caller may use a model at all."""
        return self.models is None or model in self.models


Fields = tuple[tuple[str, str], ...]
"""Names and values."""


class Standing(NamedTuple):
    """What is left of a quota after a charge; its window ends at ``ends`` (monotonic)."""

    quota: Quota
    remaining: int
    ends: float

    @property
    def fields(self) -> Fields:
        """See ``rate_limit_fields``."""
        unit, limit, seconds = self.quota
        return rate_limit_fields(unit, limit, seconds, self.remaining, self.ends - monotonic())


def rate_limit_fields(unit: str, limit: int, seconds: int, remaining: int, reset_s: float) -> Fields:
    """The RateLimit fields of draft-ietf-httpapi-ratelimit-headers: HTTP's headers, gRPC's trailers."""
    return (
        ("RateLimit-Policy", _policy(unit, limit, seconds)),
        ("RateLimit", f'"{unit}";r={remaining};t={int(reset_s) + 1}'),
    )


@lru_cache
def _policy(unit: str, limit: int, seconds: int) -> str:
    return f'"{unit}";q={limit};w={seconds}'


class Admission(NamedTuple):
    """A caller that was let in, and how it stands with the tightest of its request quotas."""

    caller: Caller
    standing: Standing | None = None
