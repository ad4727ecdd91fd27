"""API keys: made, shown once, remembered only as a keyed hash.

A key is ``slu_<id>_<secret>``: the id (8 characters) finds the record and may be logged, the secret (256 bits) proves
it. A plain keyed hash is enough for a secret of that entropy, and it takes a microsecond where a password hash would
take a tenth of a second of every request.
"""

import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import time

_PATTERN = re.compile(r"slu_([a-z2-7]{8})_([A-Za-z0-9_-]{43})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The record of a key. Times are Unix seconds; ``quotas`` are texts such as ``requests=100/minute``."""

    id: str
    name: str
    role: str
    digest: str
    created: float
    expires: float | None = None
    revoked: float | None = None
    models: tuple[str, ...] | None = None
    quotas: tuple[str, ...] = ()
    replaced_by: str | None = None

    def state(self, now: float) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked is not None and self.revoked <= now:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"


class Hasher:
    """Keyed hashes of secrets, with the pepper that lies outside the key store."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    def digest(self, key: str) -> str:
        """Hex HMAC-SHA256 of a whole key."""
        return hmac.digest(self._pepper, key.encode(), "sha256").hex()

    def matches(self, key: str, digest: str) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(self.digest(key).encode(), digest.encode())


def mint(
    hasher: Hasher,
    name: str,
    role: str,
    expires: float | None = None,
    models: Sequence[str] | None = None,
    quotas: Sequence[str] = (),
) -> tuple[str, ApiKey]:
    """A new key and its record; the key itself is never stored."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    key = f"slu_{key_id}_{secrets.token_urlsafe(32)}"
    record = ApiKey(
        key_id, name, role, hasher.digest(key), time(), expires, None, tuple(models) if models else None, tuple(quotas)
    )
    return key, record


def successor(hasher: Hasher, old: ApiKey, grace_s: float) -> tuple[str, ApiKey, ApiKey]:
    """A key that takes over from another: the new key, its record, and the old record, ending after the grace time.

    It has the rights of the other and its end: rotating keeps a key safe, and gives nobody more than there was.
    """
    key, new = mint(hasher, old.name, old.role, old.expires, old.models, old.quotas)
    ends = time() + grace_s
    ends = ends if old.expires is None else min(ends, old.expires)
    return key, new, replace(old, expires=ends, replaced_by=new.id)


def key_id(text: str) -> str | None:
    """The id in a well-formed key, None for anything else: decided before any look-up."""
    match = _PATTERN.fullmatch(text)
    return match[1] if match else None


def find(text: str, records: Mapping[str, ApiKey], hasher: Hasher) -> ApiKey | None:
    """The active record a key belongs to."""
    found = key_id(text)
    record = records.get(found) if found else None
    if record is None or not hasher.matches(text, record.digest):
        return None
    return record if record.state(time()) == "active" else None
