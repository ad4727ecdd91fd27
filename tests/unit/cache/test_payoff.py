"""Does a tier pay? The verdict on streams of lookups whose costs are given, so that nothing depends on this machine."""

from collections.abc import Iterator
from itertools import cycle, islice
from zlib import crc32

import numpy as np
import pytest

from app.cache.payoff import Cost, Payoff
from app.cache.recent import Recent

LOOKUP_NEAR, LOOKUP_FAR = 3e-6, 100e-6
REQUESTS = 60_000


class _Tier:
    """What a request does with a tier, without the tier: an endless memory, and costs as given."""

    def __init__(self, payoff: Payoff, lookup_s: float, others: set[int] | None = None) -> None:
        self.payoff = payoff
        self._lookup_s = lookup_s
        self._held = set() if others is None else others
        self.asked = 0

    def ask(self, code: int) -> None:
        if not self.payoff.active:
            self.payoff.passed(code)
            if not self.payoff.probes(code):
                return
        self.asked += 1
        self.payoff.observe(self._lookup_s, code in self._held, 1)
        self._held.add(code)


def _tier(compute_s: float, near: bool = True, others: set[int] | None = None) -> _Tier:
    lookup = LOOKUP_NEAR if near else LOOKUP_FAR
    trifle = 0.01 if near else 0.05
    return _Tier(Payoff("auto", lookup, Cost(compute_s, 100), trifle, Recent() if near else None), lookup, others)


def _unique(start: int = 0) -> Iterator[int]:
    return (crc32(b"%d" % number) for number in range(start, start + 10**9))


def _zipf(keys: int) -> Iterator[int]:
    random = np.random.default_rng(1)
    while True:
        for number in (random.zipf(1.3, 10_000) % keys).tolist():
            yield crc32(b"key %d" % number)


def _feed(tier: _Tier, codes: Iterator[int], requests: int = REQUESTS) -> _Tier:
    for code in islice(codes, requests):
        tier.ask(code)
    return tier


def test_unique_inputs_to_a_cheap_model_are_bypassed_within_a_few_requests() -> None:
    tier = _feed(_tier(6e-6), _unique(), 40)
    assert not tier.payoff.active
    tier = _feed(_tier(6e-6, near=False), _unique(), 40)
    assert not tier.payoff.active


@pytest.mark.parametrize(("near", "limit"), [(True, LOOKUP_NEAR), (False, LOOKUP_FAR)])
def test_probing_costs_a_hundredth_of_the_computing_at_most(near: bool, limit: float) -> None:
    tier = _tier(6e-6, near)
    _feed(tier, _unique(), 1000)
    already = tier.asked
    _feed(tier, _unique(1000), REQUESTS)
    assert (tier.asked - already) * limit <= 0.02 * 6e-6 * REQUESTS


def test_repeated_inputs_to_a_costly_model_keep_tier_1() -> None:
    tier = _feed(_tier(5e-3), _zipf(1000), 20_000)
    assert tier.payoff.active
    assert tier.asked == 20_000


def test_tier_2_stays_where_other_workers_fill_it() -> None:
    others = {crc32(b"key %d" % number) for number in range(500)}
    tier = _feed(_tier(5e-3, near=False, others=others), _zipf(1000), 5_000)
    assert tier.payoff.active


def test_a_trifle_is_kept_although_nothing_repeats() -> None:
    """One percent of the computing buys single flight and the day when everybody asks the same."""
    tier = _feed(_tier(5e-3), _unique(), 5_000)
    standing = tier.payoff.standing()
    assert standing.active
    assert standing.hit < 0.01
    assert standing.spent_s < standing.trifle_s


def test_one_hot_input_brings_tier_1_back_wherever_its_hash_lies() -> None:
    for hot in (b"a", b"b", b"c", b"d"):
        tier = _feed(_tier(50e-6), _unique(), 5_000)
        assert not tier.payoff.active
        _feed(tier, cycle([crc32(hot)]), 2_000)
        assert tier.payoff.active, hot


def test_tier_2_comes_back_when_others_have_filled_it() -> None:
    others: set[int] = set()
    tier = _feed(_tier(1e-3, near=False, others=others), _unique(), 2_000)
    assert not tier.payoff.active
    others |= {crc32(b"key %d" % number) for number in range(1000)}
    _feed(tier, _zipf(1000))
    assert tier.payoff.active


def test_the_share_of_inputs_measures_the_hit_rate_without_bias() -> None:
    """Over many different traffics the estimate neither flatters nor slanders."""
    errors = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        tier = _tier(1e-9, near=False)
        tier.payoff.decide()
        assert not tier.payoff.active
        tier.payoff._mask = 63
        tier.payoff._until_verdict = 10**9
        held, hits, found, asked = set[int](), 0, 0, 0
        for number in random.integers(0, 6000, 60_000).tolist():
            code = crc32(b"%d %d" % (seed, number))
            hits += code in held
            if tier.payoff.probes(code):
                asked += 1
                found += code in held
            held.add(code)
        errors.append(found / asked - hits / 60_000)
    assert abs(float(np.mean(errors))) < 0.02


def test_recent_inputs_tell_the_hit_rate_of_a_bypassed_tier() -> None:
    tier = _feed(_tier(1e-6), _unique(), 1000)
    assert not tier.payoff.active
    hot = [crc32(b"hot %d" % number) for number in range(50)]
    stream = (hot[number % 50] if number % 10 < 3 else crc32(b"cold %d" % number) for number in range(20_000))
    _feed(tier, stream, 20_000)
    assert tier.payoff.standing().hit == pytest.approx(0.3, abs=0.1)


def test_one_outlier_turns_nothing() -> None:
    tier = _feed(_tier(5e-3), _zipf(100), 1000)
    tier.payoff.observe(5.0, 0, 1)
    tier.payoff.decide()
    assert tier.payoff.active
    assert tier.payoff.lookup.value < 10 * LOOKUP_NEAR


def test_flapping_is_slowed_down() -> None:
    """A tier that looks good while it is bypassed and is not (its entries expire at once) is tried ever more rarely."""
    payoff = Payoff("auto", LOOKUP_NEAR, Cost(20e-6, 100), 0.01, Recent())
    used = 0
    for _ in range(300_000):
        if payoff.active:
            used += 1
            payoff.observe(LOOKUP_NEAR * 8, 0, 1)
        else:
            payoff.passed(7)
    assert not payoff.active
    assert used < 100_000


@pytest.mark.parametrize("mode", ["on", "off"])
def test_an_operators_word_is_final(mode: str) -> None:
    payoff = Payoff(mode, LOOKUP_NEAR, Cost(1e-9, 100), 0.01)  # type: ignore[arg-type]
    for _ in range(100):
        payoff.observe(1.0, 0, 1)
    assert payoff.active is (mode == "on")
    assert not payoff.probes(0)
