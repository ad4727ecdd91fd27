"""Who gets which version: sticky, by weight, and the same in every process."""

import subprocess
import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from app.routing.plan import WHOLE, shares
from app.routing.policies import place_of, point_of, random_point, version_at
from app.routing.units import GROUPS
from tests.programs import ROOT

texts = st.text(max_size=40)
versions = st.lists(st.sampled_from(["v1", "v2", "v3", "a", "Z.9"]), min_size=1, max_size=5, unique=True)


@st.composite
def weights(draw: st.DrawFn) -> dict[str, int]:
    names = draw(versions)
    cuts = sorted(draw(st.lists(st.integers(0, WHOLE), min_size=len(names) - 1, max_size=len(names) - 1)))
    edges = [0, *cuts, WHOLE]
    return {name: high - low for name, low, high in zip(names, edges, edges[1:], strict=False)}


@given(texts, texts, weights())
def test_a_unit_keeps_its_version(salt: str, unit: str, plan: dict[str, int]) -> None:
    order = tuple(sorted(plan))
    assert version_at(point_of(salt, unit), plan, order) == version_at(point_of(salt, unit), plan, order)


@given(weights())
def test_every_version_owns_exactly_its_share_of_the_line(plan: dict[str, int]) -> None:
    owners = Counter(version_at(point, plan, tuple(sorted(plan))) for point in range(WHOLE))
    assert owners == {name: weight for name, weight in plan.items() if weight}


@given(st.integers(0, WHOLE), st.integers(0, WHOLE), st.sampled_from([("v1", "v2"), ("v2", "v1")]))
def test_raising_a_weight_moves_units_one_way_only(low: int, high: int, pair: tuple[str, str]) -> None:
    stable, canary = pair
    low, high = sorted((low, high))
    few = {stable: WHOLE - low, canary: low}
    more = {stable: WHOLE - high, canary: high}
    order = tuple(sorted(few))
    for point in range(0, WHOLE, 7):
        if version_at(point, few, order) == canary:
            assert version_at(point, more, order) == canary


@given(texts, st.integers(0, 10_000))
def test_units_spread_evenly_for_any_salt(salt: str, first: int) -> None:
    plan = {"v1": 7000, "v2": 3000}
    chosen = sum(version_at(point_of(salt, f"c{first + n}"), plan, ("v1", "v2")) == "v2" for n in range(2000))
    assert 600 - 6 * 20.5 < chosen < 600 + 6 * 20.5


def test_groups_are_even_and_have_nothing_to_do_with_the_point() -> None:
    places = [place_of("pricing", f"c{number}") for number in range(20_000)]
    for low, high in ((0, 1000), (1000, WHOLE)):
        sizes = Counter(group for point, group in places if low <= point < high)
        assert len(sizes) == GROUPS
        assert float(stats.chisquare(list(sizes.values())).pvalue) > 0.001


def test_another_experiment_deals_again() -> None:
    units = [f"customer-{number}" for number in range(4000)]
    first = [point_of("pricing", unit) < 5000 for unit in units]
    second = [point_of("colours", unit) < 5000 for unit in units]
    both = sum(one and other for one, other in zip(first, second, strict=True))
    assert 1000 - 6 * 27.4 < both < 1000 + 6 * 27.4


def test_salt_and_unit_do_not_run_together() -> None:
    assert point_of("ab", "c") != point_of("a", "bc")


def test_another_process_deals_the_same() -> None:
    code = "from app.routing.policies import point_of; print([point_of('s', str(n)) for n in range(50)])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str([point_of("s", str(number)) for number in range(50)])


def test_requests_without_a_unit_are_dealt_by_weight() -> None:
    plan = {"v1": 9000, "v2": 1000}
    chosen = Counter(version_at(random_point(), plan, ("v1", "v2")) for _ in range(20_000))
    assert 2000 - 6 * 42.5 < chosen["v2"] < 2000 + 6 * 42.5


def test_percentages_become_exact_points() -> None:
    assert shares({"v1": 99.5, "v2": 0.5, "v3": 0}) == {"v1": 9950, "v2": 50}
