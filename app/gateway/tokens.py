"""Bearer tokens of a configured OpenID Connect issuer.

The issuer's keys are fetched from the address its own metadata names, kept, and fetched again when a token names a key
we do not know, at most once per ``REFRESH_S`` however many such tokens come. While the issuer is away the last keys
stay good. Nothing in a token is ever fetched (jku, x5u): a token chooses among the keys we have, by its kid.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from time import monotonic, time
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

REFRESH_S = 10.0
TIMEOUT_S = 2.0
MAX_DOCUMENT_BYTES = 1 << 20
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


class Issuer:
    """One issuer's metadata and keys."""

    def __init__(self, url: str, log: Any, fetch: Callable[[str], bytes] | None = None) -> None:
        self.url = url.rstrip("/")
        self._log = log
        self._fetch = fetch or _fetch
        self._keys: KeySet | None = None
        self._next_fetch = 0.0
        self._asking = Lock()

    def keys(self, *, renew: bool = False) -> KeySet:
        """The current keys; ``renew`` asks for newer ones, which the issuer is asked for at a bounded rate.

        Raises:
            TokenRefused: there never were any.
        """
        if self._keys is None or renew:
            with self._asking:  # whoever has a key to check with does not wait for this
                self._renew_if_due()
        if self._keys is None:
            raise TokenRefused("the issuer's keys cannot be had")
        return self._keys

    def _renew_if_due(self) -> None:
        if monotonic() < self._next_fetch:
            return
        self._next_fetch = monotonic() + REFRESH_S
        try:
            metadata = json.loads(self._fetch(f"{self.url}/.well-known/openid-configuration"))
            self._keys = KeySet.import_key_set(json.loads(self._fetch(self._address_of_keys(metadata))))
        except (OSError, URLError, ValueError, KeyError, TypeError, AttributeError, JoseError) as error:
            self._log.warning("issuer_unreachable", issuer=self.url, reason=str(error)[:200])

    def _address_of_keys(self, metadata: Mapping[str, Any]) -> str:
        """Where the issuer says its keys are.

        Raises:
            ValueError: the document is another issuer's, or the address cannot be trusted.
        """
        if metadata.get("issuer", "").rstrip("/") != self.url:
            raise ValueError("its metadata names another issuer")
        return _trusted(metadata["jwks_uri"])


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
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise TokenRefused(f"{type(error).__name__}: {str(error)[:120]}") from None
        claims = decoded.claims
        return Claims(subject, _texts(_at(claims, self._role_claim)), float(claims["exp"]))

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


def _trusted(url: str) -> str:
    """Keys come over TLS, or from this machine.

    Raises:
        ValueError
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}):
        return url
    raise ValueError("the issuer must be reached over https")


class _TrustedRedirects(HTTPRedirectHandler):
    """Follows only where the first address might have gone as well."""

    def redirect_request(self, *args: Any) -> Request | None:
        """See ``HTTPRedirectHandler``; the last argument is the new address."""
        _trusted(args[-1])
        return super().redirect_request(*args)


def _fetch(url: str) -> bytes:
    request = Request(_trusted(url), headers={"Accept": "application/json"})  # noqa: S310  the scheme is checked
    with build_opener(_TrustedRedirects).open(request, timeout=TIMEOUT_S) as answer:
        document: bytes = answer.read(MAX_DOCUMENT_BYTES + 1)
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ValueError("the document is too large")
    return document
