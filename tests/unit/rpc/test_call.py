"""What a call brings along."""

import pytest

from app.rpc.call import Call, peer_address, text_metadata


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:5123", "127.0.0.1"),
        ("ipv6:%5B::1%5D:5123", "::1"),
        ("ipv6:[2001:db8::7]:80", "2001:db8::7"),
        ("unix:/run/socket", ""),
        ("unix:", ""),
        ("unknown", ""),
    ],
)
def test_addresses(peer: str, address: str) -> None:
    assert peer_address(peer) == address


def test_metadata_is_text_and_what_stands_twice_is_joined() -> None:
    pairs = [("a", "1"), ("a", "2"), ("b-bin", b"\0"), ("x-forwarded-for", "10.0.0.1")]
    assert text_metadata(pairs) == {"a": "1,2", "x-forwarded-for": "10.0.0.1"}


@pytest.mark.parametrize(
    ("metadata", "api_key", "bearer"),
    [
        ({}, None, None),
        ({"x-api-key": "k"}, "k", None),
        ({"authorization": "Bearer t"}, None, "t"),
        ({"authorization": "bearer  t "}, None, "t"),
        ({"authorization": "Basic t"}, None, None),
        ({"authorization": "Bearer"}, None, None),
    ],
)
def test_credentials(metadata: dict[str, str], api_key: str | None, bearer: str | None) -> None:
    shown = Call("/x", metadata, "", None, address="10.0.0.1").credentials
    assert (shown.api_key, shown.bearer, shown.address) == (api_key, bearer, "10.0.0.1")


@pytest.mark.parametrize("given", ["", "two words", "x" * 101, "line\nbreak", "ключ"])
def test_ids_that_do_not_belong_in_a_log(given: str) -> None:
    made = Call("/x", {"x-request-id": given}, "", None).request_id
    assert made != given
    assert len(made) == 32


def test_a_method_that_was_not_guarded_has_no_caller() -> None:
    with pytest.raises(LookupError, match="not guarded"):
        _ = Call("/x", {}, "", None).known_caller
