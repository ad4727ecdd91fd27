"""Bearer tokens against a real issuer: what is let in, and every way a token can lie."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from tests.gatehouse import Issuer, guarded
from tests.servers import Server


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Issuer]]:
    """A server that trusts the issuer."""
    roles = _without_limits(tmp_path_factory.mktemp("roles"))
    with Issuer() as issuer:
        env = guarded(
            tmp_path_factory.mktemp("data"),
            SLUICE_OIDC_ISSUER=issuer.url,
            SLUICE_OIDC_AUDIENCE="sluice",
            SLUICE_ROLES_FILE=str(roles),
        )
        with Server(tmp_path_factory.mktemp("server"), env) as server:
            yield server, issuer


def _without_limits(folder: Path) -> Path:
    path = folder / "roles.yaml"
    path.write_text(Path("config/roles.yaml").read_text().replace("600/minute", "100000/minute"))
    return path


def _ask(server: Server, token: str, path: str = "/v1/models") -> int:
    return server.get(path, {"Authorization": f"Bearer {token}"}).status


def _part(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def test_a_good_token_has_its_claims_role(house: tuple[Server, Issuer]) -> None:
    server, issuer = house
    assert _ask(server, issuer.token()) == 200
    assert _ask(server, issuer.token(), "/cache-stats") == 403, "a predictor may not read statistics"
    assert _ask(server, issuer.token(roles=["sluice-viewer"]), "/cache-stats") == 200
    assert _ask(server, issuer.token(roles="other sluice-viewer"), "/cache-stats") == 200


def test_a_token_without_a_known_role_is_nobody(house: tuple[Server, Issuer]) -> None:
    server, issuer = house
    assert _ask(server, issuer.token(roles=["stranger"])) == 401
    assert _ask(server, issuer.token(drop=["roles"])) == 401
    assert _ask(server, issuer.token(roles={"sluice-admin": True})) == 401


@pytest.mark.parametrize(
    ("what", "claims", "drop"),
    [
        ("expired", {"exp": int(time.time()) - 3600}, ()),
        ("without exp", {}, ("exp",)),
        ("exp of another type", {"exp": "tomorrow"}, ()),
        ("for another audience", {"aud": "other"}, ()),
        ("without an audience", {}, ("aud",)),
        ("of another issuer", {"iss": "https://evil.example"}, ()),
        ("without an issuer", {}, ("iss",)),
        ("without a subject", {}, ("sub",)),
        ("not yet valid", {"nbf": int(time.time()) + 3600}, ()),
    ],
)
def test_claims_that_do_not_fit_are_refused(
    house: tuple[Server, Issuer], what: str, claims: dict[str, object], drop: tuple[str, ...]
) -> None:
    server, issuer = house
    assert _ask(server, issuer.token(drop=drop, **claims)) == 401, what


def test_signatures_that_prove_nothing_are_refused(house: tuple[Server, Issuer]) -> None:
    server, issuer = house
    good = issuer.token()
    head, body, signature = good.split(".")
    forged = {
        "alg none": f"{_part({'alg': 'none', 'kid': 'first'})}.{body}.",
        "alg None": f"{_part({'alg': 'None', 'kid': 'first'})}.{body}.{signature}",
        "the public key as a shared secret": _signed_with_the_public_key(issuer),
        "another key under our kid": issuer.token({"kid": "first"}, RSAKey.generate_key(2048)),
        "a changed body": f"{head}.{_part({'iss': issuer.url, 'aud': 'sluice', 'sub': 'a', 'exp': 9e9})}.{signature}",
        "no signature": f"{head}.{body}.",
        "an unknown critical header": _crit(issuer),
        "an algorithm that was not allowed": issuer.token({"alg": "PS256"}),
        "a curve key": issuer.token({"alg": "ES256", "kid": "x"}, ECKey.generate_key("P-256", parameters={"kid": "x"})),
    }
    for what, token in forged.items():
        assert _ask(server, token) == 401, what
    assert _ask(server, good) == 200


def _signed_with_the_public_key(issuer: Issuer) -> str:
    """HS256 with what everybody can read as the secret; no library makes one willingly."""
    _, body, _ = issuer.token().split(".")
    text = f"{_part({'alg': 'HS256', 'kid': 'first'})}.{body}"
    mac = hmac.digest(issuer.keys[0].as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _crit(issuer: Issuer) -> str:
    """A token whose header demands something nobody understands; no library makes one willingly."""
    _, body, signature = issuer.token().split(".")
    return f"{_part({'alg': 'RS256', 'kid': 'first', 'crit': ['mind'], 'mind': 1})}.{body}.{signature}"


def test_nothing_a_token_points_to_is_fetched(house: tuple[Server, Issuer]) -> None:
    server, issuer = house
    before = sum(issuer.fetches.values())
    for header in ({"jku": f"{issuer.url}/evil"}, {"x5u": f"{issuer.url}/evil"}):
        _ask(server, issuer.token(header))
    assert "/evil" not in issuer.fetches
    for number in range(50):
        _ask(server, issuer.token({"kid": f"'; DROP {number}"}, RSAKey.generate_key(2048) if number == 0 else None))
    assert sum(issuer.fetches.values()) - before <= 4, "unknown kids are asked for at a bounded rate"


@pytest.mark.parametrize("token", ["a", "a.b", "....", "e30.e30.", "x" * 8000, "{}.{}.{}", "%00.%00.%00"])
def test_what_is_no_token_is_refused(house: tuple[Server, Issuer], token: str) -> None:
    assert _ask(house[0], token) == 401


def test_a_subject_that_no_log_can_hold_is_refused(house: tuple[Server, Issuer]) -> None:
    server, issuer = house
    key, ends = issuer.keys[-1], int(time.time()) + 300
    claims = f'{{"iss": "{issuer.url}", "aud": "sluice", "exp": {ends}, "roles": ["sluice-predictor"], "sub": "%s"}}'

    def token(subject: str) -> str:
        body = (claims % subject).encode()
        return jws.serialize_compact({"alg": "RS256", "kid": key.kid}, body, key, algorithms=["RS256"])

    assert _ask(server, token("half a character")) == 200
    assert _ask(server, token(r"half a \ud800 character")) == 401


def test_new_keys_are_learned_and_the_last_good_ones_kept(tmp_path: Path) -> None:
    with Issuer() as issuer:
        env = guarded(tmp_path / "data", SLUICE_OIDC_ISSUER=issuer.url, SLUICE_OIDC_AUDIENCE="sluice")
        (tmp_path / "server").mkdir()
        with Server(tmp_path / "server", env) as server:
            assert _ask(server, issuer.token()) == 200
            time.sleep(10.5)  # the bounded rate of asking
            issuer.keys.append(RSAKey.generate_key(2048, parameters={"kid": "second"}))
            assert _ask(server, issuer.token()) == 200, "a key that is new is asked for"
            issuer.away = True
            assert _ask(server, issuer.token(sub="bob")) == 200, "the issuer is away, its keys are known"
            assert _ask(server, issuer.token({"kid": "third"}, RSAKey.generate_key(2048))) == 401
            assert server.get("/health").status == 200


def test_an_issuer_that_was_never_there_refuses_tokens_and_nothing_else(tmp_path: Path) -> None:
    with Issuer() as issuer:
        issuer.away = True
        (tmp_path / "server").mkdir()
        env = guarded(
            tmp_path / "data",
            SLUICE_OIDC_ISSUER=issuer.url,
            SLUICE_OIDC_AUDIENCE="sluice",
            SLUICE_BOOTSTRAP_ADMIN_KEY="bootstrap-key-of-this-test",
        )
        with Server(tmp_path / "server", env) as server:
            assert _ask(server, issuer.token()) == 401
            assert server.get("/v1/models", {"X-API-Key": "bootstrap-key-of-this-test"}).status == 200
