"""An issuer that is slow holds up those only who cannot be judged without it."""

from threading import Event, Thread
from time import monotonic
from typing import Any
from urllib.request import urlopen

import pytest
import structlog
from joserfc.jwk import RSAKey

from app.gateway.tokens import Issuer, Tokens
from tests.gatehouse import Issuer as RealIssuer


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
    monkeypatch.setattr("app.gateway.tokens.REFRESH_S", 0.0)
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
