"""From credentials to a caller: which key or token is this, and what does its role allow?"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from secrets import token_bytes
from typing import Any, NamedTuple

from app.gateway.addresses import household
from app.gateway.api_keys import ApiKey, Hasher, key_id
from app.gateway.caller import Caller, Credentials, Quota
from app.gateway.keyring import Keyring
from app.gateway.roles import Role
from app.gateway.tokens import Claims, TokenRefused, Tokens

NOBODY = ""

_REMEMBERED = 10_000


class _Known(NamedTuple):
    """Whose key it was the last time; without a record it is the bootstrap key, which never changes."""

    record: ApiKey | None
    caller: Caller


class Identity:
    """Knows keys, tokens, and the bootstrap key of a server that has no keys yet.

    ``roles`` may hold one for callers that show nothing, under ``NOBODY``: where a platform in front has checked them.
    """

    def __init__(
        self,
        roles: Mapping[str, Role],
        keyring: Keyring,
        quotas_of_key: Callable[[ApiKey], tuple[Quota, ...]],
        log: Any,
        tokens: Tokens | None = None,
        claims: Mapping[str, str] | None = None,
        bootstrap: tuple[Hasher, str] | None = None,
    ) -> None:
        self._roles = roles
        self._keyring = keyring
        self._quotas_of_key = quotas_of_key
        self._log = log
        self._tokens = tokens
        self._claims = claims or {}
        self._bootstrap = bootstrap
        self._known: dict[tuple[bytes, str], _Known] = {}
        self._salt = token_bytes(32)

    def identify(self, credentials: Credentials) -> Caller | None:
        """The caller behind valid credentials, or behind none where that is enough; None behind any others."""
        shown = credentials.api_key or credentials.bearer
        if not shown:
            return self._caller(
                f"address:{household(credentials.address)}", "anonymous", self._roles.get(NOBODY), credentials.address
            )
        mark = (blake2b(shown.encode(), key=self._salt, digest_size=16).digest(), credentials.address)
        known = self._known.get(mark)
        if known is not None and (known.record is None or self._keyring.holds(known.record)):
            return known.caller
        caller = self._of_key(shown, mark)
        if caller is None and credentials.bearer and self._tokens is not None and key_id(shown) is None:
            return self._of_token(self._tokens, credentials.bearer, credentials.address)
        return caller

    def _of_key(self, shown: str, mark: tuple[bytes, str]) -> Caller | None:
        """Whose key it is, found out with care and remembered under a mark that tells nobody the key."""
        record = self._keyring.find(shown) if key_id(shown) is not None else None
        if record is not None:
            caller = self._of_record(record, mark[1])
        elif self._bootstrap is not None and self._bootstrap[0].matches(shown, self._bootstrap[1]):
            caller = self._caller("key:bootstrap", "bootstrap", self._roles.get("admin"), mark[1])
        else:
            return None
        if caller is not None:
            if len(self._known) >= _REMEMBERED:
                self._known = {}
            self._known[mark] = _Known(record, caller)
        return caller

    def _of_record(self, record: ApiKey, address: str) -> Caller | None:
        models = frozenset(record.models) if record.models is not None else None
        role = self._roles.get(record.role)
        return self._caller(f"key:{record.id}", record.name, role, address, models, self._quotas_of_key(record))

    def _of_token(self, tokens: Tokens, token: str, address: str) -> Caller | None:
        try:
            claims = tokens.verify(token)
        except TokenRefused as error:
            self._log.info("token_refused", reason=str(error))
            return None
        return self._caller(f"token:{claims.subject}", claims.subject, self._role_of(claims), address)

    def _role_of(self, claims: Claims) -> Role | None:
        """The role of the first claim that stands for one, in the order of ``roles.yaml``."""
        named = next((role for claim, role in self._claims.items() if claim in claims.roles), None)
        return self._roles.get(named) if named else None

    def _caller(
        self,
        subject: str,
        name: str,
        role: Role | None,
        address: str,
        models: frozenset[str] | None = None,
        quotas: tuple[Quota, ...] = (),
    ) -> Caller | None:
        if role is None:
            return None
        if role.models is not None:
            models = role.models if models is None else models & role.models
        own = quotas or role.quotas
        return Caller(
            subject,
            name,
            role.name,
            role.scopes,
            models,
            tuple(quota for quota in own if quota.unit == "requests"),
            tuple(quota for quota in own if quota.unit == "rows"),
            address,
        )


def shown_id(credentials: Credentials) -> str | None:
    """What may be logged of a key that was shown: its id, when it is formed like a key at all."""
    shown = credentials.api_key or credentials.bearer
    return key_id(shown) if shown else None
