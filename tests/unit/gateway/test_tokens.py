"""An issuer that is slow, strange, or takes a key back."""

from threading import Event, Thread
from time import monotonic
from typing import Any
from urllib.request import urlopen

import pytest
import structlog
from joserfc.jwk import RSAKey

from app.gateway.issuer import Issuer
from app.gateway.tokens import TokenRefused, Tokens
from tests.gatehouse import Issuer as RealIssuer
from tests.programs import wait_until


class Slow:
    """Fetches from the real issuer, after a wait when told to."""

    def __init__(self) -> None:
        self.asked, self.go_on = Event(), Event()
        self.go_on.set()

    def __call__(self, url: str) -> bytes:
        self.asked.set()
        self.go_on.wait(10)
        with urlopen(url, timeout=10) as answer:
            document: bytes = answer.read()
        return document


def _verified(tokens: Tokens, token: str, found: list[Any]) -> Thread:
    thread = Thread(target=lambda: found.append(tokens.verify(token).subject))
    thread.start()
    return thread


def test_a_slow_issuer_holds_up_no_caller_whose_key_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.gateway.issuer.REFRESH_S", 0.0)
    with RealIssuer() as issuer:
        slow = Slow()
        tokens = Tokens(Issuer(issuer.url, structlog.get_logger(), slow), "sluice", ["RS256"], "roles")
        known = issuer.token(sub="known")
        assert tokens.verify(known).subject == "known"
        slow.asked.clear()
        slow.go_on.clear()
        issuer.keys.append(RSAKey.generate_key(2048, parameters={"kid": "second"}))
        found: list[Any] = []
        waiting = _verified(tokens, issuer.token(sub="new"), found)
        assert slow.asked.wait(10)
        started = monotonic()
        assert tokens.verify(issuer.token(sub="other", key=issuer.keys[0])).subject == "other"
        assert monotonic() - started < 1
        slow.go_on.set()
        waiting.join(10)
        assert found == ["new"]


def _tokens(issuer: RealIssuer) -> Tokens:
    return Tokens(Issuer(issuer.url, structlog.get_logger()), "sluice", ["RS256"], "roles")


@pytest.mark.parametrize(
    "strange",
    [
        {"kty": "EC", "crv": "P-999", "kid": "x", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "x", "use": "new", "n": "AA", "e": "AQAB"},
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "x", "pub": "AA"},
        {"kid": "x"},
        None,
    ],
)
def test_a_key_that_nobody_understands_says_nothing_of_those_beside_it(strange: object) -> None:
    with RealIssuer(beside=[strange]) as issuer:
        assert _tokens(issuer).verify(issuer.token()).subject == "alice"


@pytest.mark.parametrize("raw", [b"no http at all\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n{", b"\x00"])
def test_an_issuer_that_speaks_no_http_refuses_the_token(raw: bytes) -> None:
    with RealIssuer(raw=raw) as issuer, pytest.raises(TokenRefused, match="cannot be had"):
        _tokens(issuer).verify(issuer.token())


def test_a_key_that_the_issuer_takes_back_ends_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.gateway.issuer.KEEP_S", 0.05)
    with RealIssuer() as issuer:
        tokens, stolen = _tokens(issuer), issuer.keys[0]
        assert tokens.verify(issuer.token()).subject == "alice"
        issuer.keys = [RSAKey.generate_key(2048, parameters={"kid": "second"})]

        def refused() -> bool:
            try:
                tokens.verify(issuer.token(sub="mallory", key=stolen))
            except TokenRefused:
                return True
            return False

        wait_until(refused, 10, "the end of a key that was taken back")
        assert tokens.verify(issuer.token(sub="bob")).subject == "bob"
