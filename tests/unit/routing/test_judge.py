"""The judge: what it fails, what it holds, and how seldom it is wrong."""

import random
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from app.routing.evidence import Arm, arm_of, latency_bin
from app.routing.judge import judge, merged
from app.routing.rollout import Thresholds
from app.routing.significance import chi_square_tail, fisher_greater, homogeneity, transport, variation

WANTED = Thresholds(min_samples=100)


def arm(
    dice: random.Random, requests: int, failing: float = 0.0, slower: float = 1.0, shift: float = 0.0, rows: int = 1
) -> Arm:
    """A version that answers from a bell of probabilities around 0.4 + shift, in about 10 ms."""
    errors = sum(dice.random() < failing for _ in range(requests))
    ok = requests - errors
    latency: dict[int, float] = {}
    bins: dict[str, float] = {}
    for _ in range(ok):
        at = latency_bin(0.01 * slower * dice.lognormvariate(0, 0.3))
        latency[at] = latency.get(at, 0) + 1
        share = min(max(dice.gauss(0.4 + shift, 0.15), 0.0), 0.99)
        bins[str(int(share * 20))] = bins.get(str(int(share * 20)), 0) + rows
    return Arm(ok, errors, latency, {"p": bins})


def test_a_good_canary_passes() -> None:
    dice = random.Random(1)
    assert judge(arm(dice, 2000), arm(dice, 200), WANTED).decision == "pass"


def test_one_that_raises_fails_before_there_are_enough_samples() -> None:
    dice = random.Random(2)
    verdict = judge(arm(dice, 100), Arm(0, 6), WANTED)
    assert verdict.decision == "fail"
    assert "6 of 6 requests failed" in verdict.reasons[0]


def test_one_that_raises_fails_even_without_a_stable_to_compare() -> None:
    assert judge(Arm(), Arm(0, 6), WANTED).decision == "fail"
    assert judge(Arm(), Arm(20, 6), WANTED).decision == "hold"


def test_errors_that_both_have_are_not_held_against_the_canary() -> None:
    dice = random.Random(3)
    assert judge(arm(dice, 2000, failing=0.2), arm(dice, 300, failing=0.2), WANTED).decision == "pass"


def test_one_that_fails_as_often_as_the_stable_is_no_reason_to_promote_it() -> None:
    """Something behind both is broken: of what the canary would answer nothing is known."""
    verdict = judge(Arm(0, 2000), Arm(0, 300), WANTED)
    assert verdict.decision == "hold"
    assert "nothing to promote" in verdict.reasons[0]
    assert judge(Arm(0, 2000), Arm(300, 0), WANTED).decision == "pass", "the canary mends it"


def test_a_slow_one_fails() -> None:
    dice = random.Random(4)
    verdict = judge(arm(dice, 1000), arm(dice, 200, slower=3), WANTED)
    assert verdict.decision == "fail"
    assert "p95" in verdict.reasons[0]
    assert judge(arm(dice, 1000), arm(dice, 200, slower=3), WANTED, shadowed=True).decision == "pass"


def test_a_little_slower_and_a_few_hiccups_do_not_fail() -> None:
    """All its answers take longer than most of the stable's, by too little to matter; three of 45 stand still."""
    stable = Arm(400, 0, {latency_bin(0.0006): 380.0, latency_bin(0.0008): 12.0, latency_bin(0.02): 8.0})
    canary = Arm(45, 0, {latency_bin(0.001): 42.0, latency_bin(0.02): 3.0})
    assert judge(stable, canary, WANTED).decision != "fail"


def test_slower_by_too_little_to_matter_passes() -> None:
    dice = random.Random(5)
    assert judge(arm(dice, 20_000), arm(dice, 20_000, slower=1.1), WANTED).decision == "pass"


def test_shifted_predictions_fail() -> None:
    dice = random.Random(6)
    verdict = judge(arm(dice, 1000), arm(dice, 200, shift=0.2), WANTED)
    assert verdict.decision == "fail"
    assert "distributed otherwise" in verdict.reasons[0]


def test_a_shift_too_small_to_matter_passes_however_sure() -> None:
    dice = random.Random(7)
    assert judge(arm(dice, 50_000), arm(dice, 50_000, shift=0.02), WANTED).decision == "pass"


def test_many_rows_in_few_requests_are_few_samples() -> None:
    dice = random.Random(8)
    left, right = arm(dice, 12, rows=60), arm(dice, 12, rows=60)
    assert judge(left, right, Thresholds(min_samples=10)).decision != "fail"


@pytest.mark.parametrize(("stable", "canary"), [(0, 0), (0, 5000), (5000, 0), (99, 5000), (5000, 99)])
def test_too_little_is_held(stable: int, canary: int) -> None:
    dice = random.Random(9)
    verdict = judge(arm(dice, stable), arm(dice, canary), WANTED)
    assert verdict.decision == "hold"
    assert "are needed" in verdict.reasons[0]


def test_counts_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        arm_of({"v1|ok": 3, "v2|ok": nan}, "v2")


def test_good_canaries_are_seldom_failed_though_looked_at_every_second() -> None:
    failed = 0
    for seed in range(60):
        dice = random.Random(seed)
        stable, canary = Arm(), Arm()
        for _ in range(40):
            stable, canary = added(stable, arm(dice, 90, failing=0.02)), added(canary, arm(dice, 10, failing=0.02))
            failed += judge(stable, canary, WANTED).decision == "fail"
    assert failed == 0


def added(left: Arm, right: Arm) -> Arm:
    latency = {at: left.latency.get(at, 0) + right.latency.get(at, 0) for at in {*left.latency, *right.latency}}
    ours, theirs = left.predictions.get("p", {}), right.predictions.get("p", {})
    bins = {name: ours.get(name, 0) + theirs.get(name, 0) for name in {*ours, *theirs}}
    return Arm(left.ok + right.ok, left.errors + right.errors, latency, {"p": bins})


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 3000), st.integers(0, 3000))
def test_fisher_is_that_of_scipy(bad: int, good: int, other_bad: int, other_good: int) -> None:
    n, m = bad + good, other_bad + other_good
    wanted = float(stats.fisher_exact([[bad, good], [other_bad, other_good]], alternative="greater")[1])
    assert fisher_greater(bad, n, other_bad, m) == pytest.approx(wanted if n and m else 1.0, rel=1e-5, abs=1e-12)


@given(st.floats(0, 2000), st.integers(1, 200))
def test_the_tail_is_that_of_scipy(statistic: float, freedom: int) -> None:
    assert chi_square_tail(statistic, freedom) == pytest.approx(
        float(stats.chi2.sf(statistic, freedom)), rel=1e-6, abs=1e-12
    )


counts = st.lists(st.integers(1, 500), min_size=2, max_size=12)


@given(counts, st.randoms(use_true_random=False))
def test_homogeneity_is_that_of_scipy(left: list[int], dice: random.Random) -> None:
    right = [dice.randint(1, 500) for _ in left]
    wanted = float(stats.chi2_contingency([left, right], correction=False)[1])
    assert homogeneity(left, right) == pytest.approx(wanted, rel=1e-5, abs=1e-12)
    named = [dict(zip(map(str, range(20)), side, strict=False)) for side in (left, right)]
    assert 0 <= variation(*named) <= 1


places = st.dictionaries(st.integers(-40, 40), st.integers(1, 50).map(float), min_size=1)


@given(places, places)
def test_transport_is_that_of_scipy(left: dict[int, float], right: dict[int, float]) -> None:
    wanted = stats.wasserstein_distance(list(left), list(right), list(left.values()), list(right.values()))
    mean = sum(at * count for at, count in left.items()) / sum(left.values())
    spread = (sum((at - mean) ** 2 * count for at, count in left.items()) / sum(left.values())) ** 0.5
    assert transport(left, right) == pytest.approx(wanted / max(spread, 1), rel=1e-6, abs=1e-9)


def test_few_distinct_answers_over_the_edge_of_their_bins_pass() -> None:
    stable = Arm(1000, 0, {80: 1000.0}, {"v": {str(at): 100.0 for at in range(0, 40, 4)}})
    canary = Arm(1000, 0, {80: 1000.0}, {"v": {str(at + (at % 8 == 0)): 100.0 for at in range(0, 40, 4)}})
    assert judge(stable, canary, WANTED).decision == "pass"


def test_few_samples_of_one_distribution_never_fail() -> None:
    """Ten distinct values, each moved over the edge of its bin: the samples differ by chance, the bins for sure."""
    decided = set()
    for seed in range(300):
        dice = random.Random(seed)
        sides = [[dice.randrange(0, 40, 4) + moved for _ in range(n)] for n, moved in ((300, 0), (30, 1))]
        bins = [{"v": {str(at): float(side.count(at)) for at in side}} for side in sides]
        stable, canary = (Arm(len(side), 0, {80: 1.0}, it) for side, it in zip(sides, bins, strict=True))
        decided.add(judge(stable, canary, Thresholds(min_samples=20)).decision)
    assert decided == {"pass", "hold"}


def test_classes_that_change_places_fail() -> None:
    stable = Arm(1000, 0, {80: 1000.0}, {"c": {"no": 900.0, "yes": 100.0}})
    canary = Arm(200, 0, {80: 200.0}, {"c": {"no": 110.0, "yes": 90.0}})
    assert judge(stable, canary, WANTED).decision == "fail"
    assert judge(stable, stable, WANTED).decision == "pass"


bins = st.dictionaries(st.integers(0, 20).map(str), st.integers(0, 100).map(float))


@given(bins, bins)
def test_merging_loses_no_row_and_leaves_no_thin_bin(left: dict[str, float], right: dict[str, float]) -> None:
    ours, theirs = merged(left, right, sorted(left.keys() | right.keys(), key=int))
    n, m = sum(left.values()), sum(right.values())
    if ours:
        assert (sum(ours), sum(theirs)) == (n, m)
        assert all((one + other) * min(n, m) / (n + m) >= 5 for one, other in zip(ours, theirs, strict=True))
