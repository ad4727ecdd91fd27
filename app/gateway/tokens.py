"""Bearer tokens of a configured OpenID Connect issuer.

Nothing in a token is ever fetched (jku, x5u): a token chooses among the keys that its issuer shows, by its kid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError

from app.gateway.issuer import Issuer, IssuerUnknown

MAX_TOKEN_LENGTH = 8192
LEEWAY_S = 30
_REMEMBER_S = 60.0
_REMEMBERED = 10_000

SAFE_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures only: with a shared-secret algorithm in the list, the public key would do as the secret."""


class TokenRefused(Exception):
    """The token does not prove anything. The reason is for the log."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says: who, and which of the configured roles it claims."""

    subject: str
    roles: tuple[str, ...]
    expires: float


class Tokens:
    """Verifies tokens of one issuer for one audience."""

    def __init__(self, issuer: Issuer, audience: str, algorithms: Sequence[str], role_claim: str) -> None:
        self._issuer = issuer
        self._algorithms = [name for name in algorithms if name in SAFE_ALGORITHMS]
        self._role_claim = role_claim
        self._rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer.url},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._known: dict[str, tuple[float, Claims]] = {}

    def verify(self, token: str) -> Claims:
        """The claims of a valid token, remembered for a minute at most.

        Raises:
            TokenRefused
        """
        known = self._known.get(token)
        if known is not None and known[0] > monotonic() and known[1].expires + LEEWAY_S > time():
            return known[1]
        claims = self._verified(token)
        if len(self._known) >= _REMEMBERED:
            self._known = {}
        self._known[token] = (monotonic() + _REMEMBER_S, claims)
        return claims

    def _verified(self, token: str) -> Claims:
        if len(token) > MAX_TOKEN_LENGTH:
            raise TokenRefused("the token is too long")
        try:
            decoded = self._decoded(token)
            self._rules.validate(decoded.claims)
            subject = str(decoded.claims["sub"])[:128]
            subject.encode()  # half a character cannot be written to any log
            ends = float(decoded.claims["exp"])
        except (JoseError, IssuerUnknown, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise TokenRefused(f"{type(error).__name__}: {str(error)[:120]}") from None
        return Claims(subject, _texts(_at(decoded.claims, self._role_claim)), ends)

    def _decoded(self, token: str) -> Any:
        try:
            return jwt.decode(token, self._issuer.keys(), algorithms=self._algorithms)
        except InvalidKeyIdError:
            return jwt.decode(token, self._issuer.keys(renew=True), algorithms=self._algorithms)


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by dotted path (``realm_access.roles``); a claim of that very name goes first."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
