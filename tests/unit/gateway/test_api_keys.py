"""A key that takes over from another has its rights and its end."""

from time import time

from app.gateway.api_keys import Hasher, mint, successor

HASHER = Hasher(b"pepper")


def test_a_successor_ends_when_the_first_would_have() -> None:
    _, first = mint(HASHER, "checkout", "predictor", time() + 60, ("churn",), ("requests=5/minute",))
    _, second, old = successor(HASHER, first, grace_s=10)
    assert (second.role, second.models, second.quotas) == (first.role, first.models, first.quotas)
    assert second.expires == first.expires
    assert old.replaced_by == second.id
    assert old.expires is not None
    assert old.expires <= time() + 10


def test_a_successor_of_a_lasting_key_lasts() -> None:
    _, first = mint(HASHER, "checkout", "predictor", None, None, ())
    assert successor(HASHER, first, grace_s=10)[1].expires is None
