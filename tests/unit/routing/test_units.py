"""Requests of units that stick to a version: how many independent ones they count as, and what that decides."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from app.routing.evidence import Arm, arm_of, grouped
from app.routing.experiment import measures_of
from app.routing.judge import Verdict, judge
from app.routing.rollout import Thresholds
from app.routing.units import GROUPS, INDEPENDENT, Effects, alone, effects_of, failing, side_of, spread

Numbers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

WANTED = Thresholds(min_samples=20)


def counted(who: Numbers, bins: Numbers, bad: Numbers) -> Arm:
    """A version's counts of requests by ``who`` in ``bins`` of probability, or failed; units are numbers."""

    def arm(chosen: Numbers) -> Arm:
        ok = chosen & ~bad
        names, counts = np.unique(bins[ok], return_counts=True)
        predictions = {str(name): float(count) for name, count in zip(names, counts, strict=True)}
        return Arm(float(ok.sum()), float((chosen & bad).sum()), {80: float(ok.sum())}, {"p": predictions})

    members = who % GROUPS
    groups = (arm(members == group) for group in range(GROUPS))
    return replace(arm(members >= 0), groups=tuple(group for group in groups if group.requests))


def rollout(seed: int, units: int, zipf: float = 0, share: float = 0.25, shift: float = 0.0) -> tuple[Arm, Arm]:
    """1,500 requests of units that have one prediction each, the same of either version unless it is shifted."""
    dice = np.random.default_rng(seed)
    weights = 1 / np.arange(1, units + 1) ** zipf
    names, own, place = dice.permutation(1 << 20)[:units], dice.beta(2, 5, units), dice.random(units) < share
    asked = dice.choice(units, 1500, p=weights / weights.sum())
    bins = np.clip((own[asked] + shift * place[asked]) * 20, 0, 19).astype(int)
    none = np.zeros(1500, bool)
    stable, canary = (counted(names[asked[side]], bins[side], none[side]) for side in (~place[asked], place[asked]))
    return stable, canary


def ungrouped(arm: Arm) -> Arm:
    return replace(arm, groups=())


@pytest.mark.parametrize(("units", "zipf"), [(50, 0), (100, 0), (1000, 1)])
def test_the_same_model_is_not_failed_because_other_units_ask_it(units: int, zipf: float) -> None:
    """As it was when their requests were taken for independent ones."""
    pairs = [rollout(seed, units, zipf) for seed in range(12)]
    assert "fail" in {judge(*map(ungrouped, pair), WANTED).decision for pair in pairs}
    assert "fail" not in {judge(*pair, WANTED).decision for pair in pairs}


def test_a_model_that_predicts_otherwise_is_failed_though_units_stick() -> None:
    assert {judge(*rollout(seed, 1000, shift=0.15), WANTED).decision for seed in range(6)} == {"fail"}


def test_it_is_told_when_units_limit_what_can_be_known() -> None:
    verdict = judge(*rollout(1, 50), Thresholds(min_samples=100))
    assert verdict.decision == "hold"
    assert "of so few units that they count as" in verdict.reasons[0]
    assert verdict.evidence["samples"]["independent"]["canary"] < 20


@pytest.mark.parametrize("units", [100, 400])
def test_units_that_always_get_the_same_count_once(units: int) -> None:
    stable, _ = rollout(3, units, share=0)
    assert stable.ok / alone(spread(stable, "p")) == pytest.approx(units, rel=0.35)


def test_units_whose_requests_differ_count_nearly_as_independent_ones() -> None:
    dice = np.random.default_rng(5)
    arms = [counted(dice.integers(0, 500, n), dice.integers(0, 20, n), dice.random(n) < 0.1) for n in (4000, 1000)]
    for known in (effects_of(*map(failing, arms)), effects_of(*(spread(arm, "p") for arm in arms))):
        assert 1 <= known.stable < 1.4
        assert 1 <= known.canary < 1.4
        assert known.freedom > 100


def failures(of: Callable[[int], int]) -> Verdict:
    """600 requests of 100 units of the canary, of which ``of(number)`` asks; the first 30 fail."""
    who = np.array([of(number) for number in range(600)])
    nothing = np.zeros(600, int)
    quiet = counted(np.arange(600) % 100, nothing, nothing > 0)
    return judge(quiet, counted(who, nothing, np.arange(600) < 30), WANTED)


def test_failures_of_many_units_fail_a_canary_those_of_one_do_not() -> None:
    assert failures(lambda number: number % 100).decision == "fail"
    assert failures(lambda number: 0 if number < 30 else number % 100).decision == "hold"


def test_a_canary_that_fails_nearly_always_is_not_kept_for_want_of_units() -> None:
    quiet = counted(np.arange(600) % 100, np.zeros(600, int), np.zeros(600, bool))

    def of_one(failing: int, fine: int) -> Verdict:
        n = failing + fine
        return judge(quiet, counted(np.zeros(n, int), np.zeros(n, int), np.arange(n) < failing), WANTED)

    assert [of_one(*it).decision for it in ((19, 0), (20, 0), (20, 20), (21, 20))] == ["hold", "fail", "hold", "fail"]


def test_of_a_single_unit_nothing_is_known() -> None:
    alike = counted(np.zeros(300, int), np.full(300, 4), np.zeros(300, bool))
    assert effects_of(spread(rollout(1, 500)[0], "p"), spread(alike, "p")).canary == 300


def test_requests_without_a_unit_are_independent() -> None:
    """As are counts of a rollout that began before groups were counted."""
    stable, canary = (ungrouped(arm) for arm in rollout(1, 50))
    assert effects_of(spread(stable, "p"), spread(canary, "p")) == INDEPENDENT
    half = replace(stable, groups=tuple(rollout(1, 50)[0].groups[:1]))
    assert 1 < alone(spread(half, "p")) < half.groups[0].ok


def test_groups_of_more_requests_than_are_known_count_in_proportion() -> None:
    """A store forgot the requests, and workers gave back the groups."""
    whole, _ = rollout(3, 100, share=0)
    half = replace(
        whole, ok=whole.ok / 2, predictions={"p": {name: n / 2 for name, n in whole.predictions["p"].items()}}
    )
    known = alone(spread(whole, "p"))
    assert alone(spread(half, "p")) == pytest.approx((1 + known) / 2)


tables = st.lists(st.dictionaries(st.sampled_from(["0", "3", "19"]), st.integers(0, 50).map(float)), max_size=GROUPS)


@given(tables, tables, st.booleans())
def test_a_request_never_counts_as_more_than_one(
    left: Sequence[dict[str, float]], right: Sequence[dict[str, float]], ordered: bool
) -> None:
    sizes = [sum(sum(table.values()) for table in side) for side in (left, right)]
    known = effects_of(*(side_of(n, side, ordered) for n, side in zip(sizes, (left, right), strict=True)))
    assert 1 <= known.stable <= max(1, sizes[0])
    assert 1 <= known.canary <= max(1, sizes[1])
    assert known.freedom > 0


@given(st.floats(3, 1000), st.floats(0.1, 4))
def test_few_groups_make_an_estimate_as_uncertain_as_students_does(freedom: float, errors: float) -> None:
    p = Effects(freedom=freedom).p(float(stats.norm.sf(errors)))
    assert p == pytest.approx(float(stats.t.sf(errors, freedom)), rel=0.05)
    assert INDEPENDENT.p(p) == p
    assert INDEPENDENT.freedom == inf


def test_intervals_of_an_experiment_are_of_units() -> None:
    arm, _ = rollout(2, 60, share=0)
    wide, narrow = (measures_of(it)["mean_probability"] for it in (arm, ungrouped(arm)))
    assert wide.n < 90
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_records_of_all_workers_are_summed() -> None:
    one, other = {"v1|3": {"ok": 2, "p4": 2}}, {"v1|3": {"ok": 1, "errors": 1}, "v2|0": {"ok": 5}}
    sums = grouped([json.dumps(record).encode() for record in (one, other)])
    assert arm_of({"v1|ok": 3}, "v1", sums).groups == (Arm(3, 1, {}, {"p": {"4": 2}}),)


@pytest.mark.parametrize("record", [b"{ none", b"[1]", b'{"v1|3": 4}', b'{"v1|3": {"ok": "x"}}', b"[" * 100_000])
def test_records_that_are_none_are_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        grouped([record])
