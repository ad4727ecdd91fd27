"""An OpenID Connect issuer: the keys it signs with, as its own metadata tells where they are.

They are kept, and asked for again every ``KEEP_S``, so that a key which the issuer withdraws ends here too; and when a
token names one that we do not know, at most once per ``REFRESH_S`` however many such tokens come. A thread of its own
asks: a caller waits for it only where it cannot be judged otherwise, and never long. While the issuer is away the last
keys stay good.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

REFRESH_S = 10.0
KEEP_S = 300.0
TIMEOUT_S = 2.0
PATIENCE_S = 2.0
"""How long callers wait for one asking, all of them together: a key may be invented to keep threads waiting."""

MAX_DOCUMENT_BYTES = 1 << 20


class IssuerUnknown(Exception):
    """There never were any keys."""


class Issuer:
    """One issuer's keys. ``fetch`` gets a document by its address."""

    def __init__(self, url: str, log: Any, fetch: Callable[[str], bytes] | None = None) -> None:
        self.url = url.rstrip("/")
        self._log = log
        self._fetch = fetch or _fetch
        self._keys: KeySet | None = None
        self._asked = float("-inf")
        self._wanted, self._settled = Event(), Event()
        self._settled.set()
        self._guard = Lock()
        self._started = False
        self._reachable = True

    def keys(self, *, renew: bool = False) -> KeySet:
        """The current keys; ``renew`` asks for newer ones, which the issuer is asked for at a bounded rate.

        Raises:
            IssuerUnknown: there never were any.
        """
        if self._keys is None or renew:
            self._ask()
            self._settled.wait(max(0.0, self._asked + PATIENCE_S - monotonic()))
        if self._keys is None:
            raise IssuerUnknown("the issuer's keys cannot be had")
        return self._keys

    def health(self) -> str:
        """``up``, or ``down`` while the last keys are being used."""
        return "up" if self._reachable else "down"

    def _ask(self) -> None:
        with self._guard:
            if not self._settled.is_set() or monotonic() < self._asked + REFRESH_S:
                return
            if not self._started:
                Thread(target=self._renew_forever, name="issuer", daemon=True).start()
                self._started = True
            self._asked = monotonic()
            self._settled.clear()
            self._wanted.set()

    def _renew_forever(self) -> None:
        while True:
            self._wanted.wait(KEEP_S)
            self._wanted.clear()
            self._renew()
            self._settled.set()

    def _renew(self) -> None:
        try:
            metadata = json.loads(self._fetch(f"{self.url}/.well-known/openid-configuration"))
            shown = json.loads(self._fetch(self._address_of_keys(metadata)))
            self._keys = self._usable(shown["keys"])
            self._note(True)
        except Exception as error:  # noqa: BLE001 - whatever it is that the issuer answers
            self._note(False, f"{type(error).__name__}: {error}"[:200])

    def _usable(self, documents: Iterable[Any]) -> KeySet:
        """What we understand: a key of a kind that is new, or broken, says nothing of those beside it.

        Raises:
            ValueError: that is nothing.
        """
        found: list[Any] = []
        for document in documents:
            try:
                found += KeySet.import_key_set({"keys": [document]}).keys
            except (JoseError, ValueError, LookupError, TypeError, AttributeError) as error:
                self._log.info("issuer_key_ignored", issuer=self.url, reason=str(error)[:200])
        if not found:
            raise ValueError("it shows no key that can be used")
        return KeySet(found)

    def _note(self, reachable: bool, reason: str = "") -> None:
        if reachable != self._reachable:
            self._reachable = reachable
            self._log.warning("issuer_reachable" if reachable else "issuer_unreachable", issuer=self.url, reason=reason)

    def _address_of_keys(self, metadata: Mapping[str, Any]) -> str:
        """Where the issuer says its keys are.

        Raises:
            ValueError: the document is another issuer's, or the address cannot be trusted.
        """
        if metadata.get("issuer", "").rstrip("/") != self.url:
            raise ValueError("its metadata names another issuer")
        return _trusted(metadata["jwks_uri"])


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
